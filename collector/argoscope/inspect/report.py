"""The answers of an ``inspect`` run as tables that a person reads."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from argoscope.catalogue import catalogue
from argoscope.inspect.replay import Replay
from argoscope.metrics.model import Labels, Metric
from argoscope.metrics.registry import Registry

MOST = 20  # rows a table shows: the rest is in --format prom


def render(replay: Replay, console: Console) -> None:
    """Print the report; a section without data is left out."""
    registry = replay.registry
    taken = ", ".join(f"{count:,} {kind}" for kind, count in sorted(replay.taken.items()))
    console.print(f"[bold]Read[/] {taken or 'nothing that argoscope watches'}")
    for title, columns, rows in _sections(_Answers(registry)):
        if not rows:
            continue
        table = Table(*columns, title=title, title_justify="left", header_style="bold")
        for column in table.columns[_text_columns(rows) :]:
            column.justify = "right"
        for row in rows[:MOST]:
            table.add_row(*row)
        console.print()
        console.print(table)
        if len(rows) > MOST:
            console.print(f"[dim]… and {len(rows) - MOST} more[/]")


def _text_columns(rows: list[tuple[str, ...]]) -> int:
    """How many columns at the left hold names."""
    for index, cell in enumerate(rows[0]):
        if cell[:1].isdigit() or cell == "-":
            return index
    return len(rows[0])


Section = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _sections(answers: "_Answers") -> Iterator[Section]:
    runs = ("namespace", "pipeline", "succeeded", "failed", "error", "mean", "main cause")
    yield "Workflow runs", runs, answers.runs()
    slow = ("namespace", "pipeline", "template", "attempts", "mean", "in total")
    yield "Slowest templates", slow, answers.templates()
    stages = ("stage", "pods", "mean", "in total")
    yield "Where pods spend their time", stages, answers.stages()
    gaps = ("namespace", "pipeline", "gaps", "mean", "in total")
    yield "Gaps between steps", gaps, answers.gaps()
    pending = ("namespace", "pipeline", "reason", "episodes")
    yield "Why pods were pending", pending, answers.counted("argo_pod_pending_episodes_total")
    crons = ("namespace", "cron", "last run", "next run", "missed", "failing in a row")
    yield "Crons", crons, answers.crons()
    rollouts = ("namespace", "rollout", "result", "attempts")
    yield "Rollouts", rollouts, answers.counted("argo_rollouts_total")
    aborts = ("namespace", "rollout", "cause", "aborts")
    yield "Aborted rollouts", aborts, answers.counted("argo_rollout_aborts_total")


class _Answers:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._metrics = {metric.prometheus: metric for metric in catalogue()}

    def _samples(self, name: str) -> list[tuple[Labels, float]]:
        return [(k, v) for k, v in self._registry.samples(self._metrics[name]) if v]

    def _histogram(self, name: str) -> dict[Labels, tuple[float, float]]:
        """Labels -> (number of samples, their sum)."""
        metric: Metric = self._metrics[name]
        return {k: (v, self._registry.sum(metric, k)) for k, v in self._samples(name)}

    def runs(self) -> list[tuple[str, ...]]:
        counts: dict[Labels, dict[str, float]] = {}
        for (ns, pipeline, phase), value in self._samples("argo_workflow_runs_total"):
            counts.setdefault((ns, pipeline), {})[phase] = value
        durations = _fold(self._histogram("argo_workflow_run_duration_seconds"), 2)
        causes: dict[Labels, tuple[float, str]] = {}
        for (ns, pipeline, cause), value in self._samples("argo_workflow_failures_total"):
            causes[ns, pipeline] = max(causes.get((ns, pipeline), (0.0, "")), (value, cause))
        rows = []
        for key, phases in counts.items():
            number, total = durations.get(key, (0.0, 0.0))
            rows.append(
                (
                    *key,
                    *(f"{phases.get(p, 0):.0f}" for p in ("Succeeded", "Failed", "Error")),
                    span(total / number) if number else "-",
                    causes.get(key, (0.0, "-"))[1],
                )
            )
        return sorted(rows, key=lambda row: (-int(row[3]) - int(row[4]), row))

    def templates(self) -> list[tuple[str, ...]]:
        return self._mean_first(_fold(self._histogram("argo_template_duration_seconds"), 3))

    def gaps(self) -> list[tuple[str, ...]]:
        return self._mean_first(self._histogram("argo_step_gap_seconds"))

    def stages(self) -> list[tuple[str, ...]]:
        by_stage: dict[Labels, tuple[float, float]] = {}
        for labels, (number, total) in self._histogram("argo_pod_stage_seconds").items():
            known = by_stage.get(labels[3:], (0.0, 0.0))
            by_stage[labels[3:]] = (known[0] + number, known[1] + total)
        return self._mean_first(by_stage)

    def _mean_first(self, found: dict[Labels, tuple[float, float]]) -> list[tuple[str, ...]]:
        ordered = sorted(found.items(), key=lambda item: -item[1][1] / item[1][0])
        return [(*k, f"{n:.0f}", span(total / n), span(total)) for k, (n, total) in ordered]

    def counted(self, name: str) -> list[tuple[str, ...]]:
        ordered = sorted(self._samples(name), key=lambda item: (-item[1], item[0]))
        return [(*labels, f"{value:.0f}") for labels, value in ordered]

    def crons(self) -> list[tuple[str, ...]]:
        last = dict(self._samples("argo_cron_last_schedule_timestamp_seconds"))
        following = dict(self._samples("argo_cron_next_schedule_timestamp_seconds"))
        failing = dict(self._samples("argo_cron_consecutive_failures"))
        missed: dict[Labels, float] = {}
        for labels, value in self._samples("argo_cron_missed_runs_total"):
            missed[labels[:2]] = missed.get(labels[:2], 0.0) + value
        return [
            (
                *key,
                moment(last.get(key, 0.0)),
                moment(following.get(key, 0.0)),
                f"{missed.get(key, 0):.0f}",
                f"{failing.get(key, 0):.0f}",
            )
            for key in sorted({*last, *following})
        ]


def _fold(
    found: dict[Labels, tuple[float, float]], width: int
) -> dict[Labels, tuple[float, float]]:
    """Sums over the labels behind the first ``width``."""
    folded: dict[Labels, tuple[float, float]] = {}
    for labels, (number, total) in found.items():
        known = folded.get(labels[:width], (0.0, 0.0))
        folded[labels[:width]] = (known[0] + number, known[1] + total)
    return folded


def span(seconds: float) -> str:
    """A duration as people say it: ``12.3 s``, ``4m 05s``, ``2h 10m``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if unix else "-"
