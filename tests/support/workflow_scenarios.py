"""Expectations of recorded Workflow scenarios as short texts, and the runs held to them."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

from support.recordings import events
from support.workflows import Feed, Total, Totals

CRON = "workflows.argoproj.io/cron-workflow"
Events = list[tuple[float, dict[str, Any]]]


@dataclass(frozen=True)
class Expect:
    """What a scenario must give: ``n/s`` is how many and the sum of their seconds.

    ``attempts`` are "template phase n/s" or "template:NodeType phase n/s" (a Pod by default),
    ``failures`` "template cause n"; items are separated by semicolons.
    """

    runs: str = ""
    attempts: str = ""
    causes: str = ""
    failures: str = ""
    retries: str = ""
    gaps: str = "0/0"
    locks: str = "0/0"
    pending: str = "1/0"
    actions: str = ""
    unobserved: str = ""

    def totals(self) -> Totals:
        attempts = {}
        for template, phase, total in _items(self.attempts):
            name, _, node_type = template.partition(":")
            attempts[name, node_type or "Pod", phase] = _total(total)
        return Totals(
            runs={phase: _total(total) for phase, total in _items(self.runs)},
            attempts=attempts,
            causes={cause: int(n) for cause, n in _items(self.causes)},
            failures={(template, cause): int(n) for template, cause, n in _items(self.failures)},
            retries={template: int(n) for template, n in _items(self.retries)},
            gaps=_total(self.gaps),
            locks=_total(self.locks),
            pending=_total(self.pending),
            actions={action: int(n) for action, n in _items(self.actions)},
            unobserved={reason: int(n) for reason, n in _items(self.unobserved)},
        )


def _items(text: str) -> list[list[str]]:
    return [item.split() for item in text.split(";") if item.strip()]


def _total(text: str) -> Total:
    count, _, seconds = text.partition("/")
    return int(count), float(seconds)


@cache
def scenarios(recording: str) -> dict[str, Events]:
    """The Workflows' watch events by scenario; runs of crons by the cron's name."""
    found: dict[str, Events] = defaultdict(list)
    for at, event in events(recording, "workflows"):
        labels = event["object"]["metadata"].get("labels", {})
        found[labels.get("scenario") or labels[CRON]].append((at, event))
    return dict(found)


def replay(recording: str, scenario: str) -> Feed:
    """The scenario's Workflows alone; of the crons only what one of them says is known."""
    feed = Feed()
    feed.world.cron_policies["ml", "replace-long"] = "Replace"
    for at, event in scenarios(recording)[scenario]:
        feed.event(at, event)
    return feed
