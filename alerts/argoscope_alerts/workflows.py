"""Workflows that stand still, wait for somebody, or pile up in etcd."""

from collections.abc import Iterator

from argoscope.resources.workflow.metrics import (
    BLOCKED_OLDEST,
    IDLE_OLDEST,
    OBJECT_BYTES,
    PENDING_OLDEST,
    STORED,
    SUSPENDED_OLDEST,
)
from argoscope_alerts._promql import Matcher, Query, select
from argoscope_alerts._rule import Alert, Group, Rule
from argoscope_alerts.history import P95_USUAL

OF = ("namespace", "pipeline")
_WHICH = "{{ $labels.namespace }}/{{ $labels.pipeline }}"
_FOR = "{{ $value | humanizeDuration }}"
_NODE_SECONDS = 3600
"""A single node that runs for less than this is no alarm, however quick the pipeline usually is."""


def _standing_still(query: Query) -> Iterator[Rule]:
    idle = select(IDLE_OLDEST, ("waits_for", "!=", "running_nodes"))
    yield Alert(
        name="ArgoWorkflowStuck",
        expr=query.above(query.max(idle, *OF), "ArgoWorkflowStuck"),
        severity="warning",
        wait="5m",
        keep="5m",
        summary=f"A workflow of {_WHICH} has made no progress for {_FOR}",
        description="A workflow of pipeline {{ $labels.pipeline }} in namespace "
        "{{ $labels.namespace }} is Running, but none of its nodes is: for "
        f"{_FOR} no node has started or ended. It is not suspended, and waits for no lock and no "
        "retry.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a running workflow has only pending nodes, or none that is unfinished, for 35 "
        "minutes",
    )
    busy = query.max(select(IDLE_OLDEST, ("waits_for", "=", "running_nodes")), *OF)
    on = query.labels(*OF)
    times = f"(\n  ({busy} > {_NODE_SECONDS})\n  / on {on}\n  {P95_USUAL}\n)"
    yield Alert(
        name="ArgoWorkflowNodeRunningTooLong",
        expr=query.above(times, "ArgoWorkflowNodeRunningTooLong"),
        severity="warning",
        wait="5m",
        keep="5m",
        summary=f"A node of a workflow of {_WHICH} runs for "
        '{{ $value | printf "%.1f" }} times the usual duration of a whole run',
        description="In a workflow of pipeline {{ $labels.pipeline }} in namespace "
        "{{ $labels.namespace }} pods run, but no node has started or ended for more than an hour: "
        '{{ $value | printf "%.1f" }} times as long as 95 % of whole runs usually take.',
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a pipeline has a history of at least 5 runs, and a pod of it runs for more than "
        "an hour and 3 times the usual duration of a run",
    )
    yield Alert(
        name="ArgoWorkflowNotStarted",
        expr=query.above(query.max(select(PENDING_OLDEST), *OF), "ArgoWorkflowNotStarted"),
        severity="warning",
        wait="5m",
        keep="5m",
        summary=f"A workflow of {_WHICH} has been pending for {_FOR}",
        description="A workflow of pipeline {{ $labels.pipeline }} in namespace "
        f"{{{{ $labels.namespace }}}} was created {_FOR} ago, and the controller has not started "
        "it. It waits for no lock.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a workflow stays pending for 35 minutes: the controller is down, or its limit of "
        "parallel workflows is reached",
    )


def _waiting(query: Query) -> Iterator[Rule]:
    suspended = query.max(select(SUSPENDED_OLDEST), *OF)
    yield Alert(
        name="ArgoWorkflowApprovalWaiting",
        expr=query.above(suspended, "ArgoWorkflowApprovalWaiting"),
        severity="info",
        wait="5m",
        keep="5m",
        summary=f"A workflow of {_WHICH} has waited {_FOR} for somebody",
        description="A workflow of pipeline {{ $labels.pipeline }} in namespace "
        f"{{{{ $labels.namespace }}}} has been suspended for {_FOR}: a suspend node waits for an "
        "approval, or somebody has suspended it.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a suspend node or a suspended workflow waits for 4 hours and 5 minutes",
    )
    locked = query.max(select(BLOCKED_OLDEST, ("reason", "=", "lock")), *OF)
    yield Alert(
        name="ArgoWorkflowLockStarved",
        expr=query.above(locked, "ArgoWorkflowLockStarved"),
        severity="warning",
        wait="5m",
        keep="5m",
        summary=f"A workflow of {_WHICH} has waited {_FOR} for a lock",
        description="A workflow or node of pipeline {{ $labels.pipeline }} in namespace "
        f"{{{{ $labels.namespace }}}} has waited {_FOR} for a mutex or semaphore that others "
        "hold.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a workflow waits for 65 minutes for a mutex that another one holds",
    )


def _stored(query: Query) -> Iterator[Rule]:
    size = query.max(select(OBJECT_BYTES), *OF)
    yield Alert(
        name="ArgoWorkflowObjectNearLimit",
        expr=query.above(size, "ArgoWorkflowObjectNearLimit"),
        severity="warning",
        wait="5m",
        keep="15m",
        summary=f"A workflow of {_WHICH} is {{{{ $value | humanize1024 }}}}B large",
        description="The largest stored workflow of pipeline {{ $labels.pipeline }} in namespace "
        "{{ $labels.namespace }} has {{ $value | humanize1024 }}B. Etcd refuses requests of more "
        "than 1.5 MiB by default: then the workflow can't be updated any more and fails.",
        dashboard="argoscope-pipeline",
        variables=OF,
        happens="a workflow object of more than 1.25 MiB is stored for 5 minutes",
    )
    done: Matcher = ("completed", "=", "true")
    stored = query.sum(select(STORED, done), "namespace")
    yield Alert(
        name="ArgoWorkflowsStoredTooMany",
        expr=query.above(stored, "ArgoWorkflowsStoredTooMany"),
        severity="warning",
        wait="30m",
        keep="5m",
        summary="Namespace {{ $labels.namespace }} stores {{ $value }} completed workflows",
        description="{{ $value }} completed workflows are stored in namespace "
        "{{ $labels.namespace }}. Each costs etcd and the controller's memory, and lists of them "
        "become slow.",
        dashboard="argoscope-workflows",
        variables=("namespace",),
        happens="a namespace holds more than 5,000 completed workflows for 30 minutes",
    )
    forever = query.sum(select(STORED, done, ("ttl", "=", "false")), "namespace")
    yield Alert(
        name="ArgoWorkflowsStoredWithoutTTL",
        expr=query.above(forever, "ArgoWorkflowsStoredWithoutTTL"),
        severity="info",
        wait="1h",
        keep="5m",
        summary="Nothing will delete {{ $value }} completed workflows in namespace "
        "{{ $labels.namespace }}",
        description="{{ $value }} completed workflows in namespace {{ $labels.namespace }} have no "
        "ttlStrategy: they stay until somebody deletes them.",
        dashboard="argoscope-workflows",
        variables=("namespace",),
        happens="a namespace holds more than 500 completed workflows without ttlStrategy for an "
        "hour",
    )


def _rules(query: Query) -> Iterator[Rule]:
    yield from _standing_still(query)
    yield from _waiting(query)
    yield from _stored(query)


GROUP = Group(name="argoscope-workflows", title="Workflows", rules=_rules)
