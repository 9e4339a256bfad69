"""Hundreds of pods made at once."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import span

MANY = 300
WINDOW = 10.0
"""Seconds."""


def _find(run: Evidence) -> Found | None:
    if run.line.parallelism or run.manifest.parallelism:
        return None
    begin = run.line.begin
    times = sorted(
        node.started
        for node in run.line.nodes.values()
        if node.type == "Pod" and node.started >= begin and not node.memoized
    )
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] > WINDOW:
            first += 1
        most = max(most, last - first + 1)
    if most < MANY:
        return None
    return Found(
        evidence=f"{most:,} steps were started within {span(WINDOW)}, without a limit.",
        saves="avoids pauses of all other workflows, whose pods the controller makes after these",
    )


RULE = Rule(
    id="parallelism-unlimited",
    title="Limit how many steps run at once",
    source="objects",
    fires="300 or more steps start within 10 s, and the workflow has no parallelism",
    action="Set parallelism to what the cluster can run: the rest only waits, and keeps controller,"
    " scheduler and registry busy.",
    docs=f"{ARGO_DOCS}/parallelism/",
    find=_find,
)
