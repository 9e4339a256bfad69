"""Images whose tag can mean another image tomorrow."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import KUBERNETES_DOCS, Found, Rule
from argoscope.advice.words import some

MUTABLE = frozenset({"latest", "main", "master", "dev", "develop", "edge", "nightly", "stable"})


def _find(run: Evidence) -> Found | None:
    images = {image: names for image, names in run.manifest.images().items() if _mutable(image)}
    if not images:
        return None
    templates = some(name for names in images.values() for name in names)
    return Found(
        evidence=f"{some(images)} in {templates}.",
        saves="saves a question to the registry for each pod, which latest always asks",
    )


def _mutable(image: str) -> bool:
    if "@" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag in MUTABLE


RULE = Rule(
    id="mutable-tags",
    title="Name images by a tag that stays, or by digest",
    source="objects",
    fires="an image has no tag, or one like latest, main or nightly",
    action="Use the tag of a version or a digest: then runs can be repeated, and nodes need not"
    " ask the registry again.",
    docs=f"{KUBERNETES_DOCS}/concepts/containers/images/#image-names",
    find=_find,
)
