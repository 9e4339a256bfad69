"""Many different images in one run."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.words import some

MANY = 15


def _find(run: Evidence) -> Found | None:
    images = run.manifest.images()
    if len(images) < MANY:
        return None
    return Found(
        evidence=f"Its templates use {len(images)} images: {some(images)}.",
        saves="saves pulls on each new node",
    )


RULE = Rule(
    id="many-images",
    title="Use fewer images",
    source="objects",
    fires="the templates use 15 or more different images",
    action="Let steps share an image, or at least its base layers: a node pulls each layer once.",
    docs=f"{KUBERNETES_DOCS}/concepts/containers/images/",
    find=_find,
)
