"""/livez and /readyz: what keeps the daemon from being ready, and what does not."""

import pytest

from argoscope.watch.status import State
from support.serving import site, watching

FORBIDDEN = "pods is forbidden: grant get, list and watch on pods"


async def test_the_process_is_alive_whatever_is_not_ready() -> None:
    async with site([watching("pods", state=State.FAILING, reason="no route")]) as served:
        assert (await served.get("/livez"))[:2] == (200, "ok\n")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (watching("pods"), 200),
        (watching("pods", state=State.SYNCING, reason="the first list is under way"), 503),
        (watching("pods", state=State.FORBIDDEN, reason=FORBIDDEN), 503),
        (watching("pods", state=State.FAILING, reason="can't reach the API server"), 503),
        (watching("rollouts", state=State.ABSENT, reason="its CRD is not installed"), 200),
        (watching("nodes", state=State.FORBIDDEN, reason=FORBIDDEN, optional=True), 200),
        (watching("nodes", state=State.SYNCING, reason="under way", optional=True), 503),
    ],
    ids=lambda value: value if isinstance(value, int) else f"{value.resource}-{value.state.value}",
)
async def test_ready_once_every_kind_that_exists_has_synced(status, code: int) -> None:  # type: ignore[no-untyped-def]
    async with site([watching("workflows"), status]) as served:
        found, text, _ = await served.get("/readyz")
    assert found == code
    assert status.reason in text


async def test_a_kind_that_has_synced_stays_ready_through_an_outage() -> None:
    broken = watching("workflows", reason="can't reach the API server")
    broken.state, broken.up = State.FAILING, False
    async with site([broken]) as served:
        status, text, _ = await served.get("/readyz")
    assert status == 200
    assert text == "degraded workflows failing: can't reach the API server\n"


async def test_what_is_not_ready_comes_first_one_line_each_with_its_stream() -> None:
    statuses = [
        watching("workflows"),
        watching("pods", state=State.FORBIDDEN, reason=FORBIDDEN, stream="ci"),
    ]
    async with site(statuses) as served:
        _, text, _ = await served.get("/readyz")
    assert text.splitlines() == [
        f"waiting pods (ci) forbidden: {FORBIDDEN}",
        "ok workflows synced",
    ]
