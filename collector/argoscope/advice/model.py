"""What a rule is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass

from argoscope.advice.evidence import Evidence

ARGO_DOCS = "https://argo-workflows.readthedocs.io/en/latest"
KUBERNETES_DOCS = "https://kubernetes.io/docs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """That a rule fires, in numbers."""

    evidence: str
    saves: str = ""
    """What following it would save or avoid, as a verb and its object; empty if ``saves_seconds``
    says it."""
    saves_seconds: float = 0.0
    """Of this run's time, at most; 0 where it is not time that is saved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One piece of advice."""

    id: str
    """Also the name of its file and of its section in docs/advice.md."""
    title: str
    source: str
    """Where its evidence comes from: objects, pods, events, nodes, cluster or prometheus."""
    fires: str
    """The condition, in words."""
    action: str
    docs: str
    """Address of further reading."""
    find: Callable[[Evidence], Found | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired."""

    rule: Rule
    found: Found
