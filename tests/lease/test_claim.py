"""Which lease is wanted, and whether it is free."""

import asyncio
from pathlib import Path

import pytest

from argoscope.kube.errors import (
    BadAnswerError,
    ConfigError,
    ForbiddenError,
    NotFoundError,
    ServerError,
    Status,
    UnauthorizedError,
)
from argoscope.kube.leases import Lease, LeaseMeta, LeaseSpec, micro_time, unix_time
from argoscope.lease.claim import DURATION, PATIENCE, Observer, configured, is_final
from argoscope.settings import Lease as Wanted
from support.api_server import EPOCH, virtual_clock


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "namespace").write_text("argo\n")
    return tmp_path


@pytest.mark.parametrize(
    ("enabled", "in_pod", "ledger", "used"),
    [
        ("auto", True, False, True),
        ("auto", False, False, False),
        ("auto", True, True, False),
        ("always", False, False, True),
        ("always", True, True, False),
        ("never", True, False, False),
    ],
)
def test_a_lease_is_for_pods_without_a_ledger(
    enabled: str, in_pod: bool, ledger: bool, used: bool, account: Path
) -> None:
    wanted = Wanted(enabled=enabled)  # type: ignore[arg-type]
    found = configured(wanted, in_pod=in_pod, ledger=ledger, account=account)
    assert (found is not None) == used


def test_the_pod_tells_namespace_and_name_unless_settings_do(account: Path) -> None:
    found = configured(Wanted(), in_pod=True, ledger=False, account=account)
    assert found is not None
    assert (found.namespace, found.name) == ("argo", "argoscope-0")
    assert found.identity
    named = Wanted(namespace="other", shard=3, holder="me")
    found = configured(named, in_pod=True, ledger=False, account=account)
    assert found is not None
    assert (found.namespace, found.name, found.identity) == ("other", "argoscope-3", "me")


def test_two_processes_are_told_apart_whatever_their_names(account: Path) -> None:
    one, other = (
        configured(Wanted(holder="me"), in_pod=True, ledger=False, account=account)
        for _ in range(2)
    )
    assert one is not None
    assert other is not None
    assert one.instance != other.instance


def test_a_namespace_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lease.namespace is not set.*namespace"):
        configured(Wanted(enabled="always"), in_pod=False, ledger=False, account=tmp_path)


def _lease(holder: str, version: str, renewed: float) -> Lease:
    spec = LeaseSpec(holder, int(DURATION), renew_time=micro_time(renewed))
    return Lease(LeaseMeta("argoscope-0", "argo", version), spec)


@pytest.mark.looptime
async def test_who_goes_on_renewing_keeps_it_and_who_stops_loses_it() -> None:
    observer = Observer("me", virtual_clock)
    for version in range(20):
        assert not observer.is_free(_lease("other", str(version), virtual_clock()))
        await asyncio.sleep(10.0)
    last = _lease("other", "20", virtual_clock())
    assert not observer.is_free(last)
    await asyncio.sleep(DURATION - 1.0)
    assert not observer.is_free(last)
    await asyncio.sleep(2.0)
    assert observer.is_free(last)


@pytest.mark.looptime
async def test_a_holder_whose_clock_is_behind_is_not_taken_for_gone() -> None:
    observer = Observer("me", virtual_clock)
    for version in range(20):
        assert not observer.is_free(_lease("other", str(version), virtual_clock() - 40.0))
        await asyncio.sleep(10.0)


@pytest.mark.looptime
async def test_what_was_not_renewed_for_long_is_free_at_once() -> None:
    assert Observer("me", virtual_clock).is_free(_lease("other", "1", EPOCH - 3600.0))


@pytest.mark.looptime
@pytest.mark.parametrize("holder", ["", "me"])
async def test_what_was_let_go_or_is_of_our_name_is_free(holder: str) -> None:
    assert Observer("me", virtual_clock).is_free(_lease(holder, "1", virtual_clock()))


@pytest.mark.parametrize(
    ("error", "at_once", "later"),
    [
        (ForbiddenError(403, Status()), True, True),
        (NotFoundError(404, Status()), True, True),
        (BadAnswerError("a login page"), True, True),
        (ServerError(503, Status()), False, True),
        (UnauthorizedError(401, Status()), False, False),
        (ConfigError("no token"), False, False),
        (ConnectionRefusedError(), False, False),
        (TimeoutError(), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_refuses_leases_alone_does_not_keep_the_daemon_from_watching(
    error: Exception, at_once: bool, later: bool
) -> None:
    assert is_final(error, 0.0) == at_once
    assert is_final(error, PATIENCE) == later


def test_micro_times_come_back() -> None:
    assert unix_time(micro_time(EPOCH + 0.25)) == EPOCH + 0.25
    assert micro_time(EPOCH) == "2026-09-21T14:13:20.000000Z"
    assert unix_time(None) == unix_time("") == unix_time("soon") == 0.0
