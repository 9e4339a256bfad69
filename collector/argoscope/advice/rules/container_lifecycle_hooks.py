"""Kubernetes' lifecycle hooks on Argo's containers."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.manifest import mapping
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import some


def _find(run: Evidence) -> Found | None:
    names = [
        f"{container.template}/{container.name}"
        for container in run.manifest.containers()
        if mapping(container.spec.get("lifecycle"))
    ]
    if not names:
        return None
    return Found(
        evidence=f"{some(names)} set lifecycle.",
        saves="avoids pods that hang at their end or lose outputs",
    )


RULE = Rule(
    id="container-lifecycle-hooks",
    title="Use Argo's hooks instead of the container's",
    source="objects",
    fires="a container of a template sets lifecycle (postStart, preStop)",
    action="Move it into the command, an exit handler or a hook of the workflow: the executor runs"
    " the command itself, so postStart runs beside it without order, and preStop only if the pod"
    " is killed.",
    docs=f"{ARGO_DOCS}/lifecyclehook/",
    find=_find,
)
