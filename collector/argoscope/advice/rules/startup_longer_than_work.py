"""Steps that need longer to start than for their work."""

from argoscope.advice.evidence import Evidence, Step
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import counted, span

LEAST_STEPS = 5
LEAST_STARTUP = 60.0
"""Seconds, of all of them together."""


def _find(run: Evidence) -> Found | None:
    by_template: dict[str, list[Step]] = {}
    for step in run.steps:
        by_template.setdefault(step.node.template, []).append(step)
    worst: tuple[float, str] = (0.0, "")
    for template, steps in by_template.items():
        startup = sum(step.startup for step in steps)
        longer = sum(step.startup > step.work for step in steps)
        if len(steps) >= LEAST_STEPS and startup >= LEAST_STARTUP and longer * 2 > len(steps):
            worst = max(worst, (startup, template))
    startup, template = worst
    if not template:
        return None
    steps = by_template[template]
    work = sum(step.work for step in steps)
    if startup <= work:
        return None
    return Found(
        evidence=f"{counted(len(steps), 'pod')} of {template} took {span(startup / len(steps))} to"
        f" start and {span(work / len(steps))} to work, on average.",
        saves=f"saves up to {span(startup)} of pod time",
    )


RULE = Rule(
    id="startup-longer-than-work",
    title="Give each pod more to do",
    source="pods",
    fires="of a template with five or more pods most take longer to start than to work, and a"
    " minute or more in all",
    action="Let a step take several items (withParam over batches), or the work of the step after"
    " it; smaller images and fewer artifacts shorten the start.",
    docs=f"{ARGO_DOCS}/walk-through/loops/",
    find=_find,
)
