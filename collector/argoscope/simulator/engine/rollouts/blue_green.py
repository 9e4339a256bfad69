"""The blue-green strategy: a full preview, then the active Service is switched to it."""

from argoscope.simulator.engine.kernel import Object, unix
from argoscope.simulator.engine.rollouts import counts, spec
from argoscope.simulator.engine.rollouts.analyses import is_over, phase_of
from argoscope.simulator.engine.rollouts.pauses import pause_condition
from argoscope.simulator.engine.rollouts.reconciliation import Reconciliation
from argoscope.simulator.engine.rollouts.replicas import deadline_of, hash_of

_PRE, _POST = "prePromotionAnalysisRunStatus", "postPromotionAnalysisRunStatus"


class BlueGreen(Reconciliation):
    """One look at a blue-green rollout."""

    @property
    def strategy(self) -> Object:
        return spec.blue_green(self.rollout) or {}

    def reconcile(self) -> None:
        preview = self.strategy.get("previewService")
        if preview:
            self._switch(preview, self.sets.digest)
        if self.has_another_template():
            self._sync(anew=True)
            return
        self.restart_pods()
        self.scale()
        self._pause()
        self._cut_over()
        self._analyse()
        self._sync(anew=False)

    # Services

    def _service(self, name: str) -> Object | None:
        return self.kernel.get("services", self.rollout["metadata"].get("namespace", ""), name)

    def _selected(self, name: str | None) -> str:
        """The hash that a Service selects; empty before the first switch."""
        found = self._service(name) if name else None
        selector = (found["spec"].get("selector") if found else None) or {}
        return str(selector.get(spec.HASH, ""))

    @property
    def active(self) -> str:
        return self._selected(self.strategy.get("activeService"))

    def _switch(self, name: str, digest: str) -> None:
        service, before = self._service(name), self._selected(name)
        if service is None or before == digest:
            return
        service["spec"]["selector"] = {**(service["spec"].get("selector") or {}), spec.HASH: digest}
        self.kernel.put("services", service)
        self.telling.event(
            "SwitchService", f"Switched selector for service '{name}' from '{before}' to '{digest}'"
        )

    # Replicas

    def scale(self) -> None:
        sets, replicas = self.sets, spec.replicas(self.rollout)
        if not self._delays_abort():
            sets.undelay(sets.new)
        if sets.stable is not sets.new:
            sets.undelay(sets.stable)
        active = sets.by_hash(self.active)
        if active is not None:
            sets.scale(active, replicas)
        self._scale_new(replicas)
        self._scale_others()
        self.analyses.drop(sets.trim())

    def _delays_abort(self) -> bool:
        delay, _ = spec.abort_scale_down_delay(self.rollout)
        return self.pauses.aborted and self.sets.stable is not None and delay is not None

    def _is_released(self) -> bool:
        """The new ReplicaSet is the active or the stable one: no preview any more."""
        new = hash_of(self.sets.new)
        return new in (self.active, self.status.get("stableRS", ""))

    def _scale_new(self, replicas: int) -> None:
        new = self.sets.new
        if new is None:
            return
        count = self._preview_count() if self._counts_preview() else replicas
        if self._delays_abort() and not self._is_released():
            deadline = deadline_of(new)
            if deadline is None:
                if counts.available(self.sets.stable) == replicas and counts.wanted(new) > 0:
                    delay, _ = spec.abort_scale_down_delay(self.rollout)
                    self.sets.delay(new, delay or 0.0)
                return
            if deadline > self.kernel.now:
                self.wake_after(deadline - self.kernel.now)
                return
            count = 0
        self.sets.scale(new, count, keep_deadline=self._delays_abort())

    def _preview_count(self) -> int:
        return int(self.strategy["previewReplicaCount"])

    def _counts_preview(self) -> bool:
        """Whether the new ReplicaSet has previewReplicaCount replicas only."""
        checked = (self.status.get("blueGreen") or {}).get("scaleUpPreviewCheckPoint")
        return (
            self.strategy.get("previewReplicaCount") is not None
            and not checked
            and bool(self.active)
            and not self._is_released()
        )

    def _scale_others(self) -> None:
        """Scales down what is no longer used when its delay is over."""
        if pause_condition(self.status, "InconclusiveAnalysisRun"):
            return
        preview = self._selected(self.strategy.get("previewService"))
        limit, delayed = self.strategy.get("scaleDownDelayRevisionLimit"), 0
        for each in self.sets.others:
            if hash_of(each) in (self.active, preview) or counts.wanted(each) == 0:
                continue
            delayed += 1
            if limit is not None and delayed > int(limit):
                self.sets.scale(each, 0)
                continue
            deadline, delay = deadline_of(each), spec.scale_down_delay(self.rollout)
            if deadline is None and delay:
                self.sets.delay(each, delay)
                self.wake_after(delay)
            elif deadline is None or deadline <= self.kernel.now:
                self.sets.scale(each, 0)
            else:
                self.wake_after(deadline - self.kernel.now)

    def _is_ready(self) -> bool:
        """Whether the preview is as large as it is to be before a pause."""
        new = self.sets.new
        if self._counts_preview():
            return counts.wanted(new) == counts.available(new) == self._preview_count()
        return self.sets.is_saturated(new)

    # The cutover

    def _is_fast(self) -> bool:
        """Whether nothing is to be waited for before the cutover."""
        return (
            self.back_in_time
            or bool(self.status.get("promoteFull"))
            or self.active in ("", self.sets.digest)
        )

    def _has_passed_analysis(self) -> bool:
        if not self.strategy.get("prePromotionAnalysis"):
            return True
        return phase_of(self.analyses.known(_PRE)) == "Successful"

    def _pause(self) -> None:
        checked = (self.status.get("blueGreen") or {}).get("scaleUpPreviewCheckPoint")
        halted = self.rollout["spec"].get("paused") or pause_condition(
            self.status, "InconclusiveAnalysisRun"
        )
        if self.status.get("abort") or halted or not self._is_ready():
            return
        if self._is_fast() or checked or not spec.pauses_before_cutover(self.strategy):
            self.pauses.remove("BlueGreenPause")
            return
        if not self._has_passed_analysis():
            return
        found = pause_condition(self.status, "BlueGreenPause")
        if found is None:
            if not self.status.get("controllerPause"):
                self.pauses.add("BlueGreenPause")
        elif self.pauses.cutover_is_free(self.kernel.now):
            self.pauses.remove("BlueGreenPause")
        elif self.strategy.get("autoPromotionSeconds"):
            end = unix(found["startTime"]) + float(self.strategy["autoPromotionSeconds"])
            self.wake_after(max(end - self.kernel.now, 0.0))

    def _cut_over(self) -> None:
        """Switches the active Service when the new ReplicaSet may have the traffic."""
        if self.rollout["spec"].get("paused") or not self.sets.is_saturated(self.sets.new):
            return
        wanted = self.active
        free = self.pauses.cutover_is_free(self.kernel.now) and self._has_passed_analysis()
        if self._is_fast() or free:
            wanted = self.sets.digest
        if self.status.get("abort"):
            wanted = self.status.get("stableRS", "")
        if wanted and wanted != self.active:
            self._switch(self.strategy["activeService"], wanted)

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
            for field in (_PRE, _POST):
                self.analyses.keep(field, self.analyses.known(field))
            self.analyses.name(self.next)
            return
        stable = self.sets.digest == self.status["stableRS"]
        active = (self.status.get("blueGreen") or {}).get("activeSelector", "")
        before = bool(active) and active != self.sets.digest and self._is_ready()
        after = active == self.sets.digest and self.sets.is_saturated(self.sets.new)
        self._run(_PRE, "prePromotionAnalysis", "pre", not stable and before)
        self._run(_POST, "postPromotionAnalysis", "post", not stable and after)
        self.analyses.finish(self.next)

    def _run(self, field: str, option: str, infix: str, wanted: bool) -> None:
        known = self.analyses.known(field)
        if not self.strategy.get(option):
            return
        if not wanted or pause_condition(self.status, "InconclusiveAnalysisRun"):
            self.analyses.keep(field, known)
            if is_over(known) and not pause_condition(self.status, "InconclusiveAnalysisRun"):
                self.analyses.act_on(known)
            return
        self.analyses.act_on(
            self.analyses.ensure(field, self.strategy[option], infix, self.sets.digest)
        )

    # The status

    def _sync(self, *, anew: bool) -> None:
        self.base()
        if anew:
            self.reset()
        elif self.status.get("promoteFull"):
            self.go_on_fully()
        colours = self.next["blueGreen"]
        colours["previewSelector"] = self._selected(self.strategy.get("previewService"))
        colours["activeSelector"] = self.active
        reason = self._promotion()
        if reason:
            self.promote(reason)
        elif self.strategy.get("previewReplicaCount") is not None and not anew:
            known = (self.status.get("blueGreen") or {}).get("scaleUpPreviewCheckPoint")
            free = self._has_passed_analysis() and self.pauses.cutover_is_free(self.kernel.now)
            full = counts.available(self.sets.new) == self._preview_count()
            colours["scaleUpPreviewCheckPoint"] = bool(known) or (free and full)
        self._count_active()
        self.judge()
        self.persist()

    def _count_active(self) -> None:
        """Once there is an active ReplicaSet, what is available is what serves."""
        active = self.sets.by_hash(self.active)
        if active is None:
            return
        found = active.get("status", {})
        self.next["HPAReplicas"] = found.get("replicas", 0)
        self.next["availableReplicas"] = found.get("availableReplicas", 0)
        self.next["readyReplicas"] = found.get("readyReplicas", 0)
        self.next["selector"] = spec.selector_text(self.selector, f"{spec.HASH}={self.active}")

    def _promotion(self) -> str:
        """Why the new revision becomes the stable one now; empty if it does not."""
        if self.sets.stable is None or not self.active:
            return "Initial deploy"
        if self.active != self.sets.digest:
            return ""
        if self.status.get("promoteFull"):
            return "Full promotion requested"
        if self.pauses.aborted:
            return ""
        if self.strategy.get("postPromotionAnalysis"):
            if self.back_in_time:
                name = f"{self.rollout['metadata']['name']}-{self.sets.digest}"
                return f"Rollback to '{name}' within scaleDownDelay"
            promoted = self.sets.digest == self.status.get("stableRS")
            if not promoted and phase_of(self.analyses.current(_POST)) != "Successful":
                return ""
        return "Completed blue-green update"

    def is_available(self) -> bool:
        active = self.sets.by_hash(self.next["blueGreen"].get("activeSelector", ""))
        return self.sets.is_saturated(active)
