"""Why a pod waits: kubelet and scheduler messages to a closed list of reasons.

Source: waiting.reason and waiting.message of container states, reason and message of the
PodScheduled condition, and Warning events of pods, Kubernetes 1.18 to 1.34. A reason is worth its
place if it tells the operator what to do; ``ADVICE`` says it and is the closed list itself.

One FailedScheduling message names several causes. The scheduler filters each node in a fixed
order (cordoned, taints, node affinity, host ports, resources, volumes, topology spread, pod
affinity) and reports the node under the first filter that it failed, so the nodes that came
furthest are those that were nearly usable: **their** cause is taken. The tainted control-plane
node of every cluster therefore never hides that the workers are full. Resources fail together
(one node can lack cpu and memory): among them the one that most nodes lack, then the scarcer.
"""

import re
from functools import lru_cache

OTHER = "_other"

GATED = "SchedulingGated"
SCHEDULING = "Scheduling"
CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"
CREATING_PULL = "ContainerCreating: image pull"
CREATING_VOLUME = "ContainerCreating: volume"
CREATING_SANDBOX = "ContainerCreating: sandbox"
BACKOFF = "ImagePullBackOff"

ADVICE: dict[str, str] = {
    SCHEDULING: "The scheduler has not looked at the pod yet: if it lasts, check that the "
    "scheduler named in spec.schedulerName runs and is not overloaded",
    GATED: "A scheduling gate holds the pod back: look at who set spec.schedulingGates (Kueue and "
    "other queues do) and at the queue's quota",
    "Unschedulable: insufficient cpu": "No node has enough unreserved cpu: add nodes, lower the "
    "requests, or limit the parallelism",
    "Unschedulable: insufficient memory": "No node has enough unreserved memory: add nodes, lower "
    "the requests, or limit the parallelism",
    "Unschedulable: insufficient gpu": "All GPUs are taken or no node offers one: add GPU nodes, "
    "check the device plugin, or limit the parallelism",
    "Unschedulable: insufficient ephemeral storage": "No node has enough local disk: lower the "
    "ephemeral-storage request or use nodes with larger disks",
    "Unschedulable: insufficient extended resource": "No node offers enough of a special resource "
    "(hugepages, FPGAs, licences): check its device plugin and the request",
    "Unschedulable: too many pods": "The nodes are at their maximum number of pods: add nodes or "
    "raise the kubelet's maxPods",
    "Unschedulable: taint": "The nodes that remain are tainted: add a toleration, or remove the "
    "taint",
    "Unschedulable: node not ready": "The usable nodes are not ready, unreachable or under "
    "pressure: look at the nodes' conditions",
    "Unschedulable: node cordoned": "The usable nodes are cordoned (maintenance, drain): uncordon "
    "them or add nodes",
    "Unschedulable: node selector": "No node has the labels that nodeSelector or node affinity "
    "asks for: correct the labels, or add such nodes",
    "Unschedulable: pod affinity": "Affinity or anti-affinity with other pods excludes every node: "
    "relax the rule or add nodes",
    "Unschedulable: topology spread": "Spread constraints exclude every node: relax maxSkew or "
    "whenUnsatisfiable, or add nodes in the missing zone",
    "Unschedulable: host port": "The host port is taken on every node: drop hostPort or add nodes",
    "Unschedulable: volume": "A claim is missing, unbound, in another zone, or the node is at its "
    "volume limit: describe the PersistentVolumeClaim",
    "Unschedulable: resource claim": "A ResourceClaim can't be allocated: describe it, and check "
    "the DRA driver",
    "Unschedulable: no nodes": "The cluster has no nodes at all: check the autoscaler or the node "
    "pool",
    "Unschedulable: scheduler error": "The scheduler failed while it looked at the pod: read the "
    "scheduler's log",
    "Unschedulable: other": "Read the message of the pod's PodScheduled condition",
    CREATING: "The kubelet makes sandbox, volumes and container: if it lasts, look at the pod's "
    "events and at the node's load",
    CREATING_PULL: "An image is being pulled: if it lasts, make the image smaller, cache it on "
    "the nodes, or look at the registry's throughput",
    CREATING_VOLUME: "A volume can't be attached or mounted: look at the FailedMount event; a "
    "missing ConfigMap or Secret, a wrong hostPath, or the CSI driver",
    CREATING_SANDBOX: "The pod sandbox can't be made: look at the CNI plugin, free pod addresses "
    "and the container runtime on the node",
    INITIALIZING: "Init containers run (Argo's loads input artifacts) or the main container is "
    "about to start: if it lasts, read the log of the init containers",
    "ErrImagePull: pull QPS exceeded": "The kubelet's own limit: raise registryPullQPS and "
    "registryBurst, or start fewer pods at once",
    "ErrImagePull: not found": "The image or its tag does not exist: correct the name or push it",
    "ErrImagePull: unauthorized": "The registry refuses access: check imagePullSecrets, the "
    "node's registry credentials and the image's name",
    "ErrImagePull: rate limited": "The registry limits the pulls: authenticate, or use a mirror or "
    "a pull-through cache",
    "ErrImagePull: registry unreachable": "The registry can't be reached from the node or does not "
    "answer in time: check DNS, proxy, firewall and the registry",
    "ErrImagePull: registry certificate": "The node does not trust the registry's certificate: "
    "install the CA, or renew the certificate",
    "ErrImagePull: wrong platform": "The image does not exist for the node's architecture: build "
    "it for several platforms or select other nodes",
    "ErrImagePull: disk full": "The node has no space for the image: enlarge the disk or tune the "
    "image garbage collection",
    "ErrImagePull: other": "Read the message of the waiting container, which is the registry's "
    "own answer",
    BACKOFF: "The image could not be pulled and the kubelet waits before the next try: the "
    "pod's events have the cause",
    "ImageInspectError": "The runtime can't read an image that it has: remove the image from the "
    "node",
    "ErrImageNeverPull": "imagePullPolicy is Never and the node lacks the image: preload it or "
    "change the policy",
    "InvalidImageName": "The image reference can't be parsed: correct it in the template",
    "SignatureValidationFailed": "The image's signature is missing or wrong: sign it or correct "
    "the policy on the node",
    "CreateContainerConfigError: missing configmap": "A ConfigMap that an environment variable "
    "refers to does not exist in the namespace: create it",
    "CreateContainerConfigError: missing secret": "A Secret that an environment variable refers "
    "to does not exist in the namespace: create it",
    "CreateContainerConfigError: missing key": "The ConfigMap or Secret exists but lacks the key: "
    "add it, or mark the reference optional",
    "CreateContainerConfigError: runs as root": "runAsNonRoot is set and the image runs as root: "
    "set runAsUser or change the image",
    "CreateContainerConfigError: subPath": "A subPath of a volume can't be prepared: check the "
    "path and the volume's content",
    "CreateContainerConfigError: other": "Read the message of the waiting container",
    "CreateContainerError": "The runtime refused to create the container: read its message, which "
    "names the option (limits, mounts, command) that is wrong",
    "RunContainerError: command not found": "The command does not exist in the image: correct "
    "command, args or the image",
    "RunContainerError": "The runtime could not start the container: read its message, which names "
    "the path, mount or permission",
    "PostStartHookError": "The postStart hook fails: correct the hook",
    "CrashLoopBackOff": "The container starts and fails again and again: read its previous log",
    OTHER: "A reason that is not in this list: read the pod's status and events",
}
"""Reason -> what to do. The keys are the closed list of reasons."""

