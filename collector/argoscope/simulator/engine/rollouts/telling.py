"""What the Rollouts controller says about a rollout: Events, and the truth of its releases.

The truth has these lines, all with ``namespace`` and ``rollout``; times are virtual Unix seconds:

- ``rollout_begun``: an attempt to release ``hash`` as ``revision``; ``kind`` is created, update or
  retry.
- ``rollout_ended``: that attempt's ``result`` (created, promoted, aborted, superseded,
  rolled_back), ``begun``, ``seconds``, and the ``cause`` of an abort.
- ``rollout_step``: a canary step was completed: ``index``, ``type``, ``seconds``.
- ``rollout_step_skipped``: a person or a promotion went past it.
- ``rollout_at_step``: so many steps (``index``) are behind it now.
- ``rollout_pause``: a pause of ``cause`` is over after ``seconds``.
- ``rollout_phase``: the rollout is in another ``phase``, or pause, with its ``message``.
- ``rollout_converged``: an attempt's first conclusive ``phase``, after ``seconds``; also when the
  attempt had ended by then, but not of creations, rollbacks and attempts that began paused.
- ``rollout_weight``: the ``canary``'s share in percent that is asked for now.
- ``rollout_gone``: it was deleted; what was open stays open.
"""

from dataclasses import dataclass, field

from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.recorder import Recorder

COMPONENT = "rollouts-controller"
CAUSES = {
    "CanaryPauseStep": "canary_pause_step",
    "BlueGreenPause": "blue_green_pause",
    "InconclusiveAnalysisRun": "inconclusive_analysis",
}
"""The truth's word for the reason of a pause."""

_BURST = 25
_REFILL = 300.0
"""client-go drops Events of one object beyond a burst of 25, and one more in 300 seconds."""


@dataclass(slots=True)
class Attempt:
    """A release that goes on."""

    hash: str
    revision: int
    begun: float
    creation: bool
    step_since: float = 0.0


@dataclass(slots=True)
class Telling:
    """For one rollout, as long as it exists."""

    kernel: Kernel
    recorder: Recorder
    rollout: Object
    attempt: Attempt | None = None
    converging: Attempt | None = None
    """The last attempt, as long as it has had no conclusive phase, also when it has ended."""
    phase: tuple[str, str] = ("", "")
    """With what it is paused by: one pause after another is another phase."""
    pauses: dict[str, float] = field(default_factory=dict)
    weight: int | None = None
    step: int | None = None
    _tokens: float = _BURST
    _filled: float = 0.0

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Records an Event, unless there were too many."""
        now = self.kernel.now
        self._tokens = min(_BURST, self._tokens + (now - self._filled) / _REFILL)
        self._filled = now
        if self._tokens < 1.0:
            return
        self._tokens -= 1.0
        self.recorder.event(
            "Rollout",
            self.rollout,
            reason,
            message,
            component=COMPONENT,
            warning=warning,
            api_version="argoproj.io/v1alpha1",
        )

    def _tell(self, what: str, **fields: object) -> None:
        meta = self.rollout["metadata"]
        names = {"namespace": meta.get("namespace", ""), "rollout": meta["name"]}
        self.kernel.truth.tell(what, **names, **fields)

    def _since(self, start: float) -> float:
        return round(self.kernel.now - start, 3)

    def begins(self, digest: str, revision: int, kind: str) -> None:
        now = self.kernel.now
        self.attempt = Attempt(digest, revision, now, kind == "created", step_since=now)
        # One that is made while a person has paused the rollout starts in a conclusive phase.
        waits = "user" in self.pauses or self.attempt.creation
        self.converging = None if waits else self.attempt
        self._tell("rollout_begun", hash=digest, revision=revision, kind=kind)

    def ends(self, result: str, cause: str = "") -> None:
        """The open attempt has ended; nothing happens if none is open."""
        attempt, self.attempt = self.attempt, None
        if attempt is None:
            return
        if result == "rolled_back":
            self.converging = None
        more = {"cause": cause} if cause else {}
        self._tell(
            "rollout_ended",
            result=result,
            hash=attempt.hash,
            revision=attempt.revision,
            begun=round(attempt.begun, 3),
            seconds=self._since(attempt.begun),
            **more,
        )

    def step_completed(self, index: int, kind: str) -> None:
        if self.attempt is not None and not self.attempt.creation:
            seconds = self._since(self.attempt.step_since)
            self._tell("rollout_step", index=index, type=kind, seconds=seconds)
            self.attempt.step_since = self.kernel.now

    def step_skipped(self, index: int, kind: str) -> None:
        if self.attempt is not None and not self.attempt.creation:
            self._tell("rollout_step_skipped", index=index, type=kind)
            self.attempt.step_since = self.kernel.now

    def at_step(self, index: int | None) -> None:
        """How many steps of the canary are behind it; None: it has none."""
        if index != self.step:
            self.step = index
            self._tell("rollout_at_step", index=index)

    def paused_by(self, causes: set[str]) -> None:
        """What the rollout is paused by now."""
        for cause in [cause for cause in self.pauses if cause not in causes]:
            self._tell("rollout_pause", cause=cause, seconds=self._since(self.pauses.pop(cause)))
        for cause in sorted(causes - self.pauses.keys()):
            self.pauses[cause] = self.kernel.now

    def is_in(self, phase: str, message: str, *, conclusive: bool) -> None:
        now = (phase, message if phase == "Paused" else "")
        if now != self.phase:
            self.phase = now
            self._tell("rollout_phase", phase=phase, message=message)
        if conclusive and self.converging is not None:
            seconds = self._since(self.converging.begun)
            self._tell("rollout_converged", phase=phase, seconds=seconds)
            self.converging = None

    def weighs(self, canary: int) -> None:
        if canary != self.weight:
            self.weight = canary
            self._tell("rollout_weight", canary=canary)

    def gone(self) -> None:
        self._tell("rollout_gone")
