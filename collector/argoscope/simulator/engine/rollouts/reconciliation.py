"""What both strategies do when a rollout is looked at: revisions, conditions, writing the status.

The order of the steps, and so of the writes, is the Rollouts controller's; see its recordings in
the tests. One look ends with at most one write of the status; each write leads to another look.
"""

from typing import Any, Protocol

from argoscope.simulator.engine.kernel import Kernel, Object, stamp, unix
from argoscope.simulator.engine.rollouts import conditions, counts, durations, restarting, spec
from argoscope.simulator.engine.rollouts.analyses import Analyses
from argoscope.simulator.engine.rollouts.judging import Judge
from argoscope.simulator.engine.rollouts.pauses import Pauses
from argoscope.simulator.engine.rollouts.replicas import ReplicaSets, deadline_of
from argoscope.simulator.engine.rollouts.telling import CAUSES, Telling

_KEPT = ("stableRS", "restartedAt", "collisionCount")


class Cluster(Protocol):
    """What a reconciliation finds around its rollout."""

    @property
    def kernel(self) -> Kernel: ...
    @property
    def durations(self) -> bool: ...
    def replica_sets_of(self, rollout: Object) -> list[Object]: ...
    def runs_of(self, rollout: Object) -> list[Object]: ...
    def pods_of(self, replica_sets: list[Object]) -> list[Object]: ...
    def wake_after(self, rollout: Object, seconds: float) -> None: ...


