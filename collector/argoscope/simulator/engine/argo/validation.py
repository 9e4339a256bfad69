"""What is wrong with a workflow's spec before anything of it runs, as the controller says it."""

from typing import Any

import msgspec

from argoscope.simulator.engine.argo import expand
from argoscope.simulator.engine.behaviour import ANNOTATION
from argoscope.simulator.engine.kernel import Object

Mapping = dict[str, Any]


class _Dag(msgspec.Struct):
    tasks: list[Mapping]


class _Template(msgspec.Struct):
    name: str
    metadata: Mapping | None = None
    inputs: Mapping | None = None
    steps: list[list[Mapping] | Mapping] | None = None
    dag: _Dag | None = None
    container: Mapping | None = None
    suspend: Mapping | None = None
    synchronization: Mapping | None = None
    retryStrategy: Mapping | None = None  # noqa: N815 - Argo's names
    parallelism: int | None = None


class _Ttl(msgspec.Struct):
    secondsAfterCompletion: int | None = None  # noqa: N815
    secondsAfterSuccess: int | None = None  # noqa: N815
    secondsAfterFailure: int | None = None  # noqa: N815


class _Spec(msgspec.Struct):
    """The types of what the controller reads outside the walk through the templates."""

    templates: list[_Template] | None = None
    entrypoint: str | None = None
    arguments: Mapping | None = None
    hooks: dict[str, Mapping] | None = None
    onExit: str | None = None  # noqa: N815
    parallelism: int | None = None
    activeDeadlineSeconds: int | float | None = None  # noqa: N815
    synchronization: Mapping | None = None
    ttlStrategy: _Ttl | None = None  # noqa: N815
    podGC: dict[str, Any] | None = None  # noqa: N815
    podMetadata: Mapping | None = None  # noqa: N815
    nodeSelector: dict[str, str] | None = None  # noqa: N815
    workflowTemplateRef: Mapping | None = None  # noqa: N815


def malformed(spec: Object) -> str:
    """Which part of a spec has not the type that it must have; empty if all have."""
    try:
        msgspec.convert(spec, _Spec)
    except msgspec.ValidationError as problem:
        return str(problem)
    return ""


def invalid(workflow: Object, spec: Object) -> str:
    """What is wrong with a spec, as Argo says it; empty if nothing is."""
    name = workflow["metadata"]["name"]
    if len(name) > 63:
        return (
            f'workflow name "{name}" must not be more than 63 characters long '
            f"(currently {len(name)})"
        )
    templates = {t["name"]: t for t in spec.get("templates") or ()}
    for template in templates.values():
        steps = [
            (f"steps[{i}].{step['name']}", step)
            for i, group in enumerate(template.get("steps") or ())
            for step in (group if isinstance(group, list) else group.get("steps", ()))
        ]
        tasks = [(f"tasks.{t['name']}", t) for t in (template.get("dag") or {}).get("tasks", ())]
        for place, call in (*steps, *tasks):
            wanted = call.get("template")
            if wanted and "{{" not in wanted and wanted not in templates:
                return f"templates.{template['name']}.{place} template name '{wanted}' undefined"
        known = {p["name"] for p in (template.get("inputs") or {}).get("parameters", ())}
        for word in expand.unresolved({k: template.get(k) for k in ("container", "script")}):
            missing = word.startswith("inputs.parameters.") and word.split(".")[2] not in known
            if missing:
                return f"templates.{template['name']}: failed to resolve {{{{{word}}}}}"
    return ""


def lacks_command(template: Object) -> str:
    """The complaint about a container without a command; empty if it has one, or behaves."""
    container = template.get("container")
    behaves = ANNOTATION in ((template.get("metadata") or {}).get("annotations") or {})
    if not container or container.get("command") or container.get("args") or behaves:
        return ""
    return (
        f'failed to look-up entrypoint/cmd for image "{container.get("image")}", you must either '
        "explicitly specify the command, or list the image's command in the index: "
        "https://argo-workflows.readthedocs.io/en/latest/workflow-executors/#emissary-emissary: "
        f"could not parse reference: {container.get('image')}"
    )