REASONS = tuple(ADVICE)

PASSING = frozenset({SCHEDULING, CREATING, CREATING_PULL, INITIALIZING})
"""States that every healthy pod goes through."""

_IMAGE = "image"
_START = "start"
VAGUE = frozenset({BACKOFF, "CrashLoopBackOff"})
"""Back-offs: they say that it failed before; the reason seen then says more."""
_FAMILY_OF = {
    "CrashLoopBackOff": _START,
    "RunContainerError": _START,
    "CreateContainerError": _START,
    "PostStartHookError": _START,
    BACKOFF: _IMAGE,
    "ImageInspectError": _IMAGE,
    "ErrImageNeverPull": _IMAGE,
    "InvalidImageName": _IMAGE,
    "SignatureValidationFailed": _IMAGE,
    "ErrImagePull": _IMAGE,
}


def is_image(reason: str) -> bool:
    """The image is what keeps the container from starting."""
    return family(reason) == _IMAGE


def is_crash(reason: str) -> bool:
    """The container was tried, failed, and will be tried again."""
    return family(reason) == _START


@lru_cache(maxsize=256)
def family(reason: str) -> str:
    """What counts as one contiguous trouble: an error and its back-off alternate within one."""
    head = reason.partition(":")[0]
    return _FAMILY_OF.get(head, reason if head == CREATING else head)


