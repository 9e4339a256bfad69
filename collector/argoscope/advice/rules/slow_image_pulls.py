"""Image pulls on the critical path."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.words import counted, some, span
from argoscope.resources._reasons import is_image

LEAST_SHARE, LEAST_SECONDS = 0.15, 30.0


def _find(run: Evidence) -> Found | None:
    # An image that is not there, or that nobody may pull, is no slow one.
    seconds = sum(
        (part.end - part.start) / 1000
        for part in run.path.parts
        if part.cause == "pull" and not is_image(part.reason)
    )
    if seconds < LEAST_SECONDS or seconds < LEAST_SHARE * run.total:
        return None
    told = ""
    if run.pods:
        pods = [run.pods[node][-1] for node in run.path.nodes() if node in run.pods]
        pulls = [pull for pod in pods for pull in pod.pulls]
        longest = sorted(pulls, key=lambda pull: -pull.seconds)
        machines = {pod.node for pod in pods if pod.pulls}
        if longest:
            images = some(pull.image for pull in longest)
            told = f" ({images}; on {counted(len(machines), 'node')})"
    return Found(
        evidence=f"The run waited {span(seconds)} for images{told},"
        f" {seconds / run.total:.0%} of its time.",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="slow-image-pulls",
    title="Have the images on the nodes",
    source="events",
    fires="image pulls are 15 % or more of a run's critical path, and 30 s or more",
    action="Keep a registry mirror in the cluster, pull the images ahead (a DaemonSet), make them"
    " smaller, or keep nodes warm: new nodes have none of them.",
    docs=f"{KUBERNETES_DOCS}/concepts/containers/images/",
    find=_find,
)
