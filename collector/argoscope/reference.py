"""What docs/metrics.md, docs/configuration.md and the listing commands are generated from."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args, get_origin

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argoscope import settings
from argoscope.advice.reference import advice_markdown
from argoscope.catalogue import catalogue
from argoscope.metrics.model import Instrument, Metric
from argoscope.resources._load import load
from argoscope.resources._reasons import ADVICE

DAEMON = "The daemon itself"

QUESTIONS: tuple[tuple[str, str], ...] = (
    ("argo.workflow.run", "How many runs were there, and how long did they take?"),
    ("argo.workflow.runs", "How many runs were there, and how long did they take?"),
    ("argo.workflow.run.pending", "How long do workflows queue before they start?"),
    ("argo.workflow.active", "What runs, waits or is suspended now?"),
    ("argo.workflow.info", "Which template or cron does a pipeline come from?"),
    ("argo.workflow.failures", "Why do workflows fail?"),
    ("argo.workflow.failed_runs_7d", "How many workflows failed this week?"),
    ("argo.workflow.completed_runs_7d", "How many workflows failed this week?"),
    ("argo.workflow.blocked_oldest", "What keeps nodes from getting a pod?"),
    ("argo.workflow.nodes_blocked", "What keeps nodes from getting a pod?"),
    ("argo.workflow.actions", "Who stopped, retried or resumed something?"),
    ("argo.workflow.object", "Will an object soon be too big for etcd?"),
    ("argo.workflow.nodes", "Will an object soon be too big for etcd?"),
    ("argo.workflow.objects", "Are finished workflows cleaned up, and where are their nodes?"),
    ("argo.workflow.stored", "Are finished workflows cleaned up, and where are their nodes?"),
    ("argo.workflow.suspended", "Does anybody have to approve something?"),
    ("argo.workflow.idle_oldest", "Is a workflow stuck?"),
    ("argo.workflow.pending_oldest", "How long do workflows queue before they start?"),
    ("argo.workflow.lock_wait", "Who waits for a mutex or semaphore?"),
    ("argo.lock", "Who waits for a mutex or semaphore?"),
    ("argo.workflow.critical_path", "Why is my workflow slow: where does its time go?"),
    ("argo.workflow.overhead", "Why is my workflow slow: how much of its time is no work?"),
    ("argo.workflow.resource", "What do pipelines consume?"),
    ("argo.template.duration", "How long does template X take?"),
    ("argo.template", "Which template fails or is retried, and why?"),
    ("argo.step", "Why is my workflow slow: how long lies between its steps?"),
    ("argo.cron", "When did cron Y last run, and did it miss a run?"),
    ("argo.pods", "Why are my pods pending?"),
    ("argo.pod", "Why are my pods pending?"),
    ("argo.pod.stage", "Why is my workflow slow: where does a pod's time go?"),
    ("argo.pod.restarts", "Are pods lost before they start?"),
    ("argo.rollout", "What is being released, and how far is it?"),
    ("argo.rollouts", "How do releases end?"),
    ("argo.rollout.duration", "How long do releases take?"),
    ("argo.rollout.step.seconds", "How long do releases take?"),
    ("argo.rollout.paused", "How long do releases wait for somebody?"),
    ("argo.rollout.convergence", "How long do releases take?"),
    ("argo.rollout.aborts", "Why are releases aborted?"),
    ("argo.analysis", "Why are releases aborted?"),
    ("argo.workflow_template", "Which templates are there?"),
    ("argo.cluster_workflow_template", "Which templates are there?"),
    ("argo.pipeline.findings", "What could be done about a pipeline?"),
    ("argo.pipeline.threshold", "What do the alerts compare with?"),
    ("argo.nodes", "Where do pods run?"),
    ("argoscope", "Can these numbers be trusted?"),
)
"""By the beginning of the OpenTelemetry name; the longest that fits answers."""


def question(metric: Metric) -> str:
    """The question that a metric helps to answer. Raises LookupError when none is known."""
    fitting = [
        (len(start), text)
        for start, text in QUESTIONS
        if f"{metric.name}.".startswith((f"{start}.", f"{start}_"))
    ]
    if not fitting:
        raise LookupError(f"reference.py: no question for {metric.name}")
    return max(fitting)[1]


def by_resource() -> dict[str, list[Metric]]:
    """All metrics by the kind that they are derived from, each sorted by Prometheus name."""
    groups: dict[str, list[Metric]] = {}
    own = {metric: resource.kind for resource in load() for metric in resource.metrics}
    for metric in catalogue():
        groups.setdefault(own.get(metric, DAEMON), []).append(metric)
    order = [*dict.fromkeys(resource.kind for resource in load()), DAEMON]
    return {kind: groups[kind] for kind in order if kind in groups}


def describe(metric: Metric, kind: str) -> dict[str, Any]:
    """A metric as JSON: everything that its definition says."""
    return {
        "name": metric.name,
        "prometheus": metric.prometheus,
        "resource": kind,
        "type": str(metric.instrument),
        "unit": metric.unit,
        "stability": str(metric.stability),
        "help": metric.help,
        "question": question(metric),
        "labels": [
            {"name": label.name, "help": label.help, "values": list(label.values)}
            for label in metric.labels
        ],
        "buckets": list(metric.buckets),
        "series_budget": metric.budget,
        "cardinality": metric.cardinality,
    }


def metrics_json() -> str:
    described = [
        describe(metric, kind) for kind, group in by_resource().items() for metric in group
    ]
    return msgspec.json.format(msgspec.json.encode(described)).decode()


def print_metrics(console: Console | None = None) -> None:
    """A table for each kind."""
    for kind, group in by_resource().items():
        table = Table("metric", "type", "labels", "meaning", title=kind, title_justify="left")
        table.columns[0].no_wrap = True
        for metric in group:
            table.add_row(
                metric.prometheus, metric.instrument, ", ".join(metric.label_names), metric.help
            )
        (console or Console()).print(table)


_METRICS_INTRO = """\
# Metrics