_VOLUME = (
    r"persistent ?volume|pvc\(s\)|volume node affinity|volume zone|max volume count|volume limit|"
    r"free storage|storage ?class|available disk|NoVolume|VolumeBinding|CSINode|volume attach|"
    r"ephemeral volume controller"
)
_NODE_SELECTOR = (
    r"node affinity|node selector|MatchNodeSelector|requested (host|node) ?name|"
    r"didn't match the requested"
)
_NOT_READY = (
    r"taints? \{?node\.(kubernetes|cloudprovider\.kubernetes)\.io/(not-ready|unreachable|"
    r"disk-pressure|memory-pressure|pid-pressure|network-unavailable|out-of-service|uninitialized)|"
    r"not ready|out of disk|unreachable|(disk|memory) pressure|network unavailable|NodeNotReady"
)
_CORDONED = r"were unschedulable|node\.kubernetes\.io/unschedulable|NodeUnschedulable"
# Scheduler clauses: (pattern, reason, filter, rank). The first pattern that matches a clause
# names it; a higher filter runs later, so its nodes came further; the rank breaks ties in one.
_CLAUSES: tuple[tuple[re.Pattern[str], str, int, int], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), f"Unschedulable: {reason}", stage, rank)
    for pattern, reason, stage, rank in (
        (r"topology spread", "topology spread", 8, 0),
        (r"affinity rules|pod affinity|anti-affinity|MatchInterPodAffinity", "pod affinity", 9, 0),
        (r"resourceclaim|allocate all claims", "resource claim", 7, 0),
        (_VOLUME, "volume", 6, 0),
        (r"insufficient \S*gpu|insufficient nvidia\.com/mig", "insufficient gpu", 5, 6),
        (r"insufficient memory", "insufficient memory", 5, 4),
        (r"insufficient cpu", "insufficient cpu", 5, 3),
        (r"insufficient ephemeral-storage", "insufficient ephemeral storage", 5, 2),
        (r"too many pods|insufficient pods", "too many pods", 5, 1),
        (r"insufficient ", "insufficient extended resource", 5, 5),
        (r"free ports|HostPorts", "host port", 4, 0),
        (_NODE_SELECTOR, "node selector", 3, 0),
        (_NOT_READY, "node not ready", 2, 1),
        (_CORDONED, "node cordoned", 2, 2),
        (r"taint|tolerat", "taint", 2, 0),
    )
)
_COUNTED = re.compile(r"(\d+) (.+?)(?=, \d+ |\.?\s*$)")
_OLD_COUNTED = re.compile(r"([A-Za-z][^,()]*?) \((\d+)\)")


@lru_cache(maxsize=1024)
def unschedulable(message: str) -> str:
    """Reason of a PodScheduled=False condition whose own reason is Unschedulable."""
    if re.match(r"no nodes available", message, re.IGNORECASE) or message.startswith("0/0 "):
        return "Unschedulable: no nodes"
    # What follows "preemption:" repeats the counts for a different question (1.24+).
    text = message.partition(" preemption:")[0].strip().rstrip(".")
    best: tuple[int, int, int] | None = None
    reason = "Unschedulable: other"
    for count, clause in _clauses(text):
        for pattern, name, stage, rank in _CLAUSES:
            if pattern.search(clause):
                if best is None or (stage, count, rank) > best:
                    best, reason = (stage, count, rank), name
                break
    return reason


def _clauses(text: str) -> list[tuple[int, str]]:
    """(nodes, cause) of a scheduler message, in its current and its pre-1.9 form."""
    body = text.partition(" nodes are available: ")[2]
    if body:
        return [(int(count), clause) for count, clause in _COUNTED.findall(body)] or [(1, body)]
    old = _OLD_COUNTED.findall(text.partition("predicates:")[2])
    return [(int(count), clause) for clause, count in old] or [(1, text)]


