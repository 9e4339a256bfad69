"""Messages of kubelets and schedulers, and the reason that tells an operator what to do."""

import csv
import re
from collections.abc import Iterator

import pytest

from argoscope.resources import _reasons
from argoscope.resources._reasons import ADVICE, scheduling, unschedulable, waiting
from support.recordings import require_shared

SCHEDULER = {
    "0/3 nodes are available: 3 Insufficient cpu.": "insufficient cpu",
    "0/8 nodes are available: 2 Insufficient memory, 8 Insufficient cpu.": "insufficient cpu",
    "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.": "insufficient memory",
    "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.": "insufficient gpu",
    "0/2 nodes are available: 2 Insufficient amd.com/gpu.": "insufficient gpu",
    "0/2 nodes are available: 2 Insufficient nvidia.com/mig-1g.5gb.": "insufficient gpu",
    "0/2 nodes are available: 2 Insufficient ephemeral-storage.": "insufficient ephemeral storage",
    "0/2 nodes are available: 2 Insufficient hugepages-2Mi.": "insufficient extended resource",
    "0/2 nodes are available: 2 Too many pods.": "too many pods",
    # The control plane's taint is on every cluster and never what keeps the pod waiting.
    "0/9 nodes are available: 3 node(s) had untolerated taint "
    "{node-role.kubernetes.io/control-plane: }, 6 Insufficient memory. preemption: 0/9 nodes are "
    "available: 3 Preemption is not helpful for scheduling, 6 No preemption victims found for "
    "incoming pod.": "insufficient memory",
    "0/6 nodes are available: 3 node(s) had taint {node-role.kubernetes.io/master: }, that the pod "
    "didn't tolerate, 3 Insufficient cpu.": "insufficient cpu",
    "0/3 nodes are available: 3 node(s) had untolerated taint {nvidia.com/gpu: present}.": "taint",
    "0/4 nodes are available: 4 node(s) had taints that the pod didn't tolerate.": "taint",
    "0/3 nodes are available: 3 node(s) had untolerated taint(s).": "taint",
    "0/2 nodes are available: 2 node(s) had untolerated taint "
    "{node.kubernetes.io/disk-pressure: }.": "node not ready",
    "0/2 nodes are available: 2 node(s) had taint {node.kubernetes.io/not-ready: }, that the pod "
    "didn't tolerate.": "node not ready",
    "0/2 nodes are available: 2 node(s) had untolerated taint "
    "{node.cloudprovider.kubernetes.io/uninitialized: true}.": "node not ready",
    "0/3 nodes are available: 3 node(s) were unschedulable.": "node cordoned",
    "0/3 nodes are available: 3 node(s) had untolerated taint "
    "{node.kubernetes.io/unschedulable: }.": "node cordoned",
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 "
    "nodes are available: 2 Preemption is not helpful for scheduling..": "node selector",
    "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity, 1 node(s) had taint "
    "{fake: }, that the pod didn't tolerate.": "node selector",
    "0/4 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 3 node(s) "
    "didn't match pod anti-affinity rules.": "pod affinity",
    "0/4 nodes are available: 4 node(s) didn't satisfy existing pods anti-affinity rules.": (
        "pod affinity"
    ),
    "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.": "pod affinity",
    "0/4 nodes are available: 4 node(s) didn't match pod topology spread constraints (missing "
    "required label).": "topology spread",
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.": (
        "host port"
    ),
    '0/2 nodes are available: 2 persistentvolumeclaim "nope" not found.': "volume",
    '0/6 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/6 nodes are '
    "available: 6 No preemption victims found for incoming pod.": "volume",
    "0/6 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: not "
    "eligible due to preemptionPolicy=Never.": "volume",
    "0/3 nodes are available: 3 node(s) had volume node affinity conflict.": "volume",
    "0/6 nodes are available: 6 node(s) exceed max volume count.": "volume",
    "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.": (
        "volume"
    ),
    "0/4 nodes are available: waiting for ephemeral volume controller to create the "
    'persistentvolumeclaim "a-b".': "volume",
    'running PreBind plugin "VolumeBinding": binding volumes: timed out': "volume",
    "0/2 nodes are available: 2 cannot allocate all claims.": "resource claim",
    "no nodes available to schedule pods": "no nodes",
    "0/0 nodes are available.": "no nodes",
    # Kubernetes 1.8 and older, as in the reports that are still found.
    "No nodes are available that match all of the following predicates:: Insufficient cpu (9), "
    "Insufficient memory (15), MatchNodeSelector (18).": "insufficient memory",
    "0/2 nodes are available: 2 the moon is full.": "other",
}

