"""What the daemon says about itself; every registry holds these. The ledger has its own file."""

from argoscope.metrics.model import Combine, Instrument, Label, Metric, Stability

WATCHED = Label(name="resource", help="Watched kind, by its lower-case name")
KIND = Label(name="kind", help="Kind of the object that was skipped, or of which a field was")
METRIC = Label(name="metric", help="Prometheus name of the metric")
EXPORTER = Label(name="exporter", help="Exporter that pushes", values=("otlp", "otlp_traces"))
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

TRACE_REASON = Label(
    name="reason",
    help="Why the run is traced; none if it is not",
    values=("failure", "slow", "rare", "share", "none"),
)
DROP_REASON = Label(
    name="reason", help="Why it was given up", values=("queue_full", "rejected", "bug")
)

BUILD_INFO = Metric(
    name="argoscope.build.info",
    instrument=Instrument.GAUGE,
    unit="",
    labels=(VERSION,),
    help="Always 1, with the version of the daemon",
    stability=Stability.STABLE,
)
SHARDS = Metric(
    name="argoscope.shards",
    instrument=Instrument.GAUGE,
    unit="{daemon}",
    labels=(),
    help="Daemons that the series are divided among, by each of those that have some",
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
    help="Exports of deltas whose acknowledgement was lost, by a crash, a timeout or a broken"
    " connection: what had arrived was perhaps sent again",
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
TRACES_DECIDED = Metric(
    name="argoscope.traces.decided",
    instrument=Instrument.COUNTER,
    unit="{run}",
    labels=(TRACE_REASON,),
    help="Run attempts that ended while traces were on, by whether and why they became one",
)
TRACES_SENT = Metric(
    name="argoscope.traces.sent",
    instrument=Instrument.COUNTER,
    unit="{trace}",
    labels=(),
    help="Traces that the receiver has accepted whole",
    volatile=True,
)
TRACES_SPANS_SENT = Metric(
    name="argoscope.traces.spans_sent",
    instrument=Instrument.COUNTER,
    unit="{span}",
    labels=(),
    help="Spans that the receiver has accepted",
    volatile=True,
)
TRACES_DROPPED = Metric(
    name="argoscope.traces.dropped",
    instrument=Instrument.COUNTER,
    unit="{trace}",
    labels=(DROP_REASON,),
    help="Traces given up, whole or in part, because the queue was full or the receiver refused",
    volatile=True,
)
TRACES_SPANS_TRUNCATED = Metric(
    name="argoscope.traces.spans_truncated",
    instrument=Instrument.COUNTER,
    unit="{span}",
    labels=(),
    help="Spans left out of traces that were over their limit",
)
TRACES_QUEUED = Metric(
    name="argoscope.traces.queued",
    instrument=Instrument.GAUGE,
    unit="{trace}",
    labels=(),
    help="Traces that wait for the receiver",
)
TRACES_QUEUED_BYTES = Metric(
    name="argoscope.traces.queued_bytes",
    instrument=Instrument.GAUGE,
    unit="By",
    labels=(),
    help="Memory of the traces that wait for the receiver",
)

INTERNAL = (
    BUILD_INFO,
    SHARDS,
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
    TRACES_DECIDED,
    TRACES_SENT,
    TRACES_SPANS_SENT,
    TRACES_DROPPED,
    TRACES_SPANS_TRUNCATED,
    TRACES_QUEUED,
    TRACES_QUEUED_BYTES,
)
