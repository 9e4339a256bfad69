"""What the ledger says about itself. None of it is kept in the ledger."""

from argoscope.ledger.errors import REASONS
from argoscope.metrics.model import Instrument, Label, Metric, Stability

REASON = Label(name="reason", help="Why a commit failed", values=REASONS)

UP = Metric(
    name="argoscope.ledger.up",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(),
    help="1 while commits succeed, 0 while counters stand still because they do not",
    stability=Stability.STABLE,
)
COMMIT_DURATION = Metric(
    name="argoscope.ledger.commit",
    instrument=Instrument.HISTOGRAM,
    unit="s",
    labels=(),
    help="How long a commit to the ledger took",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    volatile=True,
    stability=Stability.STABLE,
)
LAST_COMMIT = Metric(
    name="argoscope.ledger.last_commit_timestamp",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(),
    help="When everything that was counted was last committed, in Unix time",
    stability=Stability.STABLE,
)
ERRORS = Metric(
    name="argoscope.ledger.errors",
    instrument=Instrument.COUNTER,
    unit="{error}",
    labels=(REASON,),
    help="Commits that failed and are tried again",
    volatile=True,
    stability=Stability.STABLE,
)
BYTES = Metric(
    name="argoscope.ledger.bytes",
    instrument=Instrument.GAUGE,
    unit="By",
    labels=(),
    help="Size of the ledger's files",
    stability=Stability.STABLE,
)
RUNS = Metric(
    name="argoscope.ledger.runs",
    instrument=Instrument.GAUGE,
    unit="{run}",
    labels=(),
    help="Run records in the ledger",
    stability=Stability.STABLE,
)
RUNS_DROPPED = Metric(
    name="argoscope.ledger.runs_dropped",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(),
    help="Run records given up because commits failed for too long; they are counted all the same",
    volatile=True,
)

METRICS = (UP, COMMIT_DURATION, LAST_COMMIT, ERRORS, BYTES, RUNS, RUNS_DROPPED)
