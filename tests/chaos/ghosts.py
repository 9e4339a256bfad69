"""Runs that vanish before their end can be seen, or perhaps before.

What the daemon can know of them depends on the moment of a kill, but what must hold does not: of a
run that it has shown to know, an end is either counted or unobserved, and never both. A run that
began and vanished while no daemon lived is nothing at all.
"""

from chaos.pipelines import begin, end, retry
from chaos.stage import NAMESPACE, Stage
from chaos.truth import GHOST, Object, series

_AGE = 2.0  # seconds from a start to a retry: startedAt, in whole seconds, must move


class Ghost:
    """One run after the other. ``vanished`` counts those whose end must be in ``counted`` or
    unobserved."""

    kind = ""

    def __init__(self, number: int, stage: Stage) -> None:
        self.pipeline = f"{GHOST}{self.kind}-{number}"
        self.vanished = 0
        self._stage = stage
        self._run: Object | None = None
        self._born = 0.0
        self._begun = 0
        self._next = 0.0

    @property
    def idle(self) -> bool:
        return self._run is None

    def advance(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + self._stage.random.uniform(0.02, 0.3)
        if self._run is not None:
            self._haunt(self._run, now)
        elif not self._stage.draining:
            self._begin(now)

    def counted(self, phase: str = "") -> float:
        """Run attempts that the daemon shows as counted."""
        parts = [f'pipeline="{self.pipeline}"'] + ([f'phase="{phase}"'] if phase else [])
        return self._stage.shown.total("argo_workflow_runs_total", *parts)

    def problems(self) -> list[str]:
        """What does not hold of this pipeline by itself."""
        found = []
        if self.counted() > self.vanished:
            found.append(f"{self.pipeline}: {self.counted()} counted of {self.vanished}")
        if self._known() != self._begun:
            found.append(f"{self.pipeline}: {self._known()} known of {self._begun}")
        return found

    def _known(self) -> float:
        """Runs of which the daemon shows that it has seen them: each has started once."""
        labels = {"namespace": NAMESPACE, "pipeline": self.pipeline}
        return self._stage.shown.get(series("argo_workflow_run_pending_seconds_count", **labels))

    def _begin(self, now: float) -> None:
        self._run = begin(self.pipeline, self._stage.random, now)
        self._born = now
        self._begun += 1
        self._stage.put("workflows", self._run)

    def _haunt(self, run: Object, now: float) -> None:
        raise NotImplementedError

    def _end(self, run: Object, now: float, phase: str = "Succeeded") -> None:
        end(run, now, phase)
        self._stage.put("workflows", run)

    def _take(self, run: Object) -> None:
        self._stage.remove("workflows", run)
        self._stage.truth.forget(run["metadata"]["uid"])
        self._run = None


class Away(Ghost):
    """Vanishes while no daemon lives, half of them after their end: unobserved."""

    kind = "away"

    def _haunt(self, run: Object, now: float) -> None:
        if self._known() < self._begun or (self._stage.alive and not self._stage.draining):
            return
        if not self._stage.alive and self._stage.chance(0.5):
            self._end(run, now)
        self.vanished += 1
        self._take(run)

    def problems(self) -> list[str]:
        wrong = [f"{self.pipeline}: counted, though never seen"] if self.counted() else []
        return wrong + super().problems()


class Unknown(Ghost):
    """Begins, may end, and vanishes while no daemon lives: nobody can know of it."""

    kind = "unknown"

    def advance(self, now: float) -> None:
        if not self._stage.alive:
            super().advance(now)

    def _begin(self, now: float) -> None:
        super()._begin(now)
        assert self._run is not None
        if self._stage.chance(0.5):
            self._end(self._run, now)
        self._begun = 0
        self._take(self._run)

    def _haunt(self, run: Object, now: float) -> None:
        """It never stays."""


class Killed(Ghost):
    """Somebody deletes the running workflow, whether a daemon lives or not: unobserved."""

    kind = "killed"

    def _haunt(self, run: Object, now: float) -> None:
        if self._known() >= self._begun:
            self.vanished += 1
            self._take(run)

    def problems(self) -> list[str]:
        wrong = [f"{self.pipeline}: counted, though it never ended"] if self.counted() else []
        return wrong + super().problems()


class Raced(Ghost):
    """Ends and is gone in the same moment, as with a TTL of 0: counted or unobserved."""

    kind = "raced"

    def _haunt(self, run: Object, now: float) -> None:
        if self._known() >= self._begun:
            self._end(run, now)
            self.vanished += 1
            self._take(run)


class Revived(Ghost):
    """Fails and is retried in the same moment: the first end is counted or unobserved, the second
    is counted, and so is the retry."""

    kind = "revived"

    def __init__(self, number: int, stage: Stage) -> None:
        super().__init__(number, stage)
        self._retried = 0.0
        self._ended = False
        self.succeeded = 0

    def _haunt(self, run: Object, now: float) -> None:
        if not self._retried:
            if self._known() >= self._begun and now >= self._born + _AGE:
                self._end(run, now, "Failed")
                retry(run, now)
                self._stage.put("workflows", run)
                self._retried = now
                self.vanished += 1
        elif not self._ended:
            if now >= self._retried + _AGE:
                self._end(run, now)
                self._ended = True
                self.succeeded += 1
        elif self.counted("Succeeded") >= self.succeeded:
            self._retried, self._ended = 0.0, False
            self._take(run)

    def problems(self) -> list[str]:
        found = []
        if self.counted("Succeeded") != self.succeeded:
            found.append(
                f"{self.pipeline}: {self.counted('Succeeded')} counted of {self.succeeded}"
            )
        if self.counted("Failed") > self.vanished:
            found.append(f"{self.pipeline}: more counted than there were")
        labels = {"namespace": NAMESPACE, "pipeline": self.pipeline, "action": "retry"}
        retries = self._stage.shown.get(series("argo_workflow_actions_total", **labels))
        if retries != self.vanished:
            found.append(f"{self.pipeline}: {retries} retries of {self.vanished}")
        return found


GHOSTS: tuple[type[Ghost], ...] = (Away, Unknown, Killed, Raced, Revived)


def problems(ghosts: list[Ghost], stage: Stage) -> list[str]:
    """What does not hold of all of them together."""
    found = [problem for ghost in ghosts for problem in ghost.problems()]
    revived = [ghost for ghost in ghosts if isinstance(ghost, Revived)]
    others = [ghost for ghost in ghosts if not isinstance(ghost, Revived)]
    for reason, gone, counted in (
        ("deleted_", others, sum(ghost.counted() for ghost in others)),
        ("retried_", revived, sum(ghost.counted("Failed") for ghost in revived)),
    ):
        expected = sum(ghost.vanished for ghost in gone) - counted
        name = "argoscope_runs_unobserved_total"
        shown = stage.shown.total(name, f'reason="{reason}')
        if shown != expected:
            found.append(f"unobserved, {reason}*: {shown}, not {expected}")
    return found
