"""What could be done about a pipeline."""

from argoscope.advice.advising import all_rules
from argoscope.resources.workflow import metrics as workflow
from argoscope_dashboards._fields import Column
from argoscope_dashboards._grafana import Panel, Table
from argoscope_dashboards._query import Scope


def advice(q: Scope) -> Panel:
    by = q.keys("namespace", "pipeline", "rule")
    return Table(
        title="Advice about the latest run",
        description="What could be done, by what the latest run that has ended shows. With the "
        "evidence in numbers, and what it would save: argoscope explain --pipeline NAME. A rule "
        "is silenced by the setting advice.silenced.",
        no_value="There is nothing to say about the latest run",
        size=(24, 7),
        names=[
            Column(
                title="Advice",
                field="rule",
                value_names=[
                    (rule.id, f"{rule.title} ({rule.id})", "text") for rule in all_rules()
                ],
            )
        ],
        hidden=(q.config.cluster_label, "namespace", "pipeline"),
        cells=[Column(title="", query=q.max(workflow.FINDINGS, *by))],
    )
