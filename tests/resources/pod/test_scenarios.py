"""Each of the recorded pod scenarios, with what must come out of it.

The table was worked out by hand from the recordings' summary and the container times in the
statuses, not by running the code. Seconds are those of the statuses and exact, those of waits
that have no time in the status (image errors) are by arrival.
"""

from dataclasses import dataclass, field

import pytest

from support.pods import Pods, recorded
from support.recordings import recording, require_shared

Numbers = dict[str, tuple[int, float]]

PULL = "ErrImagePull: registry unreachable"
CORDONED = "Unschedulable: node cordoned"
TAINT = "Unschedulable: taint"
NOT_READY = "Unschedulable: node not ready"
VOLUME = "ContainerCreating: volume"


@dataclass
class Expect:
    stages: Numbers
    waits: Numbers = field(default_factory=dict)
    """Ended episodes: reason -> (how many, seconds in all)."""
    causes: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    """What still waits when the recording ends."""


def one(
    schedule: float | None = None,
    prepare: float | None = None,
    init: float | None = None,
    main: float | None = None,
    wait: float | None = None,
) -> Numbers:
    """The stages of a single pod; None for one that must not be counted."""
    given = {"schedule": schedule, "prepare": prepare, "init": init, "main": main, "wait": wait}
    return {stage: (1, seconds) for stage, seconds in given.items() if seconds is not None}


SCENARIOS = {
    "affinity-mismatch": Expect({}, pending={"Unschedulable: node selector": 1}),
    # Sixty pods at once: not one is ever reported as Running; four finish init before it starts.
    "argo-burst": Expect(
        {
            "schedule": (60, 0),
            "prepare": (60, 910),
            "init": (60, 0),
            "main": (60, 234),
            "wait": (60, 80),
        }
    ),
    "argo-deadline": Expect(one(0, 2, 2), causes={"deadline": 1}),
    "argo-deleted": Expect(one(0, 3, 2)),
    "argo-fast": Expect(one(0, 2, 0, 0, 0)),
    "argo-imagepull": Expect(one(0, 2, 2), {PULL: (1, 191.7)}, {"image": 1}),
    "argo-init-fails": Expect(one(0, 2, 0)),
    "argo-main-fails": Expect(one(0, 3, 2, 4, 2)),
    "argo-ok": Expect(one(0, 3, 2, 5, 3)),
    "argo-oom": Expect(one(0, 2, 2, 1, 1), causes={"oom": 1}),
    "argo-wait-fails": Expect(one(0, 3, 2, 3, 1)),
    "bad-workdir": Expect(one(0)),
    "cmd-notfound": Expect(one(0)),
    "cmd-notfound-restart": Expect(one(0), {"RunContainerError: command not found": (1, 271.2)}),
    "crashloop": Expect(one(0, 1, None, 185)),
    # Fifteen runs: 24 s behind a taint, 8 and 29 s while the node was unreachable, and three
    # whose kubelet or runtime was down for 64, 51 (an event says: the sandbox) and 80 s.
    "cron": Expect(
        {"schedule": (15, 61), "prepare": (15, 207), "main": (15, 60)},
        {
            TAINT: (1, 24),
            NOT_READY: (2, 37),
            "ContainerCreating": (2, 144),
            "ContainerCreating: sandbox": (1, 51),
        },
    ),
    "cron-forbid": Expect(
        {"schedule": (8, 99), "prepare": (8, 7), "main": (7, 630)},
        {TAINT: (1, 40), CORDONED: (2, 59)},
    ),
    "deadline": Expect(one(0, 1), causes={"deadline": 1}),
    "deadline-trap": Expect(one(0, 1), causes={"deadline": 1}),
    "delete-finalizer": Expect(one(0, 1, None, 14)),
    "delete-force": Expect(one(0, 1)),
    "delete-ignore": Expect(one(0, 1, None, 17)),
    "delete-prestop": Expect(one(0, 1, None, 24)),
    "delete-trap": Expect(one(0, 1, None, 13)),
    "drain": Expect({"schedule": (3, 0), "prepare": (3, 0), "main": (3, 60)}, {CORDONED: (2, 70)}),
    "evict": Expect(one(0, 1, None, 40)),
    "evict-emptydir": Expect(one(0, 1), causes={"evicted": 1}),
    "evict-ephemeral": Expect(one(0, 1), causes={"evicted": 1}),
    "fail": Expect(one(0, 1, None, 2)),
    "host-port-1": Expect(one(0, 0, None, 30)),
    "host-port-2": Expect(one(43, 0, None, 1), {"Unschedulable: host port": (1, 43)}),
    "hostpath-missing": Expect(one(0), {VOLUME: (1, 276)}),
    "image-init": Expect(one(0), {PULL: (1, 274.6)}, {"image": 1}),
    "image-invalid": Expect(one(0), {"InvalidImageName": (1, 276.4)}, {"image": 1}),
    "image-never": Expect(one(0), {"ErrImageNeverPull": (1, 277.2)}, {"image": 1}),
    "imagepull-hub": Expect(one(0), {PULL: (1, 277)}, {"image": 1}),
    "imagepull-registry": Expect(one(0), {PULL: (1, 275.8)}, {"image": 1}),
    "init-crashloop": Expect(one(0, 1, 172), {"CrashLoopBackOff": (1, 282.6)}),
    "init-fail": Expect(one(0, 1, 1)),
    "init-slow": Expect(one(0, 2, 7, 4)),
    "job-backoff": Expect({"schedule": (3, 0), "prepare": (3, 3), "main": (3, 3)}),
    "job-deadline": Expect(one(0, 1, None, 14)),
    "job-onfailure": Expect(one(0, 1, None, 18)),
    "job-parallel": Expect({"schedule": (4, 0), "prepare": (4, 2), "main": (4, 12)}),
    "kubeletrestart": Expect({"schedule": (5, 0), "prepare": (5, 1), "main": (5, 582)}),
    "liveness-http": Expect(one(0, 1, None, 257)),
    # The last of its seven starts was killed with the pod, and nobody wrote down when.
    "liveness-kill": Expect(one(0, 1)),
    "liveness-never": Expect(one(0, 1, None, 15)),
    "missing-cm-env": Expect(
        one(0, 107, None, 2), {"CreateContainerConfigError: missing configmap": (1, 100.8)}
    ),
    "missing-cm-volume": Expect(one(0, 136, None, 2), {VOLUME: (1, 136)}),
    "missing-secret-volume": Expect(one(0), {VOLUME: (1, 277)}),
    "nodeaffinity-direct": Expect({}),
    "nodeevict": Expect({"schedule": (4, 0), "prepare": (4, 4), "main": (4, 291)}),
    "nodelost": Expect({"schedule": (5, 0), "prepare": (5, 0), "main": (5, 918)}),
    "onfailure-recovers": Expect(one(0, 1, None, 16)),
    "oom": Expect(one(0, 1, None, 2), causes={"oom": 1}),
    "oom-child": Expect(one(0, 1, None, 3), causes={"oom": 1}),
    "oom-restart": Expect(one(0, 1, None, 190), causes={"oom": 1}),
    "outofcpu-direct": Expect({}),
    "poststart-fail": Expect(one(0, 1, None, 217)),
    "preempt": Expect(
        {"schedule": (2, 6), "prepare": (2, 1), "main": (2, 22)},
        {"Unschedulable: insufficient cpu": (1, 6)},
        {"preempted": 1},
    ),
    "pvc-missing": Expect({}, pending={"Unschedulable: volume": 1}),
    "pvc-unbound": Expect({}, pending={"Unschedulable: volume": 1}),
    "quota": Expect({"schedule": (2, 6), "prepare": (2, 1), "main": (1, 379)}, {TAINT: (1, 6)}),
    "readiness-flip": Expect(one(0, 1, None, 20)),
    "readiness-gate": Expect(one(0, 1, None, 20)),
    "rolling": Expect(
        {"schedule": (10, 115), "prepare": (9, 7), "main": (9, 1886)},
        {TAINT: (3, 115), CORDONED: (3, 102), PULL: (1, 78.8)},
        {"image": 1},
    ),
    "run-as-nonroot": Expect(one(0), {"CreateContainerConfigError: runs as root": (1, 271)}),
    "runtimedown": Expect({"schedule": (5, 0), "prepare": (5, 0), "main": (5, 512)}),
    "selector-mismatch": Expect({}, pending={"Unschedulable: node selector": 1}),
    "startup-probe": Expect(one(0, 1, None, 14)),
    "success": Expect(one(0, 1, None, 3)),
    "taint-none": Expect(one(0, 1, None, 15)),
    "taint-pending": Expect(one(17, 0, None, 2), {TAINT: (1, 17)}),
    "taint-tol": Expect(one(0, 1, None, 60)),
    "taint-tol10": Expect(one(0, 1)),
    # main ended at +3, its helper at +7: a helper is not main, and there is no executor.
    "two-one-fails": Expect(one(0, 1, None, 2)),
    "unschedulable-cpu": Expect({}, pending={"Unschedulable: insufficient cpu": 1}),
    "unschedulable-gpu": Expect({}, pending={"Unschedulable: insufficient gpu": 1}),
    "unschedulable-mem": Expect({}, pending={"Unschedulable: insufficient memory": 1}),
    "warmup": Expect(one(0, 1, None, 3)),
}