class Reconciliation:
    """One look at a rollout with a valid spec. Strategies override ``reconcile`` and ``scale``."""

    def __init__(
        self, cluster: Cluster, telling: Telling, rollout: Object, workload: Object | None
    ) -> None:
        self.cluster = cluster
        self.kernel = cluster.kernel
        self.telling = telling
        self.rollout = rollout
        self.status: Object = rollout["status"]
        source = rollout["spec"] if workload is None else workload["spec"]
        self.workload = workload
        self.template: Object = source["template"]
        self.selector: Object = rollout["spec"].get("selector") or source.get("selector") or {}
        self.pauses = Pauses(rollout)
        found = cluster.replica_sets_of(rollout)
        digest = spec.pod_hash(self.template)
        self.sets = ReplicaSets(self.kernel, telling, rollout, found, digest)
        self.back_in_time = deadline_of(self.sets.new) is not None
        """The new ReplicaSet is one that waits for being scaled down: no pause, no analysis."""
        self.analyses = Analyses(
            self.kernel, telling, rollout, self.pauses, cluster.runs_of(rollout)
        )
        self.next: Object = self._fresh()

    # What strategies do

    def reconcile(self) -> None:
        raise NotImplementedError

    def scale(self) -> None:
        """Scales the ReplicaSets to what they should be now."""
        raise NotImplementedError

    # The look

    def run(self) -> None:
        observed = self.status.get("observedGeneration")
        if observed == str(self.rollout["metadata"].get("generation", 1)) and self._mark_pauses():
            return  # after a change of the spec, what it does to the counts is written first
        self._sync_revision()
        if self.sets.new is not None and self.sets.is_scaling():
            self._scale_only()
            return
        if not self.status.get("currentPodHash") and self.telling.attempt is None:
            self.telling.begins(self.sets.digest, self.sets.next_revision(), "created")
        if self.sets.new is None:
            self._create_replica_set()
            self.next = self._fresh()
        self.reconcile()

    def _mark_pauses(self) -> bool:
        """Conditions of a pause or a retry are written by themselves; True if there were some."""
        status, now = self.status, self.kernel.now
        paused = bool(status.get("pauseConditions")) or bool(self.rollout["spec"].get("paused"))
        why = conditions.reason(status)
        found: list[tuple[str, str, str, str]] = []
        if why == "RolloutAborted":
            if status.get("abort"):
                return False
            message = "Retrying Rollout after abort"
            found.append(("Progressing", "Unknown", "RolloutRetry", message))
        else:
            if paused and why != "RolloutPaused":
                found.append(("Progressing", "Unknown", "RolloutPaused", "Rollout is paused"))
            elif not paused and why == "RolloutPaused":
                found.append(("Progressing", "Unknown", "RolloutResumed", "Rollout is resumed"))
            if paused != conditions.is_true(status, "Paused"):
                value = "True" if paused else "False"
                found.append(("Paused", value, "RolloutPaused", "Rollout is paused"))
        if not found:
            return False
        self.next = {**status, "conditions": list(status.get("conditions") or ())}
        for condition in found:
            conditions.put(self.next, *condition, now)
        retried = found[0][2] == "RolloutRetry" and not conditions.is_promoted(status)
        if retried and self.telling.attempt is None:
            self.telling.begins(self.sets.digest, self._revision(), "retry")
            self._times({"rolloutStartedAt": stamp(now)})
        self._write()
        return True

    def _scale_only(self) -> None:
        self.scale()
        self.sets.acknowledge()
        self.next = {**self.status}
        if spec.blue_green(self.rollout) is None:
            self.next["availableReplicas"] = self.sets.total("availableReplicas")
            self.next["HPAReplicas"] = self.sets.total("replicas")
        self.pauses.write(self.next, self.kernel.now)
        self._write()

    # Revisions

    def _revision(self) -> int:
        annotations = self.rollout["metadata"].get("annotations") or {}
        return int(annotations.get(spec.REVISION, 0))

    def _sync_revision(self) -> None:
        new = self.sets.new
        if new is None:
            return
        revision = self.sets.next_revision()
        if int(new["metadata"]["annotations"][spec.REVISION]) < revision:
            self.sets.renumber(revision)
        self._set_revision(int(new["metadata"]["annotations"][spec.REVISION]))

    def _set_revision(self, revision: int) -> None:
        """Writes the revision; what the API server's defaults add is another generation."""
        meta = self.rollout["metadata"]
        if self._revision() == revision:
            return
        meta["annotations"] = {**(meta.get("annotations") or {}), spec.REVISION: str(revision)}
        if self.workload is None:
            containers = self.template["spec"].get("containers") or ()
            bare = [container for container in containers if "resources" not in container]
            for container in bare:
                container["resources"] = {}
            if bare:
                meta["generation"] = meta.get("generation", 1) + 1
        self.kernel.put("rollouts", self.rollout)
        self.telling.event("RolloutUpdated", f"Rollout updated to revision {revision}")

    def _create_replica_set(self) -> None:
        revision = self.sets.next_revision()
        aborted = self.status.get("abortedAt") and not conditions.is_promoted(self.status)
        if aborted and not self.status.get("abort") and self.telling.attempt is None:
            # The condition written here ends the abort: a retry, which this template supersedes.
            self.telling.begins(self.status["currentPodHash"], revision - 1, "retry")
        created = self.sets.create(self.template, self.selector, revision)
        self._set_revision(revision)
        name = created["metadata"]["name"]
        self.telling.event(
            "NewReplicaSetCreated", f"Created ReplicaSet {name} (revision {revision})"
        )
        status = {"blueGreen": {}, "canary": {}, **self.status}
        status["conditions"] = list(status.get("conditions") or ())
        message = f'Created new replica set "{name}"'
        conditions.put(
            status, "Progressing", "True", "NewReplicaSetCreated", message, self.kernel.now
        )
        self._store(status)

    # The new status

    def _fresh(self) -> Object:
        """What is true whatever happens in this look; counts come with ``base``."""
        kept = {field: self.status[field] for field in _KEPT if field in self.status}
        return {
            **kept,
            "blueGreen": {},
            "canary": {},
            "conditions": [
                c for c in self.status.get("conditions") or () if c["type"] != "InvalidSpec"
            ],
            "duration": dict(self.status.get("duration") or {}),
        }

    def base(self) -> None:
        """The counts and the revision of the new status."""
        status, new = self.next, self.sets.new
        status["currentPodHash"] = self.sets.digest
        status["replicas"] = self.sets.total("replicas")
        status["updatedReplicas"] = counts.existing(new)
        status["readyReplicas"] = self.sets.total("readyReplicas")
        status["availableReplicas"] = self.sets.total("availableReplicas")
        status["HPAReplicas"] = status["replicas"]
        status["selector"] = spec.selector_text(self.selector)
        promoted = self.sets.digest == status.get("stableRS", "")
        status["promoteFull"] = bool(self.status.get("promoteFull")) and not promoted

    def has_another_template(self) -> bool:
        known = self.status.get("currentPodHash")
        return bool(known) and known != self.sets.digest

    def reset(self) -> None:
        """The status begins anew: the template (or the steps) have changed."""
        self.pauses.clear()
        self.pauses.remove_abort()
        self._restarted()
        self.next["promoteFull"] = False
        attempt, digest, now = self.telling.attempt, self.sets.digest, self.kernel.now
        if attempt is not None and attempt.hash == digest:
            attempt.step_since = now
            if attempt.creation:
                self._times({"rolloutStartedAt": stamp(now)})
            return
        back = digest == self.status.get("stableRS", "")
        if back and attempt is not None and not attempt.creation:
            self.telling.ends("rolled_back")
            ended = {"completionStatus": "FastRolledBack", "finishedAt": stamp(now)}
            self._times({**self.next["duration"], **ended})
        elif attempt is not None:
            self.telling.ends("superseded")
        if not back:
            self.telling.begins(digest, self._revision(), "update")
            self._times({"rolloutStartedAt": stamp(now)})

    def go_on_fully(self) -> None:
        """A full promotion ends pauses and an abort."""
        self.pauses.clear()
        self.pauses.remove_abort()

    def promote(self, reason: str) -> None:
        """The new revision is the stable one from now on."""
        self.pauses.clear()
        self.pauses.remove_abort()
        full = bool(self.status.get("promoteFull"))
        self.next["promoteFull"] = False
        if spec.canary(self.rollout) is not None:
            self.next["currentStepIndex"] = len(spec.steps(self.rollout)) or None
        digest, before = self.next["currentPodHash"], self.next.get("stableRS", "")
        if before == digest:
            return
        self.next["stableRS"] = digest
        initial = not before
        self.telling.event(
            "RolloutCompleted",
            f"Rollout completed update to revision {self._revision()} ({digest}): {reason}",
        )
        if initial:
            if spec.canary(self.rollout) is not None:
                self._times({**self.next["duration"], "completionStatus": "Promoted"})
            return
        if self.telling.attempt is None:  # it was aborted, and is promoted in full
            self.telling.begins(digest, self._revision(), "retry")
        self.telling.ends("promoted")
        done = {
            "completionStatus": "FastPromoted" if full else "Promoted",
            "finishedAt": stamp(self.kernel.now),
        }
        self._times({**self.next["duration"], **done})

    def _times(self, duration: Object) -> None:
        self.next["duration"] = duration

    def judge(self) -> None:
        """Sets the conditions of the new status."""
        judge = Judge(
            self.rollout,
            self.status,
            self.next,
            self.pauses,
            self.telling,
            self.kernel.now,
            self._revision(),
        )
        judge.judge(available=self.is_available())

    def is_available(self) -> bool:
        """Whether enough replicas serve."""
        raise NotImplementedError

    def restart_pods(self) -> None:
        """Goes on with a restart that spec.restartAt asks for."""
        restart = self.rollout["spec"].get("restartAt")
        if restart and restart != self.status.get("restartedAt"):
            wait = restarting.restart(self.kernel, self.rollout, self.sets.all, self.cluster)
            if wait:
                self.wake_after(wait)
            else:
                self._restarted()

    def _restarted(self) -> None:
        if self.rollout["spec"].get("restartAt"):
            self.next["restartedAt"] = self.rollout["spec"]["restartAt"]

    # Writing

    def wake_after(self, seconds: float) -> None:
        self.cluster.wake_after(self.rollout, seconds)

    def persist(self) -> None:
        """Finishes the new status, and writes it if it differs from the old one."""
        self.pauses.write(self.next, self.kernel.now)
        if self.workload is not None:
            generation = self.workload["metadata"].get("generation", 1)
            self.next["workloadObservedGeneration"] = str(generation)
        before = self.status
        if not self._write():
            self._wake_for_deadline()
            return
        self._announce(before)

    def _write(self) -> bool:
        status, now = self.next, self.kernel.now
        status["observedGeneration"] = str(self.rollout["metadata"].get("generation", 1))
        status["phase"], status["message"] = conditions.phase(self.rollout, status)
        times = durations.timed(self.rollout, self.status, status, self.telling.attempt, now)
        status["duration"] = times if self.cluster.durations else None
        written = _compact(status)
        changed = written != self.status
        if changed:
            self._store(written)
        self._tell(written, now)
        return changed

    def _store(self, status: Object) -> None:
        self.status = self.rollout["status"] = status
        self.kernel.put("rollouts", self.rollout)

    def _tell(self, status: Object, now: float) -> None:
        """The truth of what this look decided."""
        telling, attempt = self.telling, self.telling.attempt
        causes = {CAUSES.get(p["reason"], "other") for p in status.get("pauseConditions") or ()}
        if self.rollout["spec"].get("paused") and status["phase"] == "Paused":
            causes.add("user")
        telling.paused_by(causes)
        phase = status["phase"]
        conclusive = (
            (phase == "Healthy" and conditions.is_promoted(status))
            or phase == "Degraded"
            or (phase == "Paused" and durations.waits_for_person(self.rollout, status))
        )
        telling.is_in(phase, status.get("message", ""), conclusive=conclusive)
        telling.at_step(status.get("currentStepIndex"))
        if attempt is not None and attempt.creation:
            if conditions.is_true(status, "Healthy"):
                telling.ends("created")
        elif attempt is not None and status.get("abort") and status.get("abortedAt"):
            telling.ends("aborted", self.pauses.abort_cause)

    def _announce(self, before: Object) -> None:
        """The Events of pauses that began or ended."""
        was, now = bool(before.get("pauseConditions")), bool(self.status.get("pauseConditions"))
        if now and not was:
            why = self.status["pauseConditions"][0]["reason"]
            self.telling.event("RolloutPaused", f"Rollout is paused ({why})")
        elif was and not now and not self.status.get("abortedAt"):
            self.telling.event("RolloutResumed", "Rollout is resumed")

    def _wake_for_deadline(self) -> None:
        """Looks again when the progress deadline has passed."""
        status = self.status
        found = conditions.find(status, "Progressing")
        if (
            found is None
            or found["reason"] in ("ProgressDeadlineExceeded", "NewReplicaSetAvailable")
            or status.get("pauseConditions")
            or self.rollout["spec"].get("paused")
            or status.get("abort")
            or spec.is_indefinite(spec.current_step(self.rollout))
        ):
            return
        left = unix(found["lastUpdateTime"]) + spec.progress_deadline(self.rollout)
        self.wake_after(max(left - self.kernel.now, 0.0) + 1.0)


_NEEDED = frozenset({"blueGreen", "canary", "conditions"})


def _compact(status: Object) -> Object:
    """The status as it is written: fields without a value are left out, as Go's omitempty does."""

    def keeps(key: str, value: Any) -> bool:
        if key in _NEEDED:
            return True
        if key == "currentStepIndex":
            return value is not None
        return value not in (None, "", 0, False, [], {})

    found = {key: value for key, value in status.items() if keeps(key, value)}
    for part in ("blueGreen", "canary"):
        values = found.get(part) or {}
        found[part] = {k: v for k, v in values.items() if v not in (None, "", False)}
    return found
