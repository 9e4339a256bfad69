"""Advice about an explained run: evidence for the rules, and what they found in words."""

from collections.abc import Collection

import msgspec

from argoscope.advice.advising import advise
from argoscope.advice.evidence import Evidence, Usage
from argoscope.advice.manifest import manifest_of
from argoscope.advice.words import span
from argoscope.explain.answer import Advice
from argoscope.explain.asking import Explanation
from argoscope.explain.objects import Objects
from argoscope.explain.runs import ExplainedRun
from argoscope.inspect.reading import Complain
from argoscope.resources._time import unix
from argoscope.resources.node import describe
from argoscope.resources.workflow.naming import LABEL_CRON

_PRINTED = 2**20
"""Bytes from which on it matters how an object was printed."""


def advice(
    found: Explanation,
    objects: Objects,
    prometheus: str,
    silenced: Collection[str],
    complain: Complain,
) -> list[Advice]:
    """What could be done, most time first. ``prometheus``: its address, or empty."""
    run = found.run
    usage: tuple[Usage, ...] = ()
    if prometheus:
        from argoscope.explain.usage import usage_of

        usage = usage_of(run, prometheus, complain)
    evidence = Evidence(
        line=run.line,
        path=run.path,
        manifest=manifest_of(run.raw),
        size=_size(run.raw),
        pods=run.pods,
        spot_nodes=frozenset(name for name, raw in objects.nodes.items() if _is_spot(raw)),
        stored=found.stored,
        cron_policy=_policy(objects, run),
        cron_runs=_cron_runs(objects, run),
        usage=usage,
    )
    return [
        Advice(
            rule=finding.rule.id,
            title=finding.rule.title,
            evidence=finding.found.evidence,
            action=finding.rule.action,
            saves_seconds=round(finding.found.saves_seconds, 3),
            saves=_saves(finding.found.saves, finding.found.saves_seconds),
            source=finding.rule.source,
            docs=finding.rule.docs,
        )
        for finding in advise(evidence, silenced)
    ]


def _saves(words: str, seconds: float) -> str:
    return f"saves up to {span(seconds)}" if seconds else words


def _size(raw: bytes) -> int:
    """As the API server stores it: kubectl prints with spaces."""
    return len(msgspec.json.format(raw, indent=-1)) if len(raw) > _PRINTED else len(raw)


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    labels: dict[str, str] | None = None
    creation_timestamp: str | None = None


class _Status(msgspec.Struct, gc=False, rename="camel"):
    finished_at: str | None = None


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    concurrency_policy: str | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


_decode = msgspec.json.Decoder(_Object).decode


def _read(raw: bytes) -> _Object:
    try:
        return _decode(raw)
    except msgspec.MsgspecError:
        return _Object()


def _is_spot(raw: bytes) -> bool:
    return describe(_read(raw).metadata.labels or {})[3]


def _policy(objects: Objects, run: ExplainedRun) -> str:
    raw = objects.crons.get((run.line.namespace, run.line.cron))
    return (_read(raw).spec.concurrency_policy or "Allow") if raw is not None else ""


def _cron_runs(objects: Objects, run: ExplainedRun) -> tuple[tuple[float, float], ...]:
    found = []
    if run.line.cron:
        for key, raw in objects.workflows.items():
            if key == run.key or key[0] != run.line.namespace:
                continue
            other = _read(raw)
            if (other.metadata.labels or {}).get(LABEL_CRON) == run.line.cron:
                begin = unix(other.metadata.creation_timestamp)
                found.append((begin, unix(other.status.finished_at) or float("inf")))
    return tuple(found)
