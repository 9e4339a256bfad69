"""Images that are huge."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import Found, Rule
from argoscope.advice.words import size, some

HUGE = 2 * 2**30
"""Bytes."""


def _find(run: Evidence) -> Found | None:
    sizes = {pull.image: pull.size for pod in run.facts() for pull in pod.pulls}
    huge = sorted((image for image in sizes if sizes[image] >= HUGE), key=lambda i: -sizes[i])
    if not huge:
        return None
    told = some(f"{image} with {size(sizes[image])}" for image in huge)
    return Found(evidence=f"Pulled: {told}.", saves="saves time and disk on each node")


RULE = Rule(
    id="huge-images",
    title="Make the images smaller",
    source="events",
    fires="an image that had to be pulled is 2 GiB or larger (kubelets tell sizes from 1.30 on)",
    action="Leave build tools, caches and models out (multi-stage builds); mount what is large"
    " and rarely changes from a volume.",
    docs="https://docs.docker.com/build/building/best-practices/",
    find=_find,
)
