"""The canary strategy: step by step from the stable to the new revision."""

from argoscope.simulator.engine.kernel import Object, unix
from argoscope.simulator.engine.rollouts import conditions, counts, spec
from argoscope.simulator.engine.rollouts.analyses import phase_of
from argoscope.simulator.engine.rollouts.pauses import pause_condition
from argoscope.simulator.engine.rollouts.reconciliation import Reconciliation
from argoscope.simulator.engine.rollouts.replicas import deadline_of, hash_of

_STEP, _BACKGROUND = "currentStepAnalysisRunStatus", "currentBackgroundAnalysisRunStatus"


class Canary(Reconciliation):
    """One look at a canary rollout."""

    @property
    def strategy(self) -> Object:
        return spec.canary(self.rollout) or {}

    def reconcile(self) -> None:
        if self._is_another():
            self._start_anew()
            return
        self.restart_pods()
        self.analyses.drop(self.sets.trim())
        if spec.routes_traffic(self.rollout):
            self._route()
        self._analyse()
        halted = self.rollout["spec"].get("paused") or pause_condition(
            self.status, "InconclusiveAnalysisRun"
        )
        if not (self.pauses.adds or halted) and not self._scale():
            self._pause()
        self._sync()

    def _is_another(self) -> bool:
        """Whether the template or the steps differ from those the status is about."""
        known = self.status.get("currentStepHash", "")
        return self.has_another_template() or known != spec.step_hash(self.rollout)

    def _start_anew(self) -> None:
        self._base()
        self.reset()
        steps = len(spec.steps(self.rollout))
        self.next["currentStepIndex"] = 0 if steps else None
        if steps and self.sets.digest == self.status.get("stableRS", ""):
            self.telling.event("SkipSteps", "Rollback to stable ReplicaSets")
            self.next["currentStepIndex"] = steps
        if spec.routes_traffic(self.rollout):
            self._keep_weights()
        self.judge()
        self.persist()

    def _base(self) -> None:
        self.base()
        self.next["currentStepHash"] = spec.step_hash(self.rollout)

    # Replicas

    def scale(self) -> None:
        self._scale()

    def _scale(self) -> bool:
        """Scales one ReplicaSet, stable first; True if it did, and the rest waits."""
        sets = self.sets
        self._undelay()
        new, stable = self._counts()
        old = sets.stable if sets.stable is not sets.new else None
        return (
            (old is not None and sets.scale(old, stable))
            or self._scale_new(new)
            or self._scale_others()
        )

    def _counts(self) -> tuple[int, int]:
        sets = self.sets
        if spec.routes_traffic(self.rollout):
            if sets.stable is None:
                return spec.replicas(self.rollout), 0
            return counts.routed(self.rollout, (self.status.get("canary") or {}).get("weights"))
        return counts.basic(self.rollout, sets.new, sets.stable, sets.others)

    def _undelay(self) -> None:
        if not self._delays_abort():
            self.sets.undelay(self.sets.new)
        if self.sets.stable is not self.sets.new:
            self.sets.undelay(self.sets.stable)

    def _delays_abort(self) -> bool:
        """Whether the canary stays for a while after an abort: only where traffic is routed."""
        delay, given = spec.abort_scale_down_delay(self.rollout)
        if not (self.pauses.aborted and spec.routes_traffic(self.rollout) and delay):
            return False
        return self.sets.stable not in (None, self.sets.new) and (
            given or not self.strategy.get("dynamicStableScale")
        )

    def _scale_new(self, count: int) -> bool:
        new = self.sets.new
        if new is None:
            return False
        if self._delays_abort():
            deadline = deadline_of(new)
            if deadline is None:
                if counts.available(self.sets.stable) == spec.replicas(self.rollout):
                    delay, _ = spec.abort_scale_down_delay(self.rollout)
                    self.sets.delay(new, delay or 0.0)
                return False
            if deadline > self.kernel.now:
                self.wake_after(deadline - self.kernel.now)
                return False
            count = 0
        return self.sets.scale(new, count, keep_deadline=self._delays_abort())

    def _scale_others(self) -> bool:
        """Scales down what is neither stable nor new, unhealthy pods first."""
        scaled = False
        others = [each for each in self.sets.others if counts.wanted(each) > 0]
        for each in reversed(others):
            if counts.available(each) < counts.wanted(each):
                scaled = self.sets.scale(each, counts.available(each)) or scaled
        least = spec.replicas(self.rollout) - spec.max_unavailable(self.rollout)
        spare = self.sets.total("availableReplicas") - least
        for each in others:
            have = counts.wanted(each)
            if spare <= 0 or have == 0:
                continue
            keep = self._kept(each) if spec.routes_traffic(self.rollout) else max(0, have - spare)
            if self.sets.scale(each, keep):
                spare, scaled = spare - (have - keep), True
        return scaled

    def _kept(self, replica_set: Object) -> int:
        """Replicas of an older ReplicaSet where traffic is routed: all until its delay is over."""
        delayed = deadline_of(replica_set)
        if not conditions.is_promoted(self.status) and delayed is None:
            return 0
        if self.strategy.get("dynamicStableScale"):
            return 0
        if delayed is None:
            delay = spec.scale_down_delay(self.rollout)
            self.sets.delay(replica_set, delay)
            self.wake_after(delay)
            return counts.wanted(replica_set) if delay else 0
        if delayed > self.kernel.now:
            self.wake_after(delayed - self.kernel.now)
            return counts.wanted(replica_set)
        return 0

    # Traffic

    def _keep_weights(self) -> None:
        known = (self.status.get("canary") or {}).get("weights")
        if known:
            self.next["canary"]["weights"] = known

    def _route(self) -> None:
        """Gives the router its weights; it takes them at once."""
        weight, sets = self._weight(), self.sets
        if not self._has_route():
            return
        both = hash_of(sets.new), self.status["stableRS"]
        names = self.strategy.get("canaryService"), self.strategy.get("stableService")
        made = [
            {"podTemplateHash": digest, **({"serviceName": name} if name else {}), "weight": share}
            for digest, name, share in zip(both, names, (weight, 100 - weight), strict=True)
        ]
        self.next["canary"]["weights"] = {"canary": made[0], "stable": made[1]}
        self.telling.weighs(weight)

    def _has_route(self) -> bool:
        """Whether there are weights, or pods of a first revision to give some to."""
        if (self.status.get("canary") or {}).get("weights"):
            return True
        ready = counts.available(self.sets.stable)
        return self.sets.stable is not None and ready >= spec.replicas(self.rollout)

    def _weight(self) -> int:
        """The canary's share that the router gets now."""
        sets, steps = self.sets, spec.steps(self.rollout)
        index = self.status.get("currentStepIndex") or 0
        if conditions.is_promoted(self.status):
            return 0
        if self.pauses.aborted:
            if not self.strategy.get("dynamicStableScale"):
                return 0
            replicas = spec.replicas(self.rollout) or 1
            return max(0, 100 - 100 * counts.available(sets.stable) // replicas)
        if sets.new is None or counts.available(sets.new) == 0:
            return 0
        weights = (self.status.get("canary") or {}).get("weights")
        if not counts.at_goal(self.rollout, sets.new, sets.stable, sets.others, weights):
            before = reversed(steps[:index])
            return next((int(step["setWeight"]) for step in before if "setWeight" in step), 0)
        return counts.set_weight(self.rollout)

    # Analysis

    def _analyse(self) -> None:
        skipped = (
            self.pauses.aborted
            or self.status.get("promoteFull")
            or self.back_in_time
            or not self.status.get("stableRS")
        )
        if skipped:
            self.analyses.cancel_all()
            return
        self._analyse_step()
        self._analyse_in_background()
        self.analyses.finish(self.next)

    def _analyse_step(self) -> None:
        step, known = spec.current_step(self.rollout), self.analyses.known(_STEP)
        index = str(self.status.get("currentStepIndex") or 0)
        if self.status.get("pauseConditions"):
            self.analyses.keep(_STEP, known)
            return
        if step is None or not step.get("analysis"):
            return
        run = self.analyses.ensure(_STEP, step["analysis"], index, self.sets.digest)
        self.analyses.act_on(run, "Step-based analysis phase error/failed: ")

    def _analyse_in_background(self) -> None:
        analysis = self.strategy.get("analysis")
        index = self.status.get("currentStepIndex") or 0
        promoted = conditions.is_promoted(self.status)
        if not analysis or promoted or index < int(analysis.get("startingStep") or 0):
            return
        if pause_condition(self.status, "InconclusiveAnalysisRun"):
            self.analyses.keep(_BACKGROUND, self.analyses.known(_BACKGROUND))
            return
        run = self.analyses.ensure(_BACKGROUND, analysis, "", self.sets.digest)
        self.analyses.act_on(run, "Background analysis phase error/failed: ")

    # Steps

    def _pause(self) -> None:
        """Begins a pause step, or sees to it that its end is noticed."""
        step = spec.current_step(self.rollout)
        if self.status.get("promoteFull") or step is None or "pause" not in step:
            return
        found = pause_condition(self.status, "CanaryPauseStep")
        duration = (step["pause"] or {}).get("duration")
        if found is None:
            if not self.status.get("controllerPause") and not self.pauses.aborted:
                self.pauses.add("CanaryPauseStep")
        elif duration is not None:
            end = unix(found["startTime"]) + spec.seconds(duration)
            self.wake_after(max(end - self.kernel.now, 0.0))

    def _is_step_over(self, step: Object) -> bool:
        if self.rollout["spec"].get("paused"):
            return False
        kind = spec.kind_of(step)
        if kind == "pause":
            return self.pauses.step_is_over(step["pause"], self.kernel.now)
        if kind == "analysis":
            return phase_of(self.analyses.current(_STEP)) == "Successful"
        sets = self.sets
        weights = self.next["canary"].get("weights")
        return counts.at_goal(self.rollout, sets.new, sets.stable, sets.others, weights)

    def _sync(self) -> None:
        """Writes how far it has come."""
        self._base()
        step, steps = spec.current_step(self.rollout), spec.steps(self.rollout)
        index = (self.status.get("currentStepIndex") or 0) if steps else None
        promoted = conditions.is_promoted(self.status)
        if self.status.get("promoteFull"):
            self.go_on_fully()
            self._skip(index, len(steps))
            index = len(steps) or None
        reason = self._promotion(index, len(steps))
        if reason:
            self.promote(reason)
        elif self.pauses.aborted:
            self.next["currentStepIndex"] = (len(steps) if promoted else 0) if steps else None
        else:
            if step is not None and index is not None and self._is_step_over(step):
                index = self._complete(step, index, len(steps))
            self.next["currentStepIndex"] = index
        self.judge()
        self.persist()

    def _complete(self, step: Object, index: int, total: int) -> int:
        self.next["canary"].pop(_STEP, None)
        text = spec.step_text(step)
        message = f"Rollout step {index + 1}/{total} completed ({text})"
        self.telling.event("RolloutStepCompleted", message)
        self.telling.step_completed(index, spec.kind_of(step))
        self.pauses.remove("CanaryPauseStep")
        return index + 1

    def _skip(self, index: int | None, total: int) -> None:
        if index is not None:
            for skipped in range(index, total):
                kind = spec.kind_of(spec.steps(self.rollout)[skipped])
                self.telling.step_skipped(skipped, kind)

    def _promotion(self, index: int | None, total: int) -> str:
        """Why the new revision becomes the stable one now; empty if it does not."""
        if self.sets.stable is None:
            return "Initial deploy"
        available = counts.available(self.sets.new)
        if self.pauses.aborted or available != spec.replicas(self.rollout):
            return ""
        if self.status.get("promoteFull"):
            return "Full promotion requested"
        done = total == 0 or index == total
        return f"Completed all {total} canary steps" if done else ""

    def is_available(self) -> bool:
        return self.sets.total("availableReplicas") >= spec.replicas(self.rollout)
