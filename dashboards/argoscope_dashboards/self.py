"""argoscope itself: can its numbers be trusted, and what does it cost?"""

from collections.abc import Iterator, Sequence

from argoscope.lease import metrics as lease
from argoscope.ledger import metrics as ledger
from argoscope.metrics import internal
from argoscope_dashboards import _foreign as foreign
from argoscope_dashboards import _links as links
from argoscope_dashboards._common import SLOW
from argoscope_dashboards._dashboard import Dashboard, Section
from argoscope_dashboards._fields import BAD, OK, WARNING, Column, limit
from argoscope_dashboards._grafana import Panel, Stat, StateTimeline, Table, TimeSeries
from argoscope_dashboards._query import Scope, worst
from argoscope_dashboards._target import queries, target

_JOB = "argoscope"
_UP = (("0", "down", BAD), ("1", "up", OK))
_LAG = 600  # a bookmark comes about every minute


def _now(q: Scope) -> Iterator[Panel]:
    yield Stat(
        title="Version",
        description="Version of each daemon that is scraped.",
        text="name",
        targets=[target(q.sum(internal.BUILD_INFO, "version"), "{{version}}", instant=True)],
    )
    yield Stat(
        title="Kinds watched",
        description="Kinds that are synced and whose watch is served, in every daemon.",
        decimals=0,
        targets=[
            target(f"count({q.min(internal.WATCH_UP, 'resource')} == 1)", "Kinds", instant=True)
        ],
    )
    yield Stat(
        title="Ledger",
        description="Up while commits succeed. Down: counters stand still, gauges are right. "
        "Absent: the daemon runs without --ledger.",
        no_value="none",
        value_names=_UP,
        targets=[target(q.min(ledger.UP), "Ledger", instant=True)],
    )
    yield Stat(
        title="Lease",
        description="Held by a daemon without a volume. Absent: the daemon has a volume or runs "
        "outside a cluster.",
        no_value="none",
        value_names=(("0", "waits", WARNING), ("1", "held", OK)),
        targets=[target(q.max(lease.HELD), "Lease", instant=True)],
    )
    yield Stat(
        title="Runs unobserved",
        no_value="0",
        description="Runs of the time range whose end, or whose nodes, could not be seen.",
        decimals=0,
        steps=limit(0.5, WARNING),
        targets=[target(q.increase(internal.RUNS_UNOBSERVED), "Runs", instant=True)],
    )
    yield Stat(
        title="Series folded",
        no_value="0",
        description="Measurements of the time range that went to _other because a metric was over "
        "its series budget.",
        decimals=0,
        steps=limit(0.5, WARNING),
        targets=[target(q.increase(internal.SERIES_FOLDED), "Folded", instant=True)],
    )


def _watches(q: Scope) -> Iterator[Panel]:
    yield StateTimeline(
        title="Watches",
        description="Whether each kind is synced and its watch is served. Down: argoscope doctor "
        "says which permission or CRD is missing.",
        size=(12, 11),
        no_value="No daemon is scraped",
        value_names=_UP,
        targets=[target(q.min(internal.WATCH_UP, "resource"), "{{resource}}")],
    )
    yield Table(
        title="Kinds",
        description="Time since each kind's watch last delivered an event or a bookmark; a healthy "
        "one gets a bookmark about every minute.",
        size=(12, 11),
        no_value="No daemon is scraped",
        names=[Column(title="Kind", field="resource")],
        cells=[
            Column(
                title="State",
                query=q.min(internal.WATCH_UP, "resource"),
                value_names=_UP,
            ),
            Column(
                title="Silent for",
                query=q.max(internal.WATCH_LAG, "resource"),
                unit="s",
                steps=limit(_LAG, WARNING),
            ),
            Column(title="Relists", query=q.increase(internal.RELISTS, "resource"), decimals=0),
        ],
        sorted_by="Silent for",
    )
    yield TimeSeries(
        title="Relists, by reason",
        description="Lists after the first one of a kind: the watch's position was gone (410), or "
        "the stream broke for long.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="Nothing was listed again",
        calcs=("sum",),
        sort="Total",
        targets=[
            target(
                q.increase(internal.RELISTS, "resource", "reason", window="$__rate_interval")
                + " > 0",
                "{{resource}}: {{reason}}",
            )
        ],
    )
    yield TimeSeries(
        title="Not usable, or not seen",
        description="Objects or fields that were skipped, and runs whose end could not be seen.",
        decimals=0,
        interval=SLOW,
        bars=True,
        stack=True,
        no_value="All objects could be used",
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (
                q.increase(internal.DECODE_ERRORS, "kind", "reason", window="$__rate_interval")
                + " > 0",
                "{{kind}}: {{reason}}",
            ),
            (
                q.increase(internal.RUNS_UNOBSERVED, "reason", window="$__rate_interval") + " > 0",
                "unobserved: {{reason}}",
            ),
        ),
    )


