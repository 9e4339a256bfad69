"""Four weeks of runs added up, once an hour: reading them takes longer than the rest together."""

from collections.abc import Iterator

from argoscope_alerts._promql import Query
from argoscope_alerts._rule import Group, Record, Rule


def _rules(query: Query) -> Iterator[Rule]:
    del query  # what is added up has the right labels already
    for kind in ("bucket", "sum", "count"):
        recorded = f"pipeline:argo_workflow_run_duration_seconds_{kind}"
        yield Record(
            name=f"{recorded}:sum4w", expr=f"sum_over_time({recorded}:increase1h[4w:1h] offset 1h)"
        )


GROUP = Group(
    name="argoscope-history-overall",
    title="Four weeks of runs",
    interval="1h",
    rules=_rules,
)