PULL = "rpc error: code = Unknown desc = failed to pull and unpack image "
KUBELET = {
    ("ErrImagePull", "pull QPS exceeded"): "ErrImagePull: pull QPS exceeded",
    (
        "ErrImagePull",
        PULL + '"a/b:c": failed to resolve reference "a/b:c": docker.io/a/b:c: not found',
    ): "ErrImagePull: not found",
    (
        "ErrImagePull",
        "Error response from daemon: manifest for nginx:nope not found: manifest unknown",
    ): "ErrImagePull: not found",
    (
        "ErrImagePull",
        PULL + '"x": unexpected status code https://r/x: 429 Too Many Requests - Server message: '
        "toomanyrequests: You have reached your pull rate limit.",
    ): "ErrImagePull: rate limited",
    (
        "ErrImagePull",
        "pull access denied for foo, repository does not exist or may require 'docker login'",
    ): "ErrImagePull: unauthorized",
    (
        "ErrImagePull",
        PULL + '"x": failed to authorize: failed to fetch anonymous token: unexpected status from '
        "GET request to https://ghcr.io/token: 401 Unauthorized",
    ): "ErrImagePull: unauthorized",
    (
        "ErrImagePull",
        'failed to do request: Head "https://r/v2": x509: certificate signed by unknown authority',
    ): "ErrImagePull: registry certificate",
    (
        "ErrImagePull",
        "no match for platform in manifest: not found",
    ): "ErrImagePull: wrong platform",
    ("ErrImagePull", "write /x: no space left on device"): "ErrImagePull: disk full",
    (
        "ErrImagePull",
        "dial tcp: lookup registry.example.com on 10.0.0.10:53: no such host",
    ): "ErrImagePull: registry unreachable",
    # The image's own name must not be taken for the cause.
    ("ErrImagePull", PULL + '"r/timeout:404": not found'): "ErrImagePull: not found",
    ("ErrImagePull", "the moon is full"): "ErrImagePull: other",
    ("RegistryUnavailable", ""): "ErrImagePull: registry unreachable",
    ("ImagePullBackOff", 'Back-off pulling image "x"'): "ImagePullBackOff",
    (
        "ImagePullBackOff",
        'Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = x: not found',
    ): "ErrImagePull: not found",
    ("InvalidImageName", "couldn't parse image reference"): "InvalidImageName",
    ("ErrImageNeverPull", "is not present with pull policy of Never"): "ErrImageNeverPull",
    ("ImageInspectError", "Failed to inspect image"): "ImageInspectError",
    ("SignatureValidationFailed", "no signature"): "SignatureValidationFailed",
    (
        "CreateContainerConfigError",
        'configmap "late-env" not found',
    ): "CreateContainerConfigError: missing configmap",
    ("CreateContainerConfigError", 'secret "db" not found'): (
        "CreateContainerConfigError: missing secret"
    ),
    ("CreateContainerConfigError", "couldn't find key user in Secret ns/db"): (
        "CreateContainerConfigError: missing key"
    ),
    ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"): (
        "CreateContainerConfigError: runs as root"
    ),
    ("CreateContainerConfigError", 'failed to prepare subPath for volumeMount "x"'): (
        "CreateContainerConfigError: subPath"
    ),
    ("CreateContainerConfigError", "failed to sync configmap cache"): (
        "CreateContainerConfigError: other"
    ),
    ("CreateContainerError", "Minimum memory limit allowed is 6MB"): "CreateContainerError",
    ("RunContainerError", 'exec: "/no": stat /no: no such file or directory'): (
        "RunContainerError: command not found"
    ),
    ("RunContainerError", "permission denied"): "RunContainerError",
    ("PostStartHookError: command 'x' exited with 4: ", ""): "PostStartHookError",
    ("CrashLoopBackOff", "back-off 5m0s restarting failed container"): "CrashLoopBackOff",
    ("SomethingNew", ""): "_other",
}
NOT_FROM_MESSAGES = {
    "Scheduling",
    "SchedulingGated",
    "ContainerCreating",
    "PodInitializing",
    "Unschedulable: scheduler error",
    *_reasons._EVENTS.values(),
}


