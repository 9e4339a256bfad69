"""``argoscope bench`` as a process against the real API server; the test plays the controllers."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from argoscope.kube.client import Client
from support import envtest
from support.controllers import ending, playing, rolling_out
from support.envtest import EnvTest, apply, eventually, install_crds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

API = "/apis/argoproj.io/v1alpha1/namespaces"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


@pytest.fixture
async def admin(real: EnvTest) -> AsyncIterator[Client]:
    async with real.client() as client:
        await install_crds(client, "workflows", "rollouts")
        await apply(client, "/api/v1/namespaces", {"metadata": {"name": "bench"}})
        yield client


def context_of(real: EnvTest) -> str:
    text = real.kubeconfig.read_text()
    return next(
        line.split(":", 1)[1].strip()
        for line in text.splitlines()
        if line.startswith("current-context")
    )


class Bench:
    """A running ``argoscope bench``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ended(self) -> tuple[int, str, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), 120)
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


async def start(real: EnvTest, kind: str, *args: str) -> Bench:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ARGOSCOPE_", "KUBE"))}
    command = [sys.executable, "-m", "argoscope", "bench", kind]
    command += ["--kubeconfig", str(real.kubeconfig), "--context", context_of(real)]
    pipe = asyncio.subprocess.PIPE
    return Bench(
        await asyncio.create_subprocess_exec(
            *command, "-n", "bench", *args, env=environ, stdout=pipe, stderr=pipe
        )
    )


async def names(client: Client, kind: str) -> list[str]:
    found: dict[str, Any] = await client.get_json(f"{API}/bench/{kind}")
    return [item["metadata"]["name"] for item in found["items"]]


async def test_workflows_are_made_timed_and_deleted(
    real: EnvTest, admin: Client, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "bench.json"
    await apply(admin, f"{API}/bench/workflows", {**_foreign("Workflow"), "spec": {}})
    async with playing(admin, f"{API}/bench/workflows", ending()):
        bench = await start(
            real, "workflows", "--count", "30", "--concurrency", "6", "--out", str(out)
        )
        code, printed, err = await bench.ended()
    assert code == 0, err
    found = json.loads(out.read_text())
    assert found["concluded"] == found["operations"] == 30
    assert found["phases"] == {"Succeeded": 30}
    assert found["timeouts"] == 0 and found["complete"]
    latency = found["latency_seconds"]["create"]
    assert latency["convergence"]["count"] == latency["convergence_by_object"]["count"] == 30
    assert latency["convergence"]["p50"] <= latency["convergence"]["max"] <= found["wall_seconds"]
    assert "30 of 30 concluded" in printed and "p99" in printed
    assert await names(admin, "workflows") == ["foreign"], "only its own are deleted"
    await admin.send("DELETE", f"{API}/bench/workflows/foreign", {})


async def test_each_release_of_a_rollout_is_waited_for(real: EnvTest, admin: Client) -> None:
    async with playing(admin, f"{API}/bench/rollouts", rolling_out, status="/status"):
        bench = await start(
            real,
            *("rollouts", "--count", "4", "--concurrency", "2", "--releases", "3"),
            *("--format", "json"),
        )
        code, printed, err = await bench.ended()
    assert code == 0, err
    found = json.loads(printed)
    assert found["operations"] == found["phases"]["Healthy"] == 16
    releases = found["latency_seconds"]["release"]
    assert releases["convergence"]["count"] == releases["convergence_by_object"]["count"] == 12
    assert await names(admin, "rollouts") == []


async def test_what_does_not_end_in_time_is_a_timeout(real: EnvTest, admin: Client) -> None:
    bench = await start(
        real,
        "workflows",
        "--count",
        "3",
        "--concurrency",
        "3",
        "--timeout",
        "1",
        "--format",
        "json",
    )
    code, printed, _ = await bench.ended()
    found = json.loads(printed)
    assert code == 1
    assert found["timeouts"] == 3 and found["timeout_error_rate"] == 1.0
    assert found["concluded"] == 0 and found["latency_seconds"]["create"]["convergence"] == {
        "count": 0
    }
    assert await names(admin, "workflows") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_run_and_leaves_nothing(
    real: EnvTest, admin: Client, number: signal.Signals
) -> None:
    bench = await start(real, "workflows", "--count", "100000", "--concurrency", "20")

    async def busy() -> bool:
        return len(await names(admin, "workflows")) >= 20

    await eventually(busy)
    bench.process.send_signal(number)
    code, _, err = await bench.ended()
    assert code == 130, err
    assert await names(admin, "workflows") == []


async def test_a_signal_amid_a_flood_of_creations_leaves_nothing(
    real: EnvTest, admin: Client
) -> None:
    """Requests under way are waited for, so that none lands after the cleaning."""
    async with playing(admin, f"{API}/bench/workflows", ending()):
        bench = await start(real, "workflows", "--count", "100000", "--concurrency", "50")

        async def busy() -> bool:
            return any(name.endswith("-80") for name in await names(admin, "workflows"))

        await eventually(busy)
        bench.process.send_signal(signal.SIGINT)
        code, printed, err = await bench.ended()
    assert code == 130, err
    assert "ended before its time" in printed
    assert await names(admin, "workflows") == []


async def test_a_namespace_that_does_not_exist_ends_the_run_with_the_servers_words(
    real: EnvTest, admin: Client
) -> None:
    bench = await start(real, "workflows", "-n", "nowhere", "--count", "50", "--concurrency", "5")
    code, _, err = await bench.ended()
    assert code == 1
    assert 'namespaces "nowhere" not found' in err


async def test_finalizers_that_keep_an_object_are_named(real: EnvTest, admin: Client) -> None:
    """The run says what stands in the way, and how to go on."""
    path = f"{API}/bench/workflows"
    bench = await start(real, "workflows", "--count", "1", "--concurrency", "1")

    async def made() -> list[str]:
        return await names(admin, "workflows")

    [name] = await eventually(made)
    await admin.send("PATCH", f"{path}/{name}", {"metadata": {"finalizers": ["test.dev/stays"]}})
    bench.process.send_signal(signal.SIGINT)

    async def being_deleted() -> bool:
        found = await admin.get_json(f"{path}/{name}")
        return bool(found["metadata"].get("deletionTimestamp"))

    await eventually(being_deleted)
    bench.process.send_signal(signal.SIGINT)  # do not wait for it
    code, _, err = await bench.ended()
    assert code == 130 and "argoscope bench clean --context" in err
    await admin.send("PATCH", f"{path}/{name}", {"metadata": {"finalizers": None}})


def _foreign(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "foreign", "labels": {"argoscope.dev/bench-run": "another"}},
    }
