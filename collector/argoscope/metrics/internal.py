"""What the daemon says about itself; every registry holds these. The ledger has its own file."""

from argoscope.metrics.model import Combine, Instrument, Label, Metric, Stability

WATCHED = Label(name="resource", help="Watched kind, by its lower-case name")
KIND = Label(name="kind", help="Kind of the object that was skipped, or of which a field was")
METRIC = Label(name="metric", help="Prometheus name of the metric")
EXPORTER = Label(name="exporter", help="Exporter that pushes", values=("otlp",))
VERSION = Label(name="version", help="Version of the daemon")
RELIST_REASON = Label(name="reason", help="Why the kind was listed again")
DECODE_REASON = Label(name="reason", help="What was wrong with it", open=True)
UNOBSERVED_REASON = Label(name="reason", help="Why the end of the run was not seen")
EXPORT_REASON = Label(
    name="reason",
    help="Why points did not arrive",
    values=(
        "connection",
        "timeout",
        "unauthorized",
        "throttled",
        "unavailable",
        "rejected",
        "partial",
        "server_error",
        "ledger",
    ),
)

BUILD_INFO = Metric(
    name="argoscope.build.info",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(VERSION,),
    help="Always 1, with the version of the daemon",
    stability=Stability.STABLE,
)
WATCH_UP = Metric(
    name="argoscope.watch.up",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(WATCHED,),
    help="1 while the kind is synced and its watch is served, else 0",
    combine=Combine.MIN,
    stability=Stability.STABLE,
)
WATCH_LAG = Metric(
    name="argoscope.watch.lag",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(WATCHED,),
    help="Time since the watch last delivered an event or a bookmark",
    combine=Combine.MIN,
    age=True,
    stability=Stability.STABLE,
)
RELISTS = Metric(
    name="argoscope.relists",
    instrument=Instrument.COUNTER,
    unit="{list}",
    labels=(WATCHED, RELIST_REASON),
    help="Lists after the first one of a kind, by what made them necessary",
    stability=Stability.STABLE,
    volatile=True,
)
DECODE_ERRORS = Metric(
    name="argoscope.decode_errors",
    instrument=Instrument.COUNTER,
    unit="{error}",
    labels=(KIND, DECODE_REASON),
    help="Objects or fields that were skipped because they could not be used",
    stability=Stability.STABLE,
    volatile=True,
)
RUNS_UNOBSERVED = Metric(
    name="argoscope.runs.unobserved",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(UNOBSERVED_REASON,),
    help="Runs whose end, or whose nodes, could not be seen and are missing from other metrics",
    stability=Stability.STABLE,
)
SERIES = Metric(
    name="argoscope.series",
    instrument=Instrument.GAUGE,
    unit="{series}",
    labels=(METRIC,),
    help="Label sets of the metric; a histogram's buckets are not counted one by one",
)
SERIES_FOLDED = Metric(
    name="argoscope.series.folded",
    instrument=Instrument.COUNTER,
    unit="{measurement}",
    labels=(METRIC,),
    help="Measurements put under _other because the metric was over its series budget",
)
EXPORT_FAILURES = Metric(
    name="argoscope.export.failures",
    instrument=Instrument.COUNTER,
    unit="{request}",
    labels=(EXPORTER, EXPORT_REASON),
    help="Export requests that were given up, or accepted only in part",
    stability=Stability.STABLE,
    volatile=True,
)
EXPORT_UNACKNOWLEDGED = Metric(
    name="argoscope.export.unacknowledged",
    instrument=Instrument.COUNTER,
    unit="{export}",
    labels=(EXPORTER,),
    help="Exports of deltas that a crash cut off: what had arrived was perhaps sent again",
    stability=Stability.STABLE,
)
EXPORT_DURATION = Metric(
    name="argoscope.export.duration",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(EXPORTER,),
    help="How long the last export took, retries included",
)
EXPORT_LAST_SUCCESS = Metric(
    name="argoscope.export.last_success_timestamp",
    instrument=Instrument.GAUGE,
    unit="s",
    labels=(EXPORTER,),
    help="When all points of an export were last accepted, in Unix time",
)

INTERNAL = (
    BUILD_INFO,
    WATCH_UP,
    WATCH_LAG,
    RELISTS,
    DECODE_ERRORS,
    RUNS_UNOBSERVED,
    SERIES,
    SERIES_FOLDED,
    EXPORT_FAILURES,
    EXPORT_UNACKNOWLEDGED,
    EXPORT_DURATION,
    EXPORT_LAST_SUCCESS,
)