def replay(scenario: str) -> Pods:
    """Every pod as the root pod of a workflow of its own name, so that its cause is told."""
    pods = Pods()
    for at, type_, obj in recorded(
        recording("pods-kubelet-1.20") / f"by-scenario/{scenario}.jsonl"
    ):
        if obj["kind"] == "Pod":
            meta = obj["metadata"]
            key = (meta["namespace"], meta["name"])
            if key not in pods.world.runs:
                pods.workflow(*key, scenario)
            meta.setdefault("labels", {})["workflows.argoproj.io/workflow"] = meta["name"]
        pods.take(type_, obj, at)
    pods.finish()
    return pods


def test_the_table_has_every_recorded_scenario() -> None:
    require_shared("recordings")
    folder = recording("pods-kubelet-1.20") / "by-scenario"
    assert {path.stem for path in folder.glob("*.jsonl")} == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_gives_what_was_worked_out_by_hand(scenario: str) -> None:
    require_shared("recordings")
    expected = SCENARIOS[scenario]
    pods = replay(scenario)
    assert pods.stages() == expected.stages
    assert pods.causes() == expected.causes
    assert pods.pending() == expected.pending
    assert pods.episodes() == {reason: count for reason, (count, _) in expected.waits.items()}
    for reason, (count, seconds) in expected.waits.items():
        assert pods.waits()[reason] == (count, pytest.approx(seconds, abs=0.6)), reason
