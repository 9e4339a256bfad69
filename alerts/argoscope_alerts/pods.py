"""Pods that wait, by who can help, and what stops a whole cluster."""

from collections.abc import Iterator

from argoscope.resources._reason_classes import CLASSES
from argoscope.resources.pod._metrics import EPISODES, PENDING, PENDING_OLDEST, PODS
from argoscope.resources.workflow.metrics import BLOCKED_OLDEST
from argoscope_alerts._promql import Query, select
from argoscope_alerts._rule import Alert, Group, Record, Rule

OF = ("namespace", "pipeline")
OLDEST = "pipeline:argo_pods_pending_oldest_seconds:max_by_class"
_RATE_LIMITED = "ErrImagePull: rate limited"
_BLOCKED = {"quota": "quota", "configuration": "forbidden"}
"""Class -> why a node that has no pod at all is blocked."""

_ALERTS = (
    ("Image", "image", "can't get its image", "an image that does not exist is pulled for 12"),
    ("Scheduling", "scheduling", "finds no node", "a pod asks for more than any node has for 17"),
    ("Volume", "volume", "waits for a volume", "a claim is not bound or mounted for 17"),
    ("Quota", "quota", "is held back by a quota", "a ResourceQuota or Kueue holds a pod for 62"),
    (
        "Configuration",
        "configuration",
        "can't start as it is written",
        "a Secret or command of a pod does not exist for 7",
    ),
    ("Node", "node", "is not started by its node", "the pod sandbox can't be made for 17"),
)


def _classes(query: Query) -> Iterator[Rule]:
    for name, reasons in CLASSES.items():
        series = select(PENDING_OLDEST, ("reason", "=~", "|".join(reasons)))
        expr = query.max(series, *OF)
        if name in _BLOCKED:
            blocked = select(BLOCKED_OLDEST, ("reason", "=", _BLOCKED[name]))
            expr = query.max(f"\n  {series}\n  or\n  {blocked}\n", *OF)
        yield Record(name=OLDEST, expr=expr, labels={"class": name})


def _pending(query: Query, suffix: str, group: str, what: str, happens: str) -> Alert:
    name = f"ArgoPodsPending{suffix}"
    return Alert(
        name=name,
        expr=query.above(f'{OLDEST}{{class="{group}"}}', name),
        severity="warning",
        wait="2m",
        keep="5m",
        summary=f"A pod of {{{{ $labels.namespace }}}}/{{{{ $labels.pipeline }}}} {what} for "
        "{{ $value | humanizeDuration }}",
        description="A pod of pipeline {{ $labels.pipeline }} in namespace "
        f"{{{{ $labels.namespace }}}} {what}: it has waited {{{{ $value | humanizeDuration }}}}. "
        "The dashboard has the exact reason.",
        dashboard="argoscope-pending-pods",
        variables=OF,
        happens=f"{happens} minutes",
    )


def _cluster(query: Query) -> Alert:
    name = "ArgoClusterSchedulingFailing"
    reasons = "|".join(CLASSES["scheduling"])
    waiting = select(PENDING, ("reason", "=~", reasons))
    live = select(PODS, ("phase", "=~", "Pending|Running"))
    on = query.labels()
    several = f"count by {query.labels()} ({query.sum(waiting, *OF)} > 0) > 2"
    share = f"(\n  {query.sum(waiting)}\n  / on {on}\n  {query.sum(live)}\n)"
    return Alert(
        name=name,
        expr=f"({query.above(share, name)})\nand on {on} ({several})",
        severity="critical",
        wait="10m",
        keep="10m",
        summary="{{ $value | humanizePercentage }} of the pods of Argo find no node",
        description="{{ $value | humanizePercentage }} of the unfinished pods of workflows and "
        "rollouts, of at least 3 pipelines, have found no node for 10 minutes. This is the "
        "cluster's trouble and not that of one pipeline.",
        dashboard="argoscope-pending-pods",
        happens="a quarter of the unfinished pods, of at least 3 pipelines, are unschedulable for "
        "10 minutes",
    )


def _rate_limited(query: Query) -> Alert:
    now = query.sum(select(PENDING, ("reason", "=", _RATE_LIMITED)), "namespace")
    ended = query.sum(
        f"increase({select(EPISODES, ('reason', '=', _RATE_LIMITED))}[15m])", "namespace"
    )
    return Alert(
        name="ArgoImageRegistryRateLimited",
        expr=f"{now} > 0\nor on {query.labels('namespace')}\nround({ended}) > 0",
        severity="warning",
        wait="2m",
        keep="15m",
        summary="A registry limits the image pulls of namespace {{ $labels.namespace }}",
        description="A registry answers pulls of pods in namespace {{ $labels.namespace }} with "
        "429 Too Many Requests: {{ $value }} pods wait or have waited for it within 15 minutes.",
        dashboard="argoscope-pending-pods",
        variables=("namespace",),
        happens="a registry answers a pull with 429 Too Many Requests for 2 minutes",
    )


def _rules(query: Query) -> Iterator[Rule]:
    yield from _classes(query)
    for alert in _ALERTS:
        yield _pending(query, *alert)
    yield _cluster(query)
    yield _rate_limited(query)


GROUP = Group(name="argoscope-pods", title="Pods", rules=_rules)