def _kept(q: Scope) -> Iterator[Panel]:
    yield TimeSeries(
        title="Commits",
        description="How long a commit to the ledger takes; one is due every second.",
        unit="s",
        no_value="No ledger: run the daemon with --ledger PATH",
        targets=queries(
            (q.quantile(0.99, ledger.COMMIT_DURATION), "p99"),
            (q.quantile(0.5, ledger.COMMIT_DURATION), "p50"),
        ),
    )
    yield TimeSeries(
        title="Behind",
        description="Time since everything that was counted was committed to the ledger, or since "
        "the lease's watermark.",
        unit="s",
        no_value="Neither a ledger nor a lease",
        targets=queries(
            (q.age(ledger.LAST_COMMIT), "ledger"),
            (q.age(lease.WATERMARK), "lease"),
        ),
    )
    yield TimeSeries(
        title="Ledger size",
        description="Bytes of the ledger's files. Run records are kept 30 days by default.",
        unit="bytes",
        size=(8, 9),
        no_value="No ledger",
        targets=[target(q.sum(ledger.BYTES), "files")],
    )
    yield TimeSeries(
        title="Run records",
        description="Runs in the ledger, which exports and the 7-day numbers read. Each shard has "
        "all of a cluster's.",
        decimals=0,
        size=(8, 9),
        no_value="No ledger",
        targets=[target(f"sum({q.max(ledger.RUNS, *q.keys())})", "runs")],
    )
    yield TimeSeries(
        title="Failed commits",
        description="Commits that failed and are tried again, by reason, and run records that were "
        "given up because that lasted too long.",
        decimals=0,
        size=(8, 9),
        interval=SLOW,
        bars=True,
        no_value="No commit failed",
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (q.increase(ledger.ERRORS, "reason", window="$__rate_interval") + " > 0", "{{reason}}"),
            (q.increase(ledger.RUNS_DROPPED, window="$__rate_interval") + " > 0", "runs given up"),
        ),
    )


def _export(q: Scope) -> Iterator[Panel]:
    nothing = "No OTLP endpoint is configured"
    yield TimeSeries(
        title="Export duration",
        description="How long the last OTLP export took, retries included.",
        unit="s",
        size=(8, 7),
        no_value=nothing,
        targets=[target(q.max(internal.EXPORT_DURATION, "exporter"), "{{exporter}}")],
    )
    yield TimeSeries(
        title="Since the last success",
        description="Time since all points of an export were last accepted.",
        unit="s",
        size=(8, 7),
        no_value=nothing,
        targets=[target(q.age(internal.EXPORT_LAST_SUCCESS, "exporter"), "{{exporter}}")],
    )
    yield TimeSeries(
        title="Export failures",
        description="Requests that were given up or accepted in part, by reason, and exports of "
        "deltas that a crash cut off.",
        decimals=0,
        size=(8, 7),
        interval=SLOW,
        bars=True,
        no_value="No export failed",
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (
                q.increase(internal.EXPORT_FAILURES, "reason", window="$__rate_interval") + " > 0",
                "{{reason}}",
            ),
            (
                q.increase(internal.EXPORT_UNACKNOWLEDGED, window="$__rate_interval") + " > 0",
                "answer lost",
            ),
        ),
    )


