"""Why a rollout was aborted or paused: closed lists, from its own status alone.

The AnalysisRun that fails is another stream, which may be behind or ahead; the controller copies
the run's message into the Rollout in the same write that sets the abort, so that is joined on.
"""

import re
from collections.abc import Iterator

from argoscope.resources.rollout.objects import Rollout

# The bare sentence is an abort by a person: analyses, experiments and deadlines add their message.
_ABORTED = re.compile(r"Rollout aborted update to revision \d+(?:: *)?")
_PAUSES = {
    "CanaryPauseStep": "canary_pause_step",
    "BlueGreenPause": "blue_green_pause",
    # The constant's value; the CRD's description calls it InconclusiveAnalysis.
    "InconclusiveAnalysisRun": "inconclusive_analysis",
    "InconclusiveAnalysis": "inconclusive_analysis",
    "InconclusiveExperiment": "inconclusive_experiment",
}


def abort_cause(rollout: Rollout, step_type: str = "") -> str:
    """Why the current attempt was aborted, one of ``ABORT_CAUSES``.

    ``step_type`` is the canary step it was at, where that was seen: the abort resets the index.
    """
    text = abort_message(rollout)
    canary = rollout.status.canary
    if any(plugin.phase == "Failed" for plugin in (canary and canary.step_plugin_statuses) or ()):
        return "step_plugin"
    found = _ABORTED.match(text)
    if found and found.end() == len(text):
        return "user"
    meta = rollout.metadata
    replica_set = f'ReplicaSet "{meta.name}-{rollout.status.current_pod_hash}" has timed out'
    if replica_set in text or f'Rollout "{meta.name}" has timed out' in text:
        return "progress_deadline"
    if "assessed Failed" in text:
        return "analysis_failed"
    # A run that failed says "assessed Failed"; the rest of this (1.8 and later) could not measure.
    if "assessed Error" in text or "analysis phase error/failed" in text:
        return "analysis_error"
    if step_type == "plugin":
        return "step_plugin"
    if step_type == "experiment" or "xperiment" in text:
        return "experiment"
    return "other"


def abort_message(rollout: Rollout) -> str:
    """What the controller said when it aborted (condition Progressing, else status.message)."""
    progressing = rollout.status.condition("Progressing")
    if progressing and progressing.reason == "RolloutAborted":
        return progressing.message
    return rollout.status.message.removeprefix("RolloutAborted: ")


def pause_cause(reason: str) -> str:
    """The label value of a pause condition's reason."""
    return _PAUSES.get(reason, "other")


def possible_abort_causes(rollout: Rollout) -> Iterator[str]:
    """The causes that this spec can produce, to be exposed at 0 before the first one."""
    yield "user"
    canary, blue_green, steps = rollout.canary, rollout.blue_green, rollout.steps
    types = {step.type for step in steps}
    if (
        "analysis" in types
        or (canary and canary.analysis)
        or (
            blue_green and (blue_green.pre_promotion_analysis or blue_green.post_promotion_analysis)
        )
    ):
        yield "analysis_failed"
        yield "analysis_error"
    if rollout.spec.progress_deadline_abort:
        yield "progress_deadline"
    if "experiment" in types:
        yield "experiment"
    if "plugin" in types:
        yield "step_plugin"
