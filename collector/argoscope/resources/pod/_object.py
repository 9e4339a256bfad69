"""The parts of a v1 Pod that are read; everything else is skipped while decoding."""

import msgspec

from argoscope.resources._base import OwnerReference


class PodLabels(msgspec.Struct, gc=False):
    """The labels that are read, as fields: a dict a pod would cost more than all the rest."""

    workflow: str = msgspec.field(default="", name="workflows.argoproj.io/workflow")
    rollout_hash: str = msgspec.field(default="", name="rollouts-pod-template-hash")
    template_hash: str = msgspec.field(default="", name="pod-template-hash")


class PodAnnotations(msgspec.Struct, gc=False):
    node_id: str = msgspec.field(default="", name="workflows.argoproj.io/node-id")


class PodMeta(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: PodLabels | None = None
    annotations: PodAnnotations | None = None
    owner_references: list[OwnerReference] | None = None


class Running(msgspec.Struct, gc=False, rename="camel"):
    started_at: str | None = None


class Terminated(msgspec.Struct, gc=False, rename="camel"):
    started_at: str | None = None
    finished_at: str | None = None
    reason: str | None = None


class Waiting(msgspec.Struct, gc=False):
    reason: str | None = None
    message: str | None = None


class State(msgspec.Struct, gc=False):
    running: Running | None = None
    terminated: Terminated | None = None
    waiting: Waiting | None = None


class ContainerStatus(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    state: State | None = None
    last_state: State | None = None


class Condition(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class PodStatus(msgspec.Struct, gc=False, rename="camel"):
    phase: str = ""
    reason: str | None = None
    conditions: list[Condition] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodSpec(msgspec.Struct, gc=False, rename="camel"):
    node_name: str | None = None
    # Raw: decoded only for pods that wait, or whose name does not tell the template; never kept.
    node_selector: msgspec.Raw = msgspec.Raw()
    affinity: msgspec.Raw = msgspec.Raw()
    init_containers: msgspec.Raw = msgspec.Raw()
    containers: msgspec.Raw = msgspec.Raw()


class Pod(msgspec.Struct, gc=False):
    metadata: PodMeta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class _Env(msgspec.Struct, gc=False):
    name: str = ""
    value: str = ""


class _Container(msgspec.Struct, gc=False):
    env: list[_Env] | None = None


class _Template(msgspec.Struct, gc=False):
    name: str = ""


_containers = msgspec.json.Decoder(list[_Container])
_template = msgspec.json.Decoder(_Template)

_TRUNCATED = 240  # Argo cuts "<workflow>-<template>" to 243 characters less one


def node_id(name: str, workflow: str) -> str:
    """Id of the workflow node that a pod belongs to; "" for an agent pod, which has none.

    It equals the annotation workflows.argoproj.io/node-id, and need not be kept beside the name:
    both end in the same hash.
    """
    if name == workflow:
        return workflow
    if not workflow or name.endswith("-agent"):
        return ""
    return f"{workflow}-{name.rpartition('-')[2]}"


def template(pod: Pod) -> str:
    """Name of the template that an Argo pod runs, "" if the pod does not tell.

    Pod names of version 2 hold it: ``<workflow>-<template>-<hash>``. The root node's pod
    (``<workflow>``), names of version 1 (the node id) and truncated names don't: there it is the
    name in the executor's environment variable ARGO_TEMPLATE.
    """
    meta = pod.metadata
    workflow = meta.labels.workflow if meta.labels else ""
    if not workflow or not (meta.annotations and meta.annotations.node_id):
        return ""
    name = meta.name
    prefix = len(workflow) + 1
    if (
        name != meta.annotations.node_id
        and name.startswith(workflow + "-")
        and len(name) < _TRUNCATED
    ):
        return name[prefix:].rpartition("-")[0]
    return _from_environment(pod.spec.init_containers) or _from_environment(pod.spec.containers)


def _from_environment(containers: msgspec.Raw) -> str:
    if not containers:
        return ""
    try:
        for container in _containers.decode(containers):
            for env in container.env or ():
                # A template too large for the environment is in a ConfigMap instead.
                if env.name == "ARGO_TEMPLATE" and env.value.startswith("{"):
                    return _template.decode(env.value).name
    except msgspec.MsgspecError:
        return ""
    return ""


def pipeline_of_owner(pod: Pod) -> str:
    """Pipeline of a pod without a workflow: the Rollout, Deployment, Job or other owner's name."""
    meta = pod.metadata
    for owner in meta.owner_references or ():
        if owner.controller:
            labels = meta.labels
            suffix = (labels.rollout_hash or labels.template_hash) if labels else ""
            return owner.name.removesuffix(f"-{suffix}") if suffix else owner.name
    return ""