def _traces(q: Scope) -> Iterator[Panel]:
    nothing = "No receiver of traces is configured"
    window = "$__rate_interval"
    yield TimeSeries(
        title="Runs traced",
        description="Run attempts that ended, by why they became a trace; none did not.",
        decimals=0,
        size=(6, 7),
        interval=SLOW,
        bars=True,
        no_value=nothing,
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (q.increase(internal.TRACES_DECIDED, "reason", window=window), "{{reason}}")
        ),
    )
    yield TimeSeries(
        title="Sent",
        description="Traces, and the spans in them, that the receiver has accepted.",
        decimals=0,
        size=(6, 7),
        interval=SLOW,
        no_value=nothing,
        calcs=("sum",),
        targets=queries(
            (q.increase(internal.TRACES_SENT, window=window), "traces"),
            (q.increase(internal.TRACES_SPANS_SENT, window=window), "spans"),
        ),
    )
    yield TimeSeries(
        title="Waiting for the receiver",
        description="Traces that wait, and their memory. At 10,000 traces or 32 MiB the oldest "
        "give way.",
        size=(6, 7),
        no_value=nothing,
        targets=queries(
            (q.sum(internal.TRACES_QUEUED), "traces"),
            (q.sum(internal.TRACES_QUEUED_BYTES), "bytes"),
        ),
    )
    yield TimeSeries(
        title="Traces given up",
        description="Traces given up, by reason, and spans left out of traces that were too large.",
        decimals=0,
        size=(6, 7),
        interval=SLOW,
        bars=True,
        no_value="Nothing was given up",
        calcs=("sum",),
        sort="Total",
        targets=queries(
            (q.increase(internal.TRACES_DROPPED, "reason", window=window) + " > 0", "{{reason}}"),
            (q.increase(internal.TRACES_SPANS_TRUNCATED, window=window) + " > 0", "spans left out"),
        ),
    )


def _cost(q: Scope) -> Iterator[Panel]:
    memory = q.series(foreign.MEMORY, job=_JOB)
    yield TimeSeries(
        title="Memory",
        description="Resident memory of the daemon. The job has to be called argoscope.",
        unit="bytes",
        size=(8, 9),
        no_value="No target of the job argoscope",
        targets=[target(f"max by (instance) ({memory})", "{{instance}}")],
    )
    yield TimeSeries(
        title="CPU",
        description="CPUs that the daemon uses.",
        size=(8, 9),
        decimals=3,
        no_value="No target of the job argoscope",
        targets=[target(q.rate(foreign.CPU, "instance", job=_JOB), "{{instance}}")],
    )
    yield TimeSeries(
        title="Scrape duration",
        description="How long Prometheus takes to scrape the daemon.",
        unit="s",
        size=(8, 9),
        no_value="No target of the job argoscope",
        targets=[target(q.max(foreign.SCRAPE_SECONDS, "instance", job=_JOB), "{{instance}}")],
    )
    yield Table(
        title="Label sets by metric",
        description="The 15 metrics with most label sets; a histogram's buckets are not counted "
        "one by one. The budget is 10,000 each unless configured.",
        size=(12, 9),
        no_value="No daemon is scraped",
        names=[Column(title="Metric", field="metric", width=330)],
        cells=[
            Column(
                title="Label sets",
                query=worst(15, q.max(internal.SERIES, "metric")),
                decimals=0,
                bar=True,
            )
        ],
        sorted_by="Label sets",
    )
    yield TimeSeries(
        title="Samples and folded measurements",
        description="Samples of a scrape, and measurements that went to _other because a metric "
        "was over its budget.",
        decimals=0,
        no_value="No target of the job argoscope",
        targets=queries(
            (q.max(foreign.SCRAPE_SAMPLES, "instance", job=_JOB), "samples {{instance}}"),
            (
                q.increase(internal.SERIES_FOLDED, "metric", window="$__rate_interval") + " > 0",
                "folded {{metric}}",
            ),
        ),
    )


def _sections(q: Scope) -> Sequence[Section]:
    return (
        Section(title="At a glance", panels=list(_now(q))),
        Section(title="Watching", panels=list(_watches(q))),
        Section(title="Keeping", panels=list(_kept(q))),
        Section(title="OTLP export", panels=list(_export(q)), collapsed=True),
        Section(title="Traces", panels=list(_traces(q)), collapsed=True),
        Section(title="Cost", panels=list(_cost(q))),
    )


DASHBOARD = Dashboard(
    uid=links.SELF,
    title="Argo / argoscope itself",
    description="Whether argoscope's numbers can be trusted: watches, ledger, export; and what it "
    "costs.",
    tags=("self-monitoring",),
    cluster_from=internal.BUILD_INFO,
    variables=(),
    sections=_sections,
    begin="now-3h",
)