_UNREACHABLE = (
    r"no such host|dial tcp|connection re(fused|set)|timeout|timed out|deadline exceeded|"
    r"server misbehaving|\bEOF\b|TLS handshake|no route to host|network is unreachable|"
    r"\b50[0234]\b|service unavailable|bad gateway|context canceled"
)
_UNAUTHORIZED = (
    r"unauthorized|denied|forbidden|authentication|authorization|no basic auth|\b40[13]\b|"
    r"insufficient_scope|credentials"
)
_PULL = tuple(
    (re.compile(pattern, re.IGNORECASE), f"ErrImagePull: {reason}")
    for pattern, reason in (
        (r"pull QPS exceeded", "pull QPS exceeded"),
        (r"toomanyrequests|too many requests|rate limit|\b429\b", "rate limited"),
        (r"no space left|disk quota exceeded", "disk full"),
        (r"x509|certificate|http response to https", "registry certificate"),
        (r"no match for platform|no matching manifest|exec format", "wrong platform"),
        (_UNREACHABLE, "registry unreachable"),
        (_UNAUTHORIZED, "unauthorized"),
        (r"not found|manifest unknown|name unknown|does not exist|\b404\b", "not found"),
    )
)
_CONFIG = tuple(
    (re.compile(pattern, re.IGNORECASE), f"CreateContainerConfigError: {reason}")
    for pattern, reason in (
        (r"couldn't find key|non-existent config key|references non-existent", "missing key"),
        (r"configmaps? .*not found", "missing configmap"),
        (r"secrets? .*not found", "missing secret"),
        (r"runAsNonRoot|run as root|runAsUser", "runs as root"),
        (r"subPath", "subPath"),
    )
)
_NO_COMMAND = re.compile(r"no such file or directory|executable file not found", re.IGNORECASE)


def _pull(message: str) -> str:
    # Image names can hold words such as "timeout": what stands in quotes is not the cause.
    text = re.sub(r'"[^"]*"', '""', message)
    for pattern, reason in _PULL:
        if pattern.search(text):
            return reason
    return "ErrImagePull: other"


@lru_cache(maxsize=1024)
def waiting(reason: str, message: str) -> str:
    """Reason of a waiting container (``state.waiting`` of a container status)."""
    if reason == "ErrImagePull":
        return _pull(message)
    if reason == "RegistryUnavailable":
        return "ErrImagePull: registry unreachable"
    if reason == BACKOFF:
        # Since 1.32 the back-off repeats the error it backs off from.
        cause = message.partition("ErrImagePull: ")[2]
        return _pull(cause) if cause else BACKOFF
    if reason == "CreateContainerConfigError":
        found = (name for pattern, name in _CONFIG if pattern.search(message))
        return next(found, "CreateContainerConfigError: other")
    if reason == "RunContainerError":
        return f"{reason}: command not found" if _NO_COMMAND.search(message) else reason
    if reason in ("CreateContainerError", "PreCreateHookError"):
        return "CreateContainerError"
    if reason.startswith(("PostStartHookError", "PreStartHookError")):
        return "PostStartHookError"
    return reason if reason in ADVICE else OTHER


def scheduling(reason: str, message: str) -> str:
    """Reason of a PodScheduled condition that is False."""
    if reason == GATED:
        return GATED
    if reason == "SchedulerError":
        return "Unschedulable: scheduler error"
    return unschedulable(message)


_EVENTS = {
    "FailedMount": CREATING_VOLUME,
    "FailedAttachVolume": CREATING_VOLUME,
    "FailedMapVolume": CREATING_VOLUME,
    "FailedCreatePodSandBox": CREATING_SANDBOX,
    "NetworkNotReady": CREATING_SANDBOX,
    "Pulling": CREATING_PULL,
}


def event(reason: str) -> str:
    """What a pod event says about a container that only says ContainerCreating; "" for nothing."""
    return _EVENTS.get(reason, "")


def pending_message(message: str) -> str:
    """Reason of the message of a Pending node of Argo, ``<waiting reason>: <message>``."""
    head, _, rest = message.partition(": ")
    return unschedulable(rest) if head == "Unschedulable" else waiting(head, rest)


_POD_CAUSES = {
    "Evicted": "evicted",
    "Preempting": "preempted",
    "NodeLost": "node_lost",
    "NodeShutdown": "node_lost",
    "Shutdown": "node_lost",
    "Terminated": "node_lost",
    "DeadlineExceeded": "deadline",
}
_DISRUPTIONS = {
    "PreemptionByScheduler": "preempted",
    "PreemptionByKubeScheduler": "preempted",
    "DeletionByTaintManager": "node_lost",
    "DeletionByPodGC": "node_lost",
    "EvictionByEvictionAPI": "evicted",
    "TerminationByKubelet": "evicted",
}


def pod_cause(reason: str | None) -> str:
    """Failure cause of ``status.reason`` of a Failed pod; "" where it says nothing more."""
    return _POD_CAUSES.get(reason, "") if reason else ""


def disruption_cause(reason: str | None) -> str:
    """Failure cause of a DisruptionTarget condition (1.26+)."""
    return _DISRUPTIONS.get(reason, "evicted") if reason else ""


def event_cause(reason: str) -> str:
    """Failure cause that an event announces to its pod, on clusters without DisruptionTarget."""
    return "preempted" if reason == "Preempted" else ""
