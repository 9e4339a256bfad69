"""Artifacts that take longer to move than is good."""

from collections import Counter

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import some, span

LEAST_SHARE, LEAST_SECONDS = 0.2, 60.0


def _find(run: Evidence) -> Found | None:
    seconds = run.spent("init", "wait")
    if seconds < LEAST_SECONDS or run.share("init", "wait") < LEAST_SHARE:
        return None
    lengths: Counter[str] = Counter()
    nodes = run.line.nodes
    for part in run.path.parts:
        if part.cause in ("init", "wait") and part.node in nodes:
            lengths[nodes[part.node].template] += part.end - part.start
    names = some(name for name, _ in lengths.most_common())
    return Found(
        evidence=f"Loading took {span(run.spent('init'))} and saving {span(run.spent('wait'))},"
        f" {run.share('init', 'wait'):.0%} of the run; most of it in {names}.",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="large-artifacts",
    title="Move less data",
    source="pods",
    fires="loading and saving artifacts is 20 % or more of a run's critical path, and a minute or"
    " more",
    action="Pass large data by a volume or by where it lies; compress less (archive: none for"
    " what is compressed); leave out what nobody reads.",
    docs=f"{ARGO_DOCS}/walk-through/artifacts/",
    find=_find,
)