Generated by `argoscope metrics --format markdown`; do not edit.

Names are those of Prometheus; the name in OpenTelemetry stands beside each. Histograms also have
`_bucket`, `_sum` and `_count`. Times are seconds, timestamps Unix seconds. Counters count what
happens from the daemon's first list on; what had ended before is history. When a metric has more
label sets than its series budget, further ones are counted under `_other`
(`argoscope_series_folded_total` says so).
"""

_REASONS_INTRO = """
## Reasons

Why pods wait (`argo_pods_pending` and its kin), and what to do about it.
"""


def metrics_markdown() -> str:
    groups = by_resource()
    lines = [_METRICS_INTRO]
    lines += ["| question | metrics |", "|---|---|"]
    lines += [f"| {text} | {', '.join(names)} |" for text, names in _answers(groups).items()]
    for kind, group in groups.items():
        lines += ["", f"## {kind}"]
        for metric in group:
            lines += ["", *_section(metric)]
    lines += [_REASONS_INTRO, "| reason | what to do |", "|---|---|"]
    lines += [f"| `{_cell(reason)}` | {_cell(advice)} |" for reason, advice in ADVICE.items()]
    return "\n".join(lines) + "\n"


def _answers(groups: Mapping[str, list[Metric]]) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = {}
    for metric in (metric for group in groups.values() for metric in group):
        link = f"[`{metric.prometheus}`](#{metric.prometheus})"
        answers.setdefault(question(metric), []).append(link)
    return answers


def _section(metric: Metric) -> Iterator[str]:
    yield f"### `{metric.prometheus}`"
    yield ""
    yield f"{metric.help}."
    yield ""
    yield f"- {_kind(metric)}, `{metric.name}` in OpenTelemetry, {metric.stability}"
    if metric.buckets:
        yield f"- buckets: {', '.join(map(_bound, metric.buckets))}"
    cardinality = f" ({metric.cardinality})" if metric.cardinality else ""
    yield f"- series budget: {metric.budget:,}{cardinality}"
    if not metric.labels:
        return
    yield ""
    yield "| label | meaning | values |"
    yield "|---|---|---|"
    for label in metric.labels:
        values = ", ".join(f"`{value}`" if value else "empty" for value in label.values)
        if label.values == tuple(ADVICE):
            values = "[list](#reasons)"
        yield f"| `{label.name}` | {_cell(label.help)} | {_cell(values)} |"


def _kind(metric: Metric) -> str:
    unit = f", unit `{metric.unit}`" if metric.unit else ""
    how = f"{metric.combine} of its objects" if metric.instrument is Instrument.GAUGE else ""
    return f"{metric.instrument}{f' ({how})' if how else ''}{unit}"


def _bound(value: float) -> str:
    return f"{value:g}" if value < 1e6 else f"{value:.0f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_CONFIGURATION_INTRO = """\
# Configuration

Generated by `argoscope settings --format markdown`; do not edit.

Settings come from a YAML file (`--config FILE` or `ARGOSCOPE_CONFIG`), from environment variables
and from flags; a flag wins over a variable, which wins over the file. In the environment, lists are
joined by commas and maps are written `name=1,other=2`; an empty variable counts as not set. What is
wrong is reported all at once, with its key, and the daemon does not start (exit code 2).

An example of a file; `argoscope settings --format yaml` prints all of it:

