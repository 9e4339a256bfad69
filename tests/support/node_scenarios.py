"""What is run on the real node: pods as Argo makes them, and what must be derived from each."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from support.argo_part import Run, container_times, waiting
from support.node import MERGE, Object

_DWELL_SECONDS = 4.0  # of real time: an episode has to last a while to be told from none
_ENDED = 90.0  # seconds that a pod may take to end on a busy machine
_SEEN = 45.0


async def _runs_to_its_end(run: Run) -> None:
    await run.submit()
    await run.make_pod()
    await run.follow(_ENDED)


async def _until_waiting(run: Run, uid: str, reason: str) -> None:
    """Until the pod waits for that reason; then it goes on waiting for a while."""
    seen = run.observer

    def waits() -> bool:
        return any(waiting(pod).startswith(reason) for pod in seen.pods[uid])

    await seen.until(waits, _SEEN, f"{run.pod} waits for {reason}")
    await asyncio.sleep(_DWELL_SECONDS)


async def _is_stopped_unscheduled(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    await _until_waiting(run, uid, "Unschedulable")
    await run.write("Running", "Pending", waiting(run.observer.latest(uid)))
    await run.delete_pod()
    message = "workflow shutdown with strategy:  Stop"
    await run.end("Failed", message, "Stopped with strategy 'Stop'", shutdown="Stop")


async def _runs_into_its_deadline_without_image(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    await _until_waiting(run, uid, "ImagePullBackOff")
    await run.delete_pod()
    await run.end("Failed", "Step exceeded its deadline", "child failed")


async def _is_deleted_while_it_runs(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    seen = run.observer

    def runs() -> bool:
        return container_times(seen.pods[uid]).get("main", (0.0, 0.0))[0] > 0

    await seen.until(runs, _SEEN, f"{run.pod} runs")
    await asyncio.sleep(_DWELL_SECONDS)
    await run.delete_pod()
    await run.end("Error", "pod deleted", "child errored")


async def _gets_its_volume_late(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    seen = run.observer
    await seen.until(lambda: seen.has_event(uid, "FailedMount"), _SEEN, "FailedMount")
    await asyncio.sleep(_DWELL_SECONDS)
    await _make_configmap(run, "late-volume")
    await run.follow(_ENDED)


async def _gets_its_variable_late(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    await _until_waiting(run, uid, "CreateContainerConfigError")
    await _make_configmap(run, "late-variable")
    await run.follow(_ENDED)


async def _is_made_again(run: Run) -> None:
    await run.submit()
    uid = await run.make_pod()
    await _until_waiting(run, uid, "Unschedulable")
    await run.delete_pod()
    nodes = await run.api.call("GET", "/api/v1/nodes")
    name = nodes["items"][0]["metadata"]["name"]
    labels = {"metadata": {"labels": {"disk": "ssd"}}}
    await run.api.call("PATCH", f"/api/v1/nodes/{name}", labels, MERGE)
    # A kubelet that has not seen its node's new label yet refuses the pod: Failed, NodeAffinity.
    await asyncio.sleep(_DWELL_SECONDS)
    await run.make_pod()
    await run.follow(_ENDED)


async def _make_configmap(run: Run, name: str) -> None:
    body = {"metadata": {"name": name}, "data": {"k": "v"}}
    await run.api.call("POST", f"/api/v1/namespaces/{run.namespace}/configmaps", body)


_EXIT = "/var/run/argo/exit"
_SHARED = [{"name": "argo", "mountPath": "/var/run/argo"}]


def _pod(
    main: str,
    *,
    init: str = "sleep 2",
    main_more: Object | None = None,
    volumes: Object | None = None,
    **more: object,
) -> Object:
    """A pod with init, main, and wait (2 s longer than main), as Argo lays them out."""
    extra_volumes = [volumes] if volumes else []
    mounts = [*_SHARED, *({"name": v["name"], "mountPath": "/data"} for v in extra_volumes)]
    wait = f"while [ ! -f {_EXIT} ]; do sleep 0.1; done; sleep 2"
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "initContainers": [_container("init", init, _SHARED)],
        "containers": [
            {**_container("main", main, mounts), **(main_more or {})},
            _container("wait", wait, _SHARED),
        ],
        "volumes": [{"name": "argo", "emptyDir": {}}, *extra_volumes],
        **more,
    }


def _container(name: str, script: str, mounts: list[Object]) -> Object:
    command = ["sh", "-c", script]
    return {"name": name, "image": "busybox:local", "command": command, "volumeMounts": mounts}


def _main(seconds: int, exit_code: int = 0) -> str:
    return f"sleep {seconds}; echo {exit_code} > {_EXIT}; exit {exit_code}"


def _resources(**amounts: str) -> Object:
    return {"resources": {"limits": amounts, "requests": amounts}}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One workflow: what is run, and what must come out."""

    name: str
    pod: Object
    play: Callable[[Run], Coroutine[None, None, None]] = _runs_to_its_end
    phase: str = "Succeeded"
    cause: str = ""
    """Why it does not succeed."""
    reason: str = ""
    """What its pod waits for in one pending episode; empty for no episode."""
    restarts: int = 0
    """Pods that were deleted before they started and made again."""
    main: tuple[float, float] | None = None
    """Least and most seconds of main, from what it runs; None if it has no known end."""


