"""The truth of one pod, as its kubelet knows it and as it reports it.

Lines about a pod have ``namespace``, ``pod``, ``uid``, and ``workflow`` and ``node`` of Argo's:

- ``pod_waits``: what its main container waits for from now on, in one word, with a ``detail``:
  pulling, initializing, image, config, creating (that it begins with, the scheduler tells, with
  scheduling, gated and unschedulable); empty: for nothing any more.
- ``pod_ended``: its containers are over, and ``why`` it failed.
- ``pod_phase``: its kubelet has reported another phase.
- ``pod_shown``: it is ready, or nothing more will be reported of it: when each of its ``inits`` and
  ``containers`` first started and last ended, as far as that was ever reported, and its ``phase``.
"""

from argoscope.simulator.engine.kernel import Kernel, Object
from argoscope.simulator.engine.pod_status import Facts

Times = list[float | None]
"""When a container first started and when it ended; None: not reported."""


class Telling:
    """Tells what happens to one pod; each thing once."""

    def __init__(self, kernel: Kernel, pod: Object) -> None:
        self._truth = kernel.truth
        meta = pod["metadata"]
        self._who = {
            "namespace": meta.get("namespace", ""),
            "pod": meta["name"],
            "uid": meta["uid"],
            "workflow": (meta.get("labels") or {}).get("workflows.argoproj.io/workflow", ""),
            "node": (meta.get("annotations") or {}).get("workflows.argoproj.io/node-id", ""),
        }
        self._waits = ("creating", "")
        self._phase = "Pending"
        self._inits: dict[str, Times] = {}
        self._containers: dict[str, Times] = {}
        self._ready = self._over = False

    def tell(self, what: str, **fields: object) -> None:
        self._truth.tell(what, **self._who, **fields)

    @property
    def waits_for_image(self) -> bool:
        return self._waits[0] == "image"

    def waits(self, why: str, detail: str = "") -> None:
        if (why, detail) != self._waits:
            self._waits = (why, detail)
            self.tell("pod_waits", why=why, detail=detail)

    def ended(self, why: str, facts: Facts) -> None:
        containers = {c.name: [c.started, c.finished, c.exit_code] for c in facts.containers}
        self.tell("pod_ended", why=why, containers=containers)

    def reported(self, facts: Facts) -> None:
        """The kubelet has written these facts."""
        if facts.phase != self._phase:
            self._phase = facts.phase
            self.tell("pod_phase", phase=facts.phase)
        if not facts.evicted:  # an eviction takes the containers' times away
            for c in facts.containers:
                shown = self._inits if c.init else self._containers
                if c.started is not None or c.name in shown:
                    first = shown.get(c.name, [c.started])[0]
                    shown[c.name] = [first, c.finished if c.started else c.ended_before]
        if facts.ready and not self._ready:
            self._ready = True
            self._show(ready=True)
        if facts.phase in ("Succeeded", "Failed"):
            self._show_end()

    def gone(self) -> None:
        """The pod has been removed, whatever was reported of it."""
        self.waits("")
        self._show_end()

    def _show_end(self) -> None:
        if not self._over:
            self._over = True
            self._show(ready=False)

    def _show(self, *, ready: bool) -> None:
        inits = {name: list(times) for name, times in self._inits.items()}
        containers = {name: list(times) for name, times in self._containers.items()}
        self.tell("pod_shown", ready=ready, phase=self._phase, inits=inits, containers=containers)
