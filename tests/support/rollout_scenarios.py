"""The recorded scenarios of Rollouts (argo-4.1-loaded), run again in the simulator.

The recorded node had a load of 90: pods took up to minutes to become ready. So what people did is
done again when the simulated rollout has come as far as the recorded one had, and not at a time.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from argoscope.simulator.engine.behaviour import ANNOTATION as BEHAVIOUR
from argoscope.simulator.engine.kernel import Kernel, Object, stamp
from argoscope.simulator.engine.kubelet import Kubelet
from argoscope.simulator.engine.machines import Machine, Machines
from argoscope.simulator.engine.recorder import Recorder
from argoscope.simulator.engine.rollouts import RolloutController, actions
from argoscope.simulator.engine.rollouts.measuring import ANNOTATION as ANALYSIS
from argoscope.simulator.engine.scheduler import Scheduler
from support.recordings import events, recording

RECORDING = "argo-4.1-loaded"
NAMESPACE = "shop"
START = 1_795_351_223.0

FLAP = ("Successful", "Failed", "Successful", "Failed", "Failed", "Failed")
MEASURED: dict[str, Object] = {
    "rate-bad": {"results": ["Failed"]},
    "watch-bad": {"results": FLAP},
    "dry": {"results": ["Failed"]},
    "unsure": {
        "results": ["Error"],
        "error": 'could not evaluate successCondition "result == 5": invalid operation: == '
        "(mismatched types bool and int)",
    },
    "broken": {
        "results": ["Error"],
        "error": 'Get "http://127.0.0.1:1/none": dial tcp 127.0.0.1:1: connect: connection refused',
    },
}
"""What the recorded web server answered to the metrics of a template."""


def cluster(seed: int = 1, **options: Any) -> Kernel:
    """A simulated cluster with one large machine and the Rollouts controller."""
    kernel = Kernel(seed=seed, start=START, history=1_000_000)
    recorder, machines = Recorder(kernel), Machines(kernel)
    machines.add(Machine(name="node-1", pods=10_000, cpu=10_000.0))
    Scheduler(kernel, recorder, machines)
    Kubelet(kernel, recorder, machines)
    RolloutController(kernel, recorder, **options)
    return kernel


READY = {"restart-and-scale": [1.0, 40.0]}
"""Seconds until pods are ready, where it matters that they never all were."""


def behaving(template: Object, name: str = "") -> Object:
    """The pod template with the behaviour that its containers had on the recorded node."""
    container = template["spec"]["containers"][0]
    command = " ".join(container.get("command") or ())
    behaviour: Object = {"seconds": None, "ready": READY.get(name, [1.0, 2.5])}
    if "5999" in container["image"]:
        behaviour["image_error"] = "dial tcp 127.0.0.1:5999: connect: connection refused"
    elif "kill 1" in command:
        behaviour = {"seconds": 2.0, "exit": 1, "crashes": True, "ready": 1e6}
    elif "touch" not in command:
        behaviour["ready"] = 1e6
    template = deepcopy(template)
    template.setdefault("metadata", {})["annotations"] = {BEHAVIOUR: json.dumps(behaviour)}
    return template


@cache
def recorded(plural: str) -> dict[str, list[tuple[float, Object]]]:
    """The recorded watch events by name."""
    found: dict[str, list[tuple[float, Object]]] = {}
    for at, event in events(RECORDING, plural):
        found.setdefault(event["object"]["metadata"]["name"], []).append((at, event))
    return found


@cache
def recorded_actions() -> list[Object]:
    lines = (recording(RECORDING) / "actions-rollouts.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def progress(status: Object) -> tuple[Any, ...]:
    """How far a rollout has come: what has to be equal when somebody does something."""
    pauses = tuple(pause["reason"] for pause in status.get("pauseConditions") or ())
    return (
        status.get("phase"),
        status.get("currentStepIndex"),
        status.get("updatedReplicas"),
        status.get("availableReplicas"),
        pauses,
    )


def _state_at(name: str, at: float, patch: Object) -> Object:
    """The status when somebody did something; they saw changes before the recorder did."""
    stream = [(seen, event["object"]) for seen, event in recorded("rollouts")[name]]
    state = [obj for seen, obj in stream if seen < at][-1]
    if "spec" in patch:
        generation = state["metadata"]["generation"]
        seen_then = [obj for seen, obj in stream if seen < at + 0.2]
        state = [obj for obj in seen_then if obj["metadata"]["generation"] == generation][-1]
    return state.get("status") or {}


def _created(kernel: Kernel, name: str) -> None:
    """Creates the rollout and what it refers to, as the recording's script did."""
    for action in recorded_actions():
        made = action.get("name", "")
        if action["action"] == "create" and action["kind"] == "Service" and made.startswith(name):
            service = {"metadata": {"namespace": NAMESPACE, "name": made}, "spec": {}}
            actions.create(kernel, "services", service)
    for template, changes in recorded("analysistemplates").items():
        found: Object = {
            "metadata": {"namespace": NAMESPACE, "name": template},
            "spec": changes[0][1]["object"]["spec"],
        }
        if template in MEASURED:
            found["metadata"]["annotations"] = {ANALYSIS: json.dumps(MEASURED[template])}
        actions.create(kernel, "analysistemplates", found)
    spec = deepcopy(recorded("rollouts")[name][0][1]["object"]["spec"])
    if "template" in spec:
        spec["template"] = behaving(spec["template"], name)
    else:
        actions.create(kernel, "deployments", _workload(spec["workloadRef"]["name"], "1"))
    rollout = {"metadata": {"namespace": NAMESPACE, "name": name}, "spec": spec}
    actions.create(kernel, "rollouts", rollout)