_HOLD = "sleep 100"
_FILL = f"dd if=/dev/zero of=/data/f bs=1M count=30; {_HOLD}"
_EXHAUST = f"trap 'echo 137 > {_EXIT}' EXIT; sleep 1; tail /dev/zero; exit 137"
_NO_REGISTRY = "127.0.0.1:9/team/app:v1"
"""Nothing listens on the discard port: the pull is refused at once."""

SCENARIOS = (
    Scenario(name="succeeds", pod=_pod(_main(3)), main=(3, 6)),
    Scenario(name="exits", pod=_pod(_main(2, 3)), phase="Failed", cause="exit_code", main=(2, 5)),
    Scenario(
        name="exhausts",
        pod=_pod(_EXHAUST, main_more=_resources(memory="20Mi")),
        phase="Failed",
        cause="oom",
        main=(1, 6),
    ),
    Scenario(
        name="too-large",
        pod=_pod(_main(1), main_more=_resources(cpu="1000")),
        play=_is_stopped_unscheduled,
        phase="Failed",
        cause="stopped",
        reason="Unschedulable: insufficient cpu",
    ),
    Scenario(
        name="no-image",
        pod=_pod(_main(1), main_more={"image": _NO_REGISTRY}),
        play=_runs_into_its_deadline_without_image,
        phase="Failed",
        cause="image",
        reason="ErrImagePull: registry unreachable",
    ),
    Scenario(
        name="late-volume",
        pod=_pod(_main(1), volumes={"name": "late", "configMap": {"name": "late-volume"}}),
        play=_gets_its_volume_late,
        reason="ContainerCreating: volume",
        main=(1, 4),
    ),
    Scenario(
        name="late-variable",
        pod=_pod(
            _main(1),
            main_more={
                "env": [
                    {
                        "name": "X",
                        "valueFrom": {"configMapKeyRef": {"name": "late-variable", "key": "k"}},
                    }
                ]
            },
        ),
        play=_gets_its_variable_late,
        reason="CreateContainerConfigError: missing configmap",
        main=(1, 4),
    ),
    Scenario(
        name="made-again",
        pod=_pod(_main(1), nodeSelector={"disk": "ssd"}),
        play=_is_made_again,
        reason="Unschedulable: node selector",
        restarts=1,
        main=(1, 4),
    ),
    Scenario(
        name="no-input",
        pod=_pod(_main(1), init="sleep 2; exit 1"),
        phase="Failed",
        cause="input",
    ),
    Scenario(
        name="deleted",
        pod=_pod(_HOLD),
        play=_is_deleted_while_it_runs,
        phase="Error",
        cause="error",
    ),
    Scenario(
        name="too-long", pod=_pod(_HOLD, activeDeadlineSeconds=8), phase="Failed", cause="deadline"
    ),
    Scenario(
        name="fills-disk",
        pod=_pod(_FILL, volumes={"name": "small", "emptyDir": {"sizeLimit": "10Mi"}}),
        phase="Failed",
        cause="evicted",
    ),
)
