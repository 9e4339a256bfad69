"""The fields of a Rollout that derivations read (argoproj.io/v1alpha1, Rollouts 1.5 to 1.10)."""

from typing import Any, TypeVar

import msgspec

from argoscope.resources._base import ObjectMeta

REVISION = "rollout.argoproj.io/revision"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"


class Present(msgspec.Struct, gc=False):
    """An object of which only the existence matters."""


class Pause(msgspec.Struct, gc=False):
    duration: int | str | None = None


class Step(msgspec.Struct, gc=False, rename="camel"):
    """One of ``spec.strategy.canary.steps``: exactly one field is set."""

    set_weight: int | None = None
    pause: Pause | None = None
    analysis: Present | None = None
    experiment: Present | None = None
    set_canary_scale: Present | None = None
    set_header_route: Present | None = None
    set_mirror_route: Present | None = None
    plugin: Present | None = None

    @property
    def type(self) -> str:
        """The name of the set field as in the spec; ``_other`` for one of a later version."""
        for field, name in _STEP_FIELDS:
            if getattr(self, field) is not None:
                return name
        return "_other"


_STEP_FIELDS = tuple((field.name, field.encode_name) for field in msgspec.structs.fields(Step))


class TrafficRouting(msgspec.Struct, gc=False, rename="camel"):
    alb: Present | None = None
    ambassador: Present | None = None
    apisix: Present | None = None
    app_mesh: Present | None = None
    istio: Present | None = None
    nginx: Present | None = None
    smi: Present | None = None
    traefik: Present | None = None
    plugins: dict[str, Any] | None = None


class Canary(msgspec.Struct, gc=False, rename="camel"):
    steps: list[Step] | None = None
    analysis: Present | None = None
    traffic_routing: TrafficRouting | None = None


class BlueGreen(msgspec.Struct, gc=False, rename="camel"):
    auto_promotion_seconds: int | None = None
    pre_promotion_analysis: Present | None = None
    post_promotion_analysis: Present | None = None


class Strategy(msgspec.Struct, gc=False, rename="camel"):
    canary: Canary | None = None
    blue_green: BlueGreen | None = None


class WorkloadRef(msgspec.Struct, gc=False):
    kind: str = ""
    name: str = ""


class Spec(msgspec.Struct, gc=False, rename="camel"):
    replicas: int | None = None
    paused: bool | None = None
    progress_deadline_abort: bool | None = None
    strategy: Strategy | None = None
    workload_ref: WorkloadRef | None = None


class Condition(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_update_time: str | None = None
    last_transition_time: str | None = None


class PauseCondition(msgspec.Struct, gc=False, rename="camel"):
    reason: str = ""
    start_time: str | None = None


class Weight(msgspec.Struct, gc=False):
    weight: int = 0


class Weights(msgspec.Struct, gc=False):
    canary: Weight | None = None
    stable: Weight | None = None


class PluginStatus(msgspec.Struct, gc=False):
    phase: str = ""


class CanaryStatus(msgspec.Struct, gc=False, rename="camel"):
    weights: Weights | None = None
    step_plugin_statuses: list[PluginStatus] | None = None


class AttemptTimes(msgspec.Struct, gc=False, rename="camel"):
    """``status.duration`` (since 1.10): the controller's own record of the current attempt."""

    rollout_started_at: str | None = None
    finished_at: str | None = None
    completion_status: str = ""


class Status(msgspec.Struct, gc=False, rename="camel"):
    phase: str = ""
    message: str = ""
    observed_generation: str = ""
    workload_observed_generation: str = ""
    current_pod_hash: str = ""
    # Not ``stableRs``, which the camel rule would make of it.
    stable_rs: str = msgspec.field(name="stableRS", default="")
    current_step_index: int | None = None
    abort: bool = False
    aborted_at: str | None = None
    controller_pause: bool = False
    pause_conditions: list[PauseCondition] | None = None
    conditions: list[Condition] | None = None
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    canary: CanaryStatus | None = None
    duration: AttemptTimes | None = None

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if the controller has set it."""
        for condition in self.conditions or ():
            if condition.type == kind:
                return condition
        return None


class Rollout(msgspec.Struct, gc=False):
    metadata: ObjectMeta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)
    skipped: list[str] = msgspec.field(default_factory=list, name="_skipped")
    """What was malformed and left out: not part of the object."""

    @property
    def canary(self) -> Canary | None:
        return self.spec.strategy.canary if self.spec.strategy else None

    @property
    def blue_green(self) -> BlueGreen | None:
        return self.spec.strategy.blue_green if self.spec.strategy else None

    @property
    def steps(self) -> list[Step]:
        """The canary's steps; empty for a blue-green rollout and a canary without steps."""
        canary = self.canary
        return (canary.steps or []) if canary else []


class _Loose(msgspec.Struct, gc=False):
    metadata: ObjectMeta
    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    status: dict[str, Any] = msgspec.field(default_factory=dict)


_Part = TypeVar("_Part", Spec, Status)
_decoder = msgspec.json.Decoder(Rollout)


def decode(raw: bytes | msgspec.Raw) -> Rollout:
    """A Rollout of JSON; malformed fields of spec and status are left out and named in ``skipped``.

    Raises msgspec.MsgspecError when not even the metadata can be read.
    """
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError:
        loose = msgspec.json.decode(raw, type=_Loose)
        skipped: list[str] = []
        spec = _by_field(loose.spec, Spec, "spec", skipped)
        status = _by_field(loose.status, Status, "status", skipped)
        return Rollout(loose.metadata, spec, status, skipped)


def _by_field(part: dict[str, Any], kind: type[_Part], name: str, skipped: list[str]) -> _Part:
    kept = {}
    for key, value in part.items():
        try:
            msgspec.convert({key: value}, kind)
            kept[key] = value
        except msgspec.ValidationError as error:
            skipped.append(f"{name}.{key}: {error}")
    return msgspec.convert(kept, kind)
