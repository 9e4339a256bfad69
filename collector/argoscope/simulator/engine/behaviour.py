"""What the containers of a simulated pod do: written in an annotation, or read off their shell.

The annotation ``simulator.argoscope.dev/behaviour`` on a pod (from a workflow template's or a
rollout's pod metadata) holds JSON with the fields of ``Behaviour``. Ranges are ``[low, high]`` or
one number, drawn anew for each pod. Without it the command of a container is read: ``sleep 5``,
``exit 3``, ``true``, ``echo x``, ``[ 1 -ge 2 ]``, joined by ``;``, ``&&`` and ``||``.
"""

import re
from random import Random
from typing import Any

import msgspec

ANNOTATION = "simulator.argoscope.dev/behaviour"

Seconds = float | tuple[float, float]


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one pod. Chances are between 0 and 1, drawn once a pod."""

    seconds: Seconds | None = 2.0
    """How long the main container runs by itself; null: until it is told to end."""
    exit: int = 0
    """Its exit code; see ``fails``."""
    fails: float = 1.0
    """The chance that it ends with ``exit``, if that is not 0; otherwise it ends with 0."""
    oom: float = 0.0
    """The chance of being killed for its memory, after ``oom_after`` seconds."""
    oom_after: Seconds = 1.0
    traps: bool = False
    """It ends with 0 on SIGTERM, not with 143."""
    result: str | None = None
    """What it prints: ``outputs.result`` of the node."""
    init: Seconds = (0.3, 0.9)
    """How long init runs: the download of input artifacts."""
    init_exit: int = 0
    init_message: str = ""
    """What init says when it fails: ``artifact f failed to load: ...``."""
    wait: Seconds = (0.2, 0.8)
    """How long wait runs after main: the upload of outputs."""
    wait_exit: int = 0
    """64: an output is missing."""
    wait_message: str = ""
    pull: Seconds | None = None
    """How long pulling an image takes that the node does not have; null: it has it."""
    image_error: str = ""
    """Message of a pull that fails: ErrImagePull and ImagePullBackOff."""
    image_errors: float = 1.0
    """The chance of that, if there is a message."""
    image_recovers: float | None = None
    """Seconds after which a failing pull succeeds; null: never."""
    config_error: str = ""
    """Message of a CreateContainerConfigError, such as ``configmap "nope" not found``."""
    volume: Seconds = 0.0
    """How long mounting volumes takes before anything starts."""
    evicted_after: float | None = None
    evicted: str = "The node was low on resource: ephemeral-storage. "
    """Message of the eviction after ``evicted_after`` seconds of running, if there is one."""
    ready: Seconds = 1.0
    """How long a serving container takes to become ready."""
    crashes: bool = False
    """A serving container ends with ``exit`` after ``seconds`` again and again."""


def draw(random: Random, seconds: Seconds) -> float:
    if isinstance(seconds, tuple):
        return random.uniform(*seconds)
    return float(seconds)


_decode = msgspec.json.Decoder(Behaviour).decode


def behaviour_of(pod: dict[str, Any]) -> Behaviour:
    """The pod's behaviour. Raises msgspec.ValidationError for a bad annotation."""
    annotation = (pod["metadata"].get("annotations") or {}).get(ANNOTATION)
    if annotation is not None:
        return _decode(annotation)
    main = next((c for c in pod["spec"]["containers"] if c["name"] == "main"), None)
    command = [*(main.get("command") or ()), *(main.get("args") or ())] if main else []
    return read(command)


def read(command: list[str]) -> Behaviour:
    """The behaviour of ``sh -c SCRIPT`` or a plain command."""
    if command[:1] == ["sh"] and len(command) >= 2:
        return _script(command[-1])
    return _script(" ".join(command))


def _script(script: str) -> Behaviour:
    seconds, status, printed, traps = 0.0, 0, [], False
    for operator, words in _commands(script):
        if (operator == "&&" and status) or (operator == "||" and not status):
            continue
        status = 0
        match words:
            case ["sleep", time, *_]:
                seconds += _sleep(time)
            case ["exit", *code]:
                status = int(code[0]) if code else status
                break
            case ["false"]:
                status = 1
            case ["trap", *_]:
                traps = True
            case ["while", *_]:
                return Behaviour(seconds=None, traps=traps)
            case ["echo", *rest]:
                printed.append(" ".join(rest).strip("'\""))
            case ["[", left, test, right, "]"]:
                status = 0 if _compare(left, test, right) else 1
            case ["[", "-e", *_]:
                status = 1
            case _:
                pass
    result = "\n".join(printed) if printed else None
    return Behaviour(seconds=seconds, exit=status, traps=traps, result=result)


def _sleep(time: str) -> float:
    """What sleep(1) makes of its argument: ``5``, ``0.5``, ``2m``, ``infinity``."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}.get(time[-1])
    seconds = float(time) if unit is None else float(time[:-1]) * unit
    if not seconds >= 0.0:
        raise ValueError(f"sleep {time}: invalid time interval")
    return seconds


def _commands(script: str) -> list[tuple[str, list[str]]]:
    """(operator before it, words) of each simple command."""
    parts = re.split(r"\s*(;|&&|\|\||(?<!>)&(?!\d)|\n)\s*", script.strip())
    found = [("", parts[0].split())]
    for operator, command in zip(parts[1::2], parts[2::2], strict=True):
        if command:
            found.append((operator, command.split()))
    return found


def _compare(left: str, test: str, right: str) -> bool:
    if test in ("=", "==", "!="):
        return (left == right) is (test != "!=")
    try:
        first, second = float(left), float(right)
    except ValueError:
        return False
    tests = {"-ge": first >= second, "-gt": first > second, "-le": first <= second}
    return {**tests, "-lt": first < second, "-eq": first == second}.get(test, False)
