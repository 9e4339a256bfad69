"""The pool that a pod waits in: that of its node, else the only one that its spec allows."""

import msgspec

from argoscope.resources import _pools
from argoscope.resources.pod._object import PodSpec
from argoscope.resources.world import World


class _Expression(msgspec.Struct, gc=False):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class _Term(msgspec.Struct, gc=False, rename="camel"):
    match_expressions: list[_Expression] | None = None


class _NodeSelector(msgspec.Struct, gc=False, rename="camel"):
    node_selector_terms: list[_Term] | None = None


class _NodeAffinity(msgspec.Struct, gc=False, rename="camel"):
    required_during_scheduling_ignored_during_execution: _NodeSelector | None = None


class _Affinity(msgspec.Struct, gc=False, rename="camel"):
    node_affinity: _NodeAffinity | None = None


_selector = msgspec.json.Decoder(dict[str, str] | None)
_affinity = msgspec.json.Decoder(_Affinity | None)


def pool_of(spec: PodSpec, world: World) -> str:
    """Name of the pool; "" where nothing tells: no selector names one, or nodes are not watched."""
    if spec.node_name and (known := world.node_pools.get(spec.node_name)) and known[2]:
        return known[2]
    try:
        return _selected(spec) or _required(spec)
    except msgspec.MsgspecError:
        return ""  # no API server serves such a spec; the pod counts all the same


def _selected(spec: PodSpec) -> str:
    return _pools.pool(_selector.decode(spec.node_selector) or {}) if spec.node_selector else ""


def _required(spec: PodSpec) -> str:
    """Any of the terms is enough for the scheduler: all must allow the same pool alone."""
    affinity = _affinity.decode(spec.affinity) if spec.affinity else None
    required = (
        affinity.node_affinity.required_during_scheduling_ignored_during_execution
        if affinity and affinity.node_affinity
        else None
    )
    allowed = {
        _of_term(term) for term in (required.node_selector_terms if required else None) or ()
    }
    return allowed.pop() if len(allowed) == 1 else ""


def _of_term(term: _Term) -> str:
    return _pools.pool(
        {
            one.key: one.values[0]
            for one in term.match_expressions or ()
            if one.operator == "In" and one.values and len(one.values) == 1
        }
    )