```yaml
listen: "[::]:9464"
namespaces: [ci, data]
cluster: prod-eu
log:
  level: info
labels:
  pipeline: [app.kubernetes.io/part-of]
resources:
  disabled: [node]
series:
  budgets:
    argo_template_duration_seconds: 5000
```
"""

_OTLP = """
## OpenTelemetry export

Read from OpenTelemetry's own variables. Without an endpoint nothing is exported.

| variable | meaning |
|---|---|
| `OTEL_EXPORTER_OTLP_ENDPOINT` | where metrics and [traces](traces.md) are sent; over HTTP it \
gets `/v1/metrics` and `/v1/traces` appended |
| `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | where the one or \
the other is sent; taken as it is |
| `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` (default) or `grpc` |
| `OTEL_EXPORTER_OTLP_HEADERS` | `name=value` pairs joined by commas, such as an access token |
| `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` or `none` (default) |
| `OTEL_EXPORTER_OTLP_TIMEOUT` | milliseconds of a request, default 10000 |
| `OTEL_EXPORTER_OTLP_CERTIFICATE`, `_CLIENT_CERTIFICATE`, `_CLIENT_KEY` | PEM files for TLS |
| `OTEL_EXPORTER_OTLP_INSECURE` | `true` for gRPC without TLS when the endpoint has no scheme |
| `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative` (default), `delta` or \
`lowmemory` |
| `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds between exports, default 60000 |
| `OTEL_METRIC_EXPORT_TIMEOUT` | milliseconds of a whole export with its retries, default 30000 |
| `OTEL_BSP_SCHEDULE_DELAY` | milliseconds that a trace waits for others to travel with, default \
5000 |
| `OTEL_METRICS_EXPORTER`, `OTEL_TRACES_EXPORTER` | `otlp` (default), or `none` to switch it off |
| `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` | attributes of the resource; `service.name` is \
`argoscope` unless set |

Each of the first ones has forms with `_METRICS_` and `_TRACES_` in it
(`OTEL_EXPORTER_OTLP_METRICS_HEADERS`, ...) that win. Which runs are traced is set under
[`traces`](#tracesshare).
"""


def configuration_markdown() -> str:
    lines = [_CONFIGURATION_INTRO, "## Settings"]
    for path, leaf in settings.leaves().items():
        lines += ["", f"### `{path}`", "", settings.documentation(path)]
        lines += ["", f"- {type_name(leaf.type)}, default {_default(leaf.default)}"]
        flag = settings.FLAGS.get(path)
        flag_text = f", flag `{flag}`" if flag else ""
        lines.append(f"- environment `{leaf.env}`{flag_text}")
    return "\n".join(lines) + "\n" + _OTLP


def type_name(kind: Any) -> str:
    """A setting's type in words."""
    if get_origin(kind) is tuple:
        return "list of text"
    if choices := [choice for choice in get_args(kind) if isinstance(choice, str)]:
        return f"one of {', '.join(f'`{choice}`' for choice in choices)}"
    words = {str: "text", int: "number", float: "number", bool: "true or false"}
    return words.get(kind, "map of text to number")


def _default(value: object) -> str:
    return "empty" if value in ("", (), {}) else f"`{value}`"


def settings_yaml(values: settings.Settings | None = None) -> str:
    """A complete configuration file with each setting's meaning as a comment."""
    import yaml

    values = values or settings.Settings()
    lines: list[str] = []
    groups: set[str] = set()
    for path in settings.leaves():
        *parents, name = path.split(".")
        indent = "  " * len(parents)
        if parents and parents[0] not in groups:
            groups.add(parents[0])
            lines += [*_comment(settings.documentation(parents[0]), ""), f"{parents[0]}:"]
        lines += _comment(settings.documentation(path), indent)
        value = settings.value(values, path)
        plain = dict(value) if isinstance(value, Mapping) else value
        plain = list(value) if isinstance(value, tuple) else plain
        text = yaml.safe_dump({name: plain}, default_flow_style=False)
        lines += [f"{indent}{line}" for line in text.rstrip().splitlines()]
    return "\n".join(lines) + "\n"


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in wrap(text, 96 - len(indent))]


def print_settings(console: Console | None = None) -> None:
    table = Table("setting", "environment", "default", "meaning")
    for path, leaf in settings.leaves().items():
        default = str(leaf.default) if leaf.default else ""
        table.add_row(path, leaf.env, escape(default), escape(settings.documentation(path)))
    (console or Console()).print(table)


def write(folder: Path) -> None:
    """docs/metrics.md, docs/configuration.md and docs/advice.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.md").write_text(metrics_markdown(), encoding="utf-8")
    (folder / "configuration.md").write_text(configuration_markdown(), encoding="utf-8")
    (folder / "advice.md").write_text(advice_markdown(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