@pytest.mark.parametrize("message", SCHEDULER)
def test_scheduler_message_names_the_nodes_that_came_furthest(message: str) -> None:
    assert unschedulable(message) == f"Unschedulable: {SCHEDULER[message]}"


@pytest.mark.parametrize(("reason", "message"), KUBELET)
def test_waiting_container_is_classified_by_reason_and_message(reason: str, message: str) -> None:
    assert waiting(reason, message) == KUBELET[reason, message]


def test_gates_and_scheduler_failures_are_not_taken_for_a_shortage() -> None:
    blocked = "Scheduling is blocked due to non-empty scheduling gates"
    assert scheduling("SchedulingGated", blocked) == "SchedulingGated"
    assert scheduling("SchedulerError", "timed out") == "Unschedulable: scheduler error"


def test_every_reason_is_reached_and_says_what_to_do() -> None:
    reached = {f"Unschedulable: {reason}" for reason in SCHEDULER.values()}
    reached |= set(KUBELET.values()) | NOT_FROM_MESSAGES
    assert reached == set(ADVICE)
    assert all(len(advice) > 20 and not advice.endswith(".") for advice in ADVICE.values())


def test_an_error_and_its_back_off_are_one_trouble() -> None:
    assert _reasons.family("ErrImagePull: not found") == _reasons.family("ImagePullBackOff")
    assert _reasons.family("RunContainerError") == _reasons.family("CrashLoopBackOff")
    assert _reasons.family("Unschedulable: taint") == _reasons.family("Unschedulable: volume")
    assert _reasons.family("ContainerCreating: volume") != _reasons.family("ContainerCreating")
    assert _reasons.family("ErrImagePull: not found") != _reasons.family("Unschedulable: taint")


VAGUE = {
    "_other",
    "Unschedulable: other",
    "ErrImagePull: other",
    "CreateContainerConfigError: other",
}


def corpus_messages() -> Iterator[tuple[str, str, str]]:
    """(kind of message, reason, message) of the corpus and of the recordings."""
    with (require_shared("corpus") / "messages.tsv").open() as lines:
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            where, reason, _, message = row[:4]
            if where.endswith("/state/waiting"):
                yield "waiting", reason, message
            elif where.startswith("Pod/cond/PodScheduled=False"):
                yield "scheduling", reason, message
            elif where == "Event/Warning" and reason == "FailedScheduling":
                yield "scheduling", "Unschedulable", message
            elif where == "Event/Warning" and message.startswith("Failed to pull image"):
                yield "waiting", "ErrImagePull", message
            elif where == "node/Pod" and re.match(r"\w+BackOff|\w+Creating|Unsch", message):
                yield "node", reason, message
    text = (require_shared("recordings") / "pods-messages.txt").read_text()
    for line in text.splitlines():
        where, _, rest = line.partition(" | ")
        reason, _, message = rest.partition("   <- ")[0].partition(" | ")
        if where == "state.waiting":
            yield "waiting", reason.strip(), message
        elif where == "condition PodScheduled=False":
            yield "scheduling", reason.strip(), message


def test_every_pending_message_of_the_corpus_and_the_recordings_is_classified() -> None:
    vague = []
    seen = 0
    for kind, reason, message in corpus_messages():
        seen += 1
        if kind == "node":
            found = _reasons.pending_message(message)
        else:
            found = (waiting if kind == "waiting" else scheduling)(reason, message)
        if found in VAGUE or found not in ADVICE:
            vague.append((found, reason, message))
    assert not vague
    assert seen > 90
