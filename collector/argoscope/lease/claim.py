"""Getting a Lease: taking it over, or waiting for the daemon that holds it."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from argoscope.kube.config import SERVICE_ACCOUNT
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    BadAnswerError,
    ConfigError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    describe,
)
from argoscope.kube.leases import GROUP, VERBS, Lease, LeaseMeta, LeaseSpec, micro_time, unix_time
from argoscope.lease import watermark

DURATION = 30.0
"""Seconds without a renewal after which the holder counts as gone."""
POLL = 2.0
"""Seconds between two looks at a lease that another daemon holds."""
PATIENCE = 60.0
"""Seconds that an API server may fail on leases before they are done without."""
_CLOCKS = 30.0  # seconds that the clocks of two nodes may differ
_LABELS = {"app.kubernetes.io/name": "argoscope"}


class State(Enum):
    """Where the daemon stands with its lease."""

    CLAIMING = "claiming"
    STANDBY = "standing by"
    """Another daemon holds it: nothing is watched, so that nothing is counted by two."""
    HELD = "held"
    FAILING = "failing"
    """It can't be renewed at present: counters stand still."""
    REFUSED = "refused"
    """There will be none: counted without a watermark, as if there had never been a lease."""
    LOST = "lost"
    """Another daemon has taken it over."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Which lease, and for whom."""

    namespace: str
    name: str
    identity: str
    """Name of the holder: the pod's. A process of the same name takes the lease over at once."""
    instance: str
    """Of this process alone."""


class Wanted(Protocol):
    """The settings of a lease."""

    @property
    def enabled(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def shard(self) -> int: ...
    @property
    def holder(self) -> str: ...


def configured(
    wanted: Wanted, *, in_pod: bool, ledger: bool, account: Path = SERVICE_ACCOUNT
) -> Claim | None:
    """The lease to be used, if one is. Raises ConfigError when it can't be said which."""
    if ledger or wanted.enabled == "never" or (wanted.enabled == "auto" and not in_pod):
        return None
    namespace = wanted.namespace
    if not namespace:
        file = account / "namespace"
        try:
            namespace = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"lease.namespace is not set, and {file} can't be read: {error.strerror}"
            ) from error
    return Claim(
        namespace=namespace,
        name=f"argoscope-{wanted.shard}",
        identity=wanted.holder or socket.gethostname(),
        instance=uuid4().hex,
    )


def document(claim: Claim, before: Lease | None, now: float) -> Lease:
    """The lease, taken over at ``now`` (Unix seconds) with the watermark that it had."""
    meta = LeaseMeta(claim.name, claim.namespace, labels=dict(_LABELS))
    transitions = 0
    if before is not None:
        old = before.metadata
        meta = LeaseMeta(
            claim.name, claim.namespace, old.resource_version, dict(old.annotations), old.labels
        )
        changed = before.spec.holder_identity != claim.identity
        transitions = (before.spec.lease_transitions or 0) + changed
    meta.annotations[watermark.INSTANCE] = claim.instance
    at = micro_time(now)
    return Lease(meta, LeaseSpec(claim.identity, int(DURATION), at, at, transitions))


class Observer:
    """Tells whether a holder is still there: by our own clock, since theirs may be another."""

    def __init__(self, identity: str, clock: Callable[[], float]) -> None:
        self._identity = identity
        self._clock = clock
        self._version = ""
        self._since = 0.0

    def is_free(self, lease: Lease) -> bool:
        holder = lease.spec.holder_identity
        if not holder or holder == self._identity:
            return True
        now = asyncio.get_running_loop().time()
        if lease.metadata.resource_version != self._version:
            self._version, self._since = lease.metadata.resource_version, now
        duration = float(lease.spec.lease_duration_seconds or DURATION)
        renewed = unix_time(lease.spec.renew_time)
        long_ago = self._clock() - renewed > duration + _CLOCKS
        return long_ago or now - self._since >= duration


def is_final(error: Exception, waited: float) -> bool:
    """Whether to try again is of no use after so many seconds: without a connection there are no
    lists either, but what refuses leases alone must not keep the daemon from watching."""
    if isinstance(error, ForbiddenError | NotFoundError | BadAnswerError):
        return True
    if isinstance(error, (ConfigError, UnauthorizedError, *NETWORK_ERRORS)):
        return False
    return waited >= PATIENCE


def explain(error: Exception, claim: Claim) -> str:
    """What is wrong, and what to do."""
    if isinstance(error, ForbiddenError):
        return f"{error.message or 'forbidden'}: {grant(claim.namespace)}"
    if isinstance(error, NotFoundError):
        return f"there is no namespace {claim.namespace}, or no API for leases: {error}"
    return describe(error)


def grant(namespace: str) -> str:
    """The permission that a lease needs, as the commands that give it."""
    verbs = ",".join(VERBS)
    return (
        f"kubectl create role argoscope-lease --namespace={namespace} --verb={verbs}"
        f" --resource=leases.{GROUP}, and bind it to the account"
    )
