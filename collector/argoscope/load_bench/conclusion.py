"""When an object has reached a conclusive phase, by the daemon's own reading of it."""

from typing import Any, NamedTuple

from argoscope.load_bench.plan import Kind
from argoscope.resources._base import Resource
from argoscope.resources._time import unix
from argoscope.resources.rollout import RESOURCE as ROLLOUTS
from argoscope.resources.rollout import status as rollout_status
from argoscope.resources.rollout.objects import Rollout
from argoscope.resources.workflow import RESOURCE as WORKFLOWS
from argoscope.resources.workflow.objects import Workflow

RESOURCES: dict[Kind, Resource[Any]] = {"workflows": WORKFLOWS, "rollouts": ROLLOUTS}

SUCCESS = frozenset({"Succeeded", "Healthy"})


class Conclusion(NamedTuple):
    """A conclusive phase. Times are Unix seconds as the object has them, 0 where it has none."""

    phase: str
    at: float
    created: float
    started: float
    """When the controller began with a release (Rollouts 1.10)."""
    timed_out: bool
    """The controller itself gave up, since its deadline had passed."""


def conclude(obj: Workflow | Rollout) -> Conclusion | None:
    """The object's conclusion; None while it is at work.

    A Rollout's is Healthy, Degraded, or Paused until a person goes on.
    """
    return _of_workflow(obj) if isinstance(obj, Workflow) else _of_rollout(obj)


def _of_workflow(workflow: Workflow) -> Conclusion | None:
    status = workflow.status
    if status.phase not in ("Succeeded", "Failed", "Error") or not status.finished_at:
        return None
    return Conclusion(
        phase=status.phase,
        at=unix(status.finished_at),
        created=unix(workflow.metadata.creation_timestamp),
        started=0.0,
        timed_out="exceeded its deadline" in (status.message or ""),
    )


def _of_rollout(rollout: Rollout) -> Conclusion | None:
    phase = rollout_status.phase(rollout)
    if phase == "Healthy":
        at = rollout_status.healthy_at(rollout)
    elif phase == "Degraded":
        at = rollout_status.degraded_at(rollout)
    elif phase == "Paused" and rollout_status.waits_for_person(rollout):
        at = rollout_status.paused_at(rollout)
    else:
        return None
    progressing = rollout.status.condition("Progressing")
    return Conclusion(
        phase=phase,
        at=at,
        created=unix(rollout.metadata.creation_timestamp),
        started=rollout_status.attempt_started(rollout),
        timed_out=progressing is not None and progressing.reason == "ProgressDeadlineExceeded",
    )
