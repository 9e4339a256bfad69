"""Whole runs against the simulated API server, with the faults that a real one has too."""

import asyncio
import gc
import signal
from collections.abc import Callable

import msgspec
import pytest

from argoscope.kube.client import Client
from argoscope.load_bench import cleanup
from argoscope.load_bench.plan import RUN_LABEL, Plan
from argoscope.load_bench.running import BenchError, bench
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.faults import Fault
from support.api_server import client_of
from support.controllers import ending, playing, rolling_out
from support.waiting import until_true

Plans = Callable[..., Plan]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "ROUND", 0.02)


def left(server: ApiServer, plural: str = "workflows") -> list[str]:
    return [stored.name for stored in server.cluster.collections[plural].objects.values()]


async def test_a_run_times_everything_and_leaves_nothing(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    asked = plan()
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert done.summary is not None and not done.problem and not done.leftovers
    assert done.summary["concluded"] == 20 and done.summary["phases"] == {"Succeeded": 20}
    assert left(server) == []


async def test_at_no_time_are_there_more_objects_under_way_than_users(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    most = 0

    def count(change: str, plural: str, obj: object) -> None:
        nonlocal most
        phases = [
            (msgspec.json.decode(stored.json).get("status") or {}).get("phase")
            for stored in server.cluster.collections["workflows"].objects.values()
        ]
        most = max(most, sum(phase != "Succeeded" for phase in phases))

    server.cluster.on_write(count)
    asked = plan(concurrency=3, count=12)
    async with playing(client, asked.path, ending()):
        await bench(client, asked)
    assert most == 3


async def test_releases_take_the_images_in_turn(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    images: list[str] = []

    def note(change: str, plural: str, obj: dict[str, dict[str, dict[str, object]]]) -> None:
        if plural == "rollouts" and change != "DELETED":
            spec = msgspec.convert(obj["spec"]["template"]["spec"], dict)
            image = spec["containers"][0]["image"]
            if not images or images[-1] != image:
                images.append(image)

    server.cluster.on_write(note)  # type: ignore[arg-type]
    asked = plan(kind="rollouts", count=1, concurrency=1, releases=3)
    async with playing(client, asked.path, rolling_out, status="/status"):
        done = await bench(client, asked)
    assert done.summary is not None and done.summary["phases"] == {"Healthy": 4}
    assert images == ["busybox:1", "busybox:2", "busybox:1", "busybox:2"]
    assert left(server, "rollouts") == []


async def test_who_is_throttled_comes_later(server: ApiServer, client: Client, plan: Plans) -> None:
    server.fail(Fault(verb="create", plural="workflows", times=2, status=429, retry_after=1))
    asked = plan(count=3, concurrency=3)
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert done.summary is not None and done.summary["concluded"] == 3
    assert done.summary["throttled"] == 2 and not done.summary["refused"]


async def test_refusals_are_counted_by_their_words_and_the_run_goes_on(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    server.fail(Fault(verb="create", plural="workflows", times=2, status=500))
    asked = plan(count=6, concurrency=2)
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert done.summary is not None and done.summary["concluded"] == 4
    [(reason, count)] = done.summary["refused"].items()
    assert count == 2 and reason.startswith("500")


async def test_a_cut_watch_loses_no_conclusion(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    server.fail(Fault(verb="watch", plural="workflows", times=2, after=3, cut=True))
    asked = plan(count=10, concurrency=5)
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert done.summary is not None and done.summary["concluded"] == 10


async def test_failures_are_conclusions_too(server: ApiServer, client: Client, plan: Plans) -> None:
    asked = plan(count=2, concurrency=2)
    message = "Step exceeded its deadline"
    async with playing(client, asked.path, ending("Failed", message)):
        done = await bench(client, asked)
    assert done.summary is not None and done.summary["phases"] == {"Failed": 2}
    assert done.summary["timeouts"] == 2, "the controller's own deadline is a timeout"


async def test_what_somebody_deletes_is_no_timeout(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    def delete(change: str, plural: str, obj: dict[str, object]) -> None:
        if change == "ADDED":
            server.cluster.remove(plural, obj)

    server.cluster.on_write(delete)
    done = await bench(client, plan(count=2, concurrency=1))
    assert done.summary is not None
    assert done.summary["deleted"] == 2 and done.summary["timeouts"] == 0


async def test_what_is_refused_for_good_ends_the_run_in_the_servers_words(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: complaints.append(context["message"])
    )
    done = await bench(client, plan(namespace="nowhere"))
    gc.collect()
    assert 'namespaces "nowhere" not found' in done.problem
    assert not complaints
    assert left(server) == []


@pytest.mark.parametrize("verb", ["create", "watch", "delete"])
async def test_a_missing_permission_is_said_before_anything_is_made(
    server: ApiServer, client: Client, plan: Plans, verb: str
) -> None:
    server.denied = {(verb, "workflows")}
    with pytest.raises(BenchError, match=f"may not {verb} workflows.argoproj.io in namespace"):
        await bench(client, plan())
    assert left(server) == []


async def test_nobody_waits_for_a_silent_api_server_after_ctrl_c(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    server.fail(Fault(verb="list", plural="workflows", hang=True))
    running = asyncio.create_task(bench(client, plan()))

    async def asked() -> bool:
        return bool(server.requests)

    await until_true(asked, 10.0)
    signal.raise_signal(signal.SIGINT)
    done = await asyncio.wait_for(running, 10.0)
    assert done.interrupted and done.summary is None and not done.leftovers


async def test_a_kind_that_is_not_installed_is_said(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    server.cluster.withdraw("rollouts")
    with pytest.raises(BenchError, match="its CRD is not installed"):
        await bench(client, plan(kind="rollouts"))


async def test_cleaning_outlives_an_api_server_that_fails_now_and_then(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    server.fail(Fault(verb="delete", plural="workflows", times=3, status=500))
    asked = plan(count=5, concurrency=5)
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert not done.leftovers and left(server) == []


async def test_what_cant_be_deleted_is_told(
    server: ApiServer, client: Client, plan: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "SECONDS", 0.1)

    def hold(operation: str, plural: str, obj: dict[str, dict[str, object]]) -> None:
        if operation == "CREATE":
            obj["metadata"]["finalizers"] = ["test.dev/stays"]

    server.cluster.admit(hold)  # type: ignore[arg-type]
    asked = plan(count=1, concurrency=1)
    async with playing(client, asked.path, ending()):
        done = await bench(client, asked)
    assert "wait for the finalizers test.dev/stays" in done.leftovers


async def test_everything_that_is_made_has_the_runs_label(
    server: ApiServer, client: Client, plan: Plans
) -> None:
    seen: list[dict[str, dict[str, dict[str, str]]]] = []
    server.cluster.on_write(lambda change, plural, obj: seen.append(obj))
    for kind, play, status in (
        ("workflows", ending(), ""),
        ("rollouts", rolling_out, "/status"),
    ):
        asked = plan(kind=kind, count=1, concurrency=1)
        async with playing(client, asked.path, play, status=status):
            await bench(client, asked)
    assert seen and all(obj["metadata"]["labels"][RUN_LABEL] == "r1" for obj in seen)
    specs = {str(obj["kind"]): obj["spec"] for obj in seen}
    assert specs["Workflow"]["podMetadata"]["labels"][RUN_LABEL] == "r1"  # type: ignore[index]
    template = specs["Rollout"]["template"]
    assert template["metadata"]["labels"][RUN_LABEL] == "r1"  # type: ignore[index]


async def test_a_bug_in_the_run_still_cleans_up(
    server: ApiServer, plan: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argoscope.load_bench import users

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(users, "_own_seconds", broken)
    asked = plan(count=5, concurrency=5)
    async with client_of(server) as client, playing(client, asked.path, ending()):
        with pytest.raises(RuntimeError, match="a bug"):
            await bench(client, asked)
    assert left(server) == []
