"""Pulling an image: the machine has it, gets it after a while, or fails to again and again."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from argoscope.simulator.engine.behaviour import draw
from argoscope.simulator.engine.machines import ARGOEXEC
from argoscope.simulator.engine.pod_status import Container

if TYPE_CHECKING:
    from argoscope.simulator.engine.pod_life import PodLife

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 300.0


class Pull:
    """One container's image, from the first attempt until it is there."""

    def __init__(self, life: "PodLife", container: Container, then: Callable[[], None]) -> None:
        self._life = life
        self._container = container
        self._then = then
        self._began = life.kernel.now
        self._backoff = FIRST_BACKOFF
        self._failed = False

    def begin(self) -> None:
        life, container = self._life, self._container
        behaviour, machine = life.behaviour, life.machine
        image = container.image
        own = container.name not in ("init", "wait", "supervisor") and ARGOEXEC not in image
        random = life.kernel.random
        if own and behaviour.image_error and random.random() < behaviour.image_errors:
            self._fail()
        elif not own or behaviour.pull is None or image in machine.images:
            life.say("Pulled", f'Container image "{image}" already present on machine', container)
            self._then()
        else:
            self._pull(draw(random, behaviour.pull))

    def _pull(self, seconds: float) -> None:
        life, image = self._life, self._container.image
        life.say("Pulling", f'Pulling image "{image}"', self._container)
        if not self._failed:
            life.told.waits("pulling")
        if life.argo:
            life.notice()

        def done() -> None:
            life.machine.images.add(image)
            life.told.tell("image_pulled", image=image, seconds=seconds)
            took = f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.3f}s"
            text = f'Successfully pulled image "{image}" in {took} ({took} including waiting)'
            life.say("Pulled", text, self._container)
            self._container.waiting, self._container.message = "PodInitializing", ""
            begun = any(c.started is not None for c in life.facts.containers if c.init)
            life.told.waits("initializing" if begun else "creating")
            self._then()

        life.after(seconds, done)

    def _fail(self) -> None:
        """ErrImagePull, then ImagePullBackOff until the next attempt; the pause doubles."""
        life, container = self._life, self._container
        recovers = life.behaviour.image_recovers
        if recovers is not None and life.kernel.now - self._began >= recovers:
            self._pull(draw(life.kernel.random, life.behaviour.pull or 1.0))
            return
        if not self._failed:
            life.told.waits("pulling")
        self._failed = True
        message = life.behaviour.image_error
        life.told.waits("image", message)
        container.waiting, container.message = "ErrImagePull", message
        if message.startswith("Failed to apply default image tag"):
            container.waiting = "InvalidImageName"
            life.say("InspectFailed", message, container, warning=True)
        else:
            life.say("Pulling", f'Pulling image "{container.image}"', container)
            life.say(
                "Failed",
                f'Failed to pull image "{container.image}": {message}',
                container,
                warning=True,
            )
            life.say("Failed", "Error: ErrImagePull", container, warning=True)
            life.after(life.kernel.between(0.9, 2.0), self._back_off)
        life.notice()
        life.after(self._backoff, self._fail)
        self._backoff = min(LONGEST_BACKOFF, self._backoff * 2.0)

    def _back_off(self) -> None:
        container = self._container
        if container.started is None and container.waiting == "ErrImagePull":
            container.waiting = "ImagePullBackOff"
            container.message = f'Back-off pulling image "{container.image}"'
            self._life.say("BackOff", container.message, container)
            self._life.notice()
