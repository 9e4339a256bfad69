"""Containers of a pod that serves: ready after a while, or crashing again and again."""

from functools import partial
from typing import TYPE_CHECKING

from argoscope.simulator.engine.behaviour import draw
from argoscope.simulator.engine.pod_status import Container

if TYPE_CHECKING:
    from argoscope.simulator.engine.pod_life import PodLife

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 300.0


class Service:
    """What goes on in a pod that is restarted always, once its containers have started."""

    def __init__(self, life: "PodLife") -> None:
        self._life = life

    def begin(self) -> None:
        life, random = self._life, self._life.kernel.random
        if life.behaviour.crashes:
            for container in life.facts.containers:
                if not container.init:
                    ends = draw(random, life.behaviour.seconds or 0.0)
                    life.after(ends, partial(self._crash, container))
        life.facts.ready = False
        life.after(draw(random, life.behaviour.ready), self._become_ready)

    def _become_ready(self) -> None:
        life, facts = self._life, self._life.facts
        running = all(c.running for c in facts.containers if not c.init)
        if running and not facts.ready and not life.deleting:
            facts.ready, facts.changed = True, life.kernel.now
            life.report(life)

    def _crash(self, container: Container) -> None:
        life, facts = self._life, self._life.facts
        life.end(container, life.behaviour.exit)
        container.last, container.ended_before = container.terminated(), container.finished
        was_ready, facts.ready = facts.ready, False
        if was_ready:
            facts.changed = life.kernel.now
        container.started = container.finished = None
        container.waiting = "CrashLoopBackOff"
        pause = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**container.restarts)
        name = f"{container.name} pod={life.pod['metadata']['name']}"
        container.message = f"back-off {pause:.0f}s restarting failed container={name}"
        life.say("BackOff", "Back-off restarting failed container", container, warning=True)
        life.notice()
        life.after(pause, partial(self._again, container))

    def _again(self, container: Container) -> None:
        life = self._life
        container.restarts += 1
        life.start(container)
        life.notice()
        ends = draw(life.kernel.random, life.behaviour.seconds or 0.0)
        life.after(ends, partial(self._crash, container))
