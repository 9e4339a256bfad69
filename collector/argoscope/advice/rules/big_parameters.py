"""Parameters that carry data."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.manifest import mapping, mappings
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import size, some

LARGEST = 32 * 2**10
"""Bytes of one value."""


def _find(run: Evidence) -> Found | None:
    large = []
    places = [("arguments", mapping(run.manifest.setting("arguments")))]
    places += [(name, mapping(t.get("inputs"))) for name, t in run.manifest.templates()]
    for place, given in places:
        for parameter in mappings(given.get("parameters")):
            value = parameter.get("value")
            length = len(value.encode()) if isinstance(value, str) else 0
            if length >= LARGEST:
                large.append((length, f"{place}/{parameter.get('name', '')} ({size(length)})"))
    if not large:
        return None
    told = some(name for _, name in sorted(large, reverse=True))
    return Found(
        evidence=f"{told}. A step's pod gets its parameters in the environment, which is bounded,"
        " and every node's copy is in the Workflow.",
        saves="leaves room in the object, of which 1.5 MiB is all there is",
    )


RULE = Rule(
    id="big-parameters",
    title="Pass large values as artifacts",
    source="objects",
    fires="the value of a parameter is 32 KiB or larger",
    action="Write it to an artifact, or pass where it lies.",
    docs=f"{ARGO_DOCS}/walk-through/artifacts/",
    find=_find,
)
