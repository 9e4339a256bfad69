"""Attempts that are thrown away."""

from argoscope.advice.evidence import Evidence
from argoscope.advice.model import ARGO_DOCS, Found, Rule
from argoscope.advice.words import some, span

LEAST_SHARE, LEAST_SECONDS = 0.1, 30.0


def _find(run: Evidence) -> Found | None:
    seconds = run.spent("retry", "backoff")
    if seconds < LEAST_SECONDS or run.share("retry", "backoff") < LEAST_SHARE:
        return None
    nodes = run.line.nodes
    lost = dict.fromkeys(part.node for part in run.path.parts if part.cause == "retry")
    names = some(nodes[node].template for node in lost if node in nodes)
    why = some(text for node in lost if node in nodes and (text := nodes[node].message[:80]))
    return Found(
        evidence=f"{span(run.spent('retry'))} went into attempts that were thrown away"
        f"{f' ({names}: {why})' if names and why else f' ({names})' if names else ''} and"
        f" {span(run.spent('backoff'))} into the pauses before the next,"
        f" {run.share('retry', 'backoff'):.0%} of the run.",
        saves_seconds=seconds,
    )


RULE = Rule(
    id="wasteful-retries",
    title="Retry less, or mend what fails",
    source="objects",
    fires="attempts that were thrown away, and back-off, are 10 % or more of a run's critical"
    " path, and 30 s or more",
    action="Mend the cause; retry only what can succeed (retryStrategy.expression), with a smaller"
    " backoff; let long steps go on from where they were (memoization, checkpoints).",
    docs=f"{ARGO_DOCS}/retries/",
    find=_find,
)
