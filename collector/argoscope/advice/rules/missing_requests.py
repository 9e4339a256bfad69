"""Containers without requests: the scheduler places their pods blindly."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.manifest import mapping
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.requests import RESOURCES, patched
from argoscope.advice.words import counted, some


def _find(run: Evidence) -> Found | None:
    missing = []
    for container in run.manifest.containers():
        asked = mapping(container.spec.get("resources"))
        # Kubernetes takes limits for requests where there are none.
        known = {*mapping(asked.get("requests")), *mapping(asked.get("limits"))}
        known |= patched(container)
        lacking = [name for name in RESOURCES if name not in known]
        if lacking:
            missing.append(f"{container.template}/{container.name} ({' and '.join(lacking)})")
    if not missing:
        return None
    return Found(
        evidence=f"{counted(len(missing), 'container')} without: {some(missing)}.",
        saves="avoids evictions, and nodes that are full on one side only",
    )


RULE = Rule(
    id="missing-requests",
    title="Say what each container needs",
    source="objects",
    fires="a container, init container or sidecar of a template has no request for CPU or memory"
    " (limits count as requests)",
    action="Set resources.requests; those of Argo's own init and wait containers are set by the"
    " controller's executor.resources.",
    docs=f"{KUBERNETES_DOCS}/concepts/configuration/manage-resources-containers/",
    find=_find,
)
