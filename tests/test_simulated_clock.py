"""A daemon takes the time of a simulated cluster, and of no other."""

import asyncio
import time
from pathlib import Path

import pytest

from argoscope.settings import load
from argoscope.simulated_clock import VARIABLE, ClockError, check_server, from_environment, variable
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.kubeconfig import kubeconfig
from argoscope.start import StartError, main
from support.daemon import daemon


def test_it_goes_as_fast_as_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = from_environment({VARIABLE: variable(2_000_000_000.0, 1_000.0, 60.0)})
    assert clock is not None
    monkeypatch.setattr(time, "time", lambda: 1_002.5)
    assert clock() == 2_000_000_150.0


def test_without_the_variable_time_is_real() -> None:
    assert from_environment({}) is None


@pytest.mark.parametrize("text", ["60", "1@2", "1@2xfast", "1@2x-3", "x", "1 @2x3", "1@2x3\n"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ClockError, match="is not <virtual epoch>@<wall epoch>x<speed>"):
        from_environment({VARIABLE: text})


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "https://[::1]:6443", "http://localhost"])
def test_a_server_of_this_machine_may_have_its_own_time(server: str) -> None:
    check_server(server)


@pytest.mark.parametrize(
    "server", ["https://10.0.0.1:6443", "https://127.0.0.1.example.com", "https://localhost.x", ""]
)
def test_a_real_cluster_may_not(server: str) -> None:
    with pytest.raises(ClockError, match="unset it"):
        check_server(server)


def test_the_daemon_refuses_before_it_watches(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(kubeconfig("http://192.0.2.1:8080", ""))
    given = {"kubeconfig": str(file), "listen": "127.0.0.1:0"}
    with pytest.raises(StartError, match=r"the API server is http://192\.0\.2\.1:8080: unset it"):
        main(load(None, {}, given), {VARIABLE: "1@1x1"})


async def test_ages_are_of_the_clusters_time(tmp_path: Path) -> None:
    """A day ahead in the cluster is no future for a daemon that has its clock."""
    ahead = time.time() + 86400.0
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ahead - 100.0))
    rollout = {"metadata": {"name": "r", "namespace": "shop", "creationTimestamp": stamp}}
    async with ApiServer() as server:
        server.cluster.put("rollouts", {**rollout, "spec": {"strategy": {"canary": {}}}})
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig(server.address))
        clock = {VARIABLE: variable(ahead, time.time(), 1.0)}
        async with daemon(file, environ=clock) as running:
            await running.ready(20.0)
            ages: list[float] = []
            while not ages:  # published within a second; the test's timeout ends it otherwise
                found = await running.scrape()
                ages = [v for key, v in found.items() if key[0] == "argo_rollout_phase_age_seconds"]
                await asyncio.sleep(0.1)
    assert len(ages) == 1 and 99.0 <= ages[0] < 160.0
