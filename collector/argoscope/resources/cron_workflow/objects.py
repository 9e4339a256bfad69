"""The CronWorkflow object, and why the controller would refuse to run one.

Argo writes almost nothing about a broken CronWorkflow into its status (4.1 not even an Event), so
the findings come from the spec itself. Only what is certain without reading other objects is
reported: a reference to a WorkflowTemplate may be wrong without being found here.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from argoscope.cron_schedule import Every, Schedule, ScheduleError, parse
from argoscope.resources._base import ObjectMeta
from argoscope.resources._thresholds import Subject

POLICIES = ("Allow", "Forbid", "Replace")
MAX_NAME = 52
"""Longest name (Argo's ValidateCronWorkflow): the runs' names add 11 characters."""

LIMITS_OF: frozenset[Subject] = frozenset({"cron", "pipeline"})
"""What annotations of a CronWorkflow may set limits for."""

Finding = tuple[str, str]
"""(reason, detail naming the field); reason is a value of ``argo_cron_invalid``."""


class TemplateRef(msgspec.Struct, gc=False):
    name: str = ""


class DagTemplate(msgspec.Struct, gc=False):
    tasks: Any = None


class Template(msgspec.Struct, gc=False):
    name: str = ""
    steps: Any = None
    dag: DagTemplate | None = None


class WorkflowSpec(msgspec.Struct, gc=False, rename="camel"):
    entrypoint: str = ""
    templates: list[Template] | None = None
    workflow_template_ref: TemplateRef | None = None


class CronSpec(msgspec.Struct, gc=False, rename="camel"):
    schedule: str = ""
    """Before 3.6; wins over ``schedules`` where both are given, as in the controller."""
    schedules: list[str] | None = None
    timezone: str = ""
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    suspend: bool | None = None
    when: str = ""
    workflow_spec: WorkflowSpec | None = None


class Condition(msgspec.Struct, gc=False):
    type: str = ""
    status: str = ""
    message: str = ""


class ActiveRef(msgspec.Struct, gc=False):
    uid: str = ""


class CronStatus(msgspec.Struct, gc=False, rename="camel"):
    active: list[ActiveRef] | None = None
    last_scheduled_time: str | None = None
    phase: str = ""
    conditions: list[Condition] | None = None


class CronWorkflow(msgspec.Struct, gc=False):
    """argoproj.io/v1alpha1 CronWorkflow, of Argo Workflows 3.4 to 4.x."""

    metadata: ObjectMeta
    spec: CronSpec = msgspec.field(default_factory=CronSpec)
    status: CronStatus | None = None


class Definition(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What is kept of a CronWorkflow's spec; by the ledger too, by position."""

    texts: tuple[str, ...] = ()
    timezone: str = ""
    deadline: int = 0
    """startingDeadlineSeconds; 0 and absent are the same to the controller."""
    policy: str = "Allow"
    suspended: bool = False
    conditional: bool = False
    """It has ``when``."""


def limits_elsewhere(cron: CronWorkflow) -> dict[Subject, str]:
    """Why its annotations can't set limits of its pipeline, if they can't."""
    workflow = cron.spec.workflow_spec
    if workflow is None or workflow.workflow_template_ref is None:
        return {}
    name = workflow.workflow_template_ref.name
    return {"pipeline": f"its runs belong to the pipeline {name}: annotate that WorkflowTemplate"}


def definition(spec: CronSpec) -> Definition:
    texts = (spec.schedule,) if spec.schedule else tuple(spec.schedules or ())
    return Definition(
        texts,
        spec.timezone,
        spec.starting_deadline_seconds or 0,
        spec.concurrency_policy or "Allow",
        bool(spec.suspend),
        bool(spec.when),
    )


def read_schedules(spec: Definition, now: float) -> tuple[tuple[Schedule, ...], list[Finding]]:
    """The schedules, and what is wrong with them.

    One that cannot be read stops the whole cron, so there are no schedules then. One that never
    fires (30 February) leaves the others alone.
    """
    texts = spec.texts
    findings: list[Finding] = [] if texts else [("schedule", "spec.schedules is empty")]
    schedules: list[Schedule] = []
    for text in texts:
        try:
            schedule = parse(text, spec.timezone)
        except ScheduleError as error:
            findings.append((error.reason, f"schedule {text!r}: {error}"))
            continue
        schedules.append(schedule)
        if not isinstance(schedule, Every) and not schedule.next(now):
            findings.append(("never_fires", f"schedule {text!r} is never due"))
    unreadable = any(reason != "never_fires" for reason, _ in findings)
    return () if unreadable else tuple(schedules), findings


def spec_findings(cron: CronWorkflow) -> Iterator[Finding]:
    """What Argo's validation refuses, apart from the schedules."""
    spec = cron.spec
    if len(cron.metadata.name) > MAX_NAME:
        yield "spec", f"metadata.name is longer than {MAX_NAME} characters"
    if spec.concurrency_policy and spec.concurrency_policy not in POLICIES:
        yield "spec", f"spec.concurrencyPolicy {spec.concurrency_policy!r} does not exist"
    if (spec.starting_deadline_seconds or 0) < 0:
        yield "spec", "spec.startingDeadlineSeconds is negative"
    for condition in (cron.status and cron.status.conditions) or ():
        if condition.type == "SpecError" and condition.status == "True":
            yield "spec", f"status.conditions SpecError: {condition.message}"
    workflow = spec.workflow_spec or WorkflowSpec()
    if workflow.workflow_template_ref is None:
        yield from _template_findings(workflow)


def _template_findings(workflow: WorkflowSpec) -> Iterator[Finding]:
    templates = workflow.templates or []
    names = {template.name for template in templates}
    if not workflow.entrypoint:
        yield "spec", "spec.workflowSpec.entrypoint is missing"
    elif workflow.entrypoint not in names:
        yield "spec", f"spec.workflowSpec.entrypoint {workflow.entrypoint!r} is not a template"
    for template in templates:
        for name in _references(template):
            if name not in names and "{{" not in name:
                yield "spec", f"template {template.name!r} uses {name!r}, which does not exist"


def _references(template: Template) -> Iterator[str]:
    """Names of the templates of the same spec that steps and tasks run."""
    groups = template.steps if isinstance(template.steps, list) else []
    tasks = template.dag.tasks if template.dag and isinstance(template.dag.tasks, list) else []
    for group in [*groups, tasks]:
        for step in group if isinstance(group, list) else [group]:
            name = step.get("template") if isinstance(step, dict) else None
            if isinstance(name, str) and name:
                yield name