def _workload(name: str, version: str) -> Object:
    """The Deployment of the scenario workload-ref: it is not in the recording."""
    labels = {"app": "workload-ref"}
    web = {"name": "web", "image": f"busybox:{version}", "command": ["touch"], "resources": {}}
    template = behaving({"metadata": {"labels": labels}, "spec": {"containers": [web]}})
    return {
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def _patches(name: str) -> Iterator[tuple[float, Object]]:
    """(time, patch) of what people did to the rollout; the scenario's end is left out."""
    for action in recorded_actions():
        if action.get("name") != name:
            continue
        if action["action"] == "patch":
            yield action["t"], action["patch"]
        elif action["action"] == "release" and name == "workload-ref":
            yield action["t"], {}
        elif action["action"] == "delete":
            yield action["t"], {"delete": True}


def run(name: str, seed: int = 1, seconds: float = 120.0) -> Kernel:
    """Runs a recorded scenario to its end. Raises AssertionError where it gets stuck."""
    kernel = cluster(seed)
    _created(kernel, name)
    last: Object = {}
    for at, patch in _patches(name):
        state = _state_at(name, at, patch)
        if state != last:  # else the recorded controller had not come to see the action before
            until(kernel, name, progress(state))
            kernel.run_until(kernel.now + 0.5)
        last = state
        _do(kernel, name, deepcopy(patch))
        kernel.run_until(kernel.now + 0.2)
    kernel.run_until(kernel.now + seconds)
    return kernel


def until(kernel: Kernel, name: str, wanted: tuple[Any, ...], patience: float = 300.0) -> None:
    """Runs until the rollout has come as far as that."""
    end = kernel.now + patience
    while kernel.now < end:
        rollout = kernel.get("rollouts", NAMESPACE, name)
        assert rollout is not None
        if progress(rollout.get("status") or {}) == wanted:
            return
        kernel.run_until(kernel.now + 0.1)
    raise AssertionError(f"{name} is at {progress(rollout['status'])}, not at {wanted}")


def _do(kernel: Kernel, name: str, patch: Object) -> None:
    if patch.get("delete"):
        actions.delete(kernel, NAMESPACE, name)
    elif not patch:
        workload = _workload("legacy", "2")
        actions.patch(kernel, "deployments", NAMESPACE, "legacy", {"spec": workload["spec"]})
    else:
        if "template" in patch.get("spec", {}):
            patch["spec"]["template"] = behaving(patch["spec"]["template"], name)
        if "restartAt" in patch.get("spec", {}):
            patch["spec"]["restartAt"] = stamp(kernel.now)
        actions.patch(kernel, "rollouts", NAMESPACE, name, patch)


def changes(kernel: Kernel, plural: str, name: str = "") -> list[tuple[str, Object]]:
    """(type, object) of the simulated watch events of one object or all of a kind."""
    found = []
    for change in kernel.cluster.collections[plural].changes:
        kind = "DELETED" if change.gone else "MODIFIED" if change.old else "ADDED"
        obj = json.loads(change.new.json)
        if not name or obj["metadata"]["name"] == name:
            found.append((kind, obj))
    return found


# What is compared

_PODS = "(depends on when pods become ready)"
_WAITING = {
    "more replicas need to be updated",
    "updated replicas are still becoming available",
    "old replicas are pending termination",
    "waiting for all steps to complete",
    "active service cutover pending",
}


class Signatures:
    """What is compared of each change of one rollout: all that does not depend on pods' pace."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}

    def of(self, kind: str, obj: Object) -> dict[str, Any]:
        status = obj.get("status") or {}
        message = status.get("message", "")
        found = {
            "gone": kind == "DELETED",
            "phase": status.get("phase"),
            "message": _PODS if message in _WAITING else self._neutral(message),
            "step": status.get("currentStepIndex"),
            "hash": self._version(status.get("currentPodHash")),
            "stable": self._version(status.get("stableRS")),
            "abort": bool(status.get("abort")),
            "aborted": "abortedAt" in status,
            "full": bool(status.get("promoteFull")),
            "pauses": tuple(p["reason"] for p in status.get("pauseConditions") or ()),
            "controllerPause": bool(status.get("controllerPause")),
            "completion": (status.get("duration") or {}).get("completionStatus"),
            "revision": (obj["metadata"].get("annotations") or {}).get(
                "rollout.argoproj.io/revision"
            ),
        }
        for condition in status.get("conditions") or ():
            if condition["type"] != "Available":
                # Found: the recorded controller lost a conflict after it had created it.
                reason = condition["reason"].replace("FoundNewReplicaSet", "NewReplicaSetCreated")
                found[condition["type"]] = f"{condition['status']} {reason}"
        for part in ("canary", "blueGreen"):
            for field, value in (status.get(part) or {}).items():
                if field.endswith("RunStatus"):
                    found[field] = value["status"]
                elif field.endswith("Selector"):
                    found[field] = self._version(value)
        weights = (status.get("canary") or {}).get("weights")
        if weights:
            found["weights"] = weights["canary"]["weight"], weights["stable"]["weight"]
        return found

    def _version(self, digest: str | None) -> int | None:
        """The hashes differ: what is compared is which of the rollout's it is."""
        if not digest:
            return None
        return self._versions.setdefault(digest, len(self._versions) + 1)

    def _neutral(self, message: str) -> str:
        for digest, number in self._versions.items():
            message = message.replace(digest, f"#{number}")
        return message


def sequence(stream: list[tuple[str, Object]]) -> list[dict[str, Any]]:
    """What changed with each event, repeats collapsed."""
    signatures, before, found = Signatures(), {}, []
    for kind, obj in stream:
        now = signatures.of(kind, obj)
        changed = {
            key: now.get(key) for key in {**before, **now} if now.get(key) != before.get(key)
        }
        before = now
        if changed:
            found.append(changed)
    return found


def recorded_sequence(name: str) -> list[dict[str, Any]]:
    stream = [(event["type"], event["object"]) for _, event in recorded("rollouts")[name]]
    return sequence(stream)
