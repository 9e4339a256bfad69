"""The time of a simulated cluster that runs faster than life, for a daemon that watches it.

Its timestamps run ahead of this machine's clock, so the daemon has to take the same one: from the
variable ``ARGOSCOPE_SIMULATED_CLOCK``, and only where the API server is on this machine.
"""

import re
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from argoscope.kube.errors import ConfigError

VARIABLE = "ARGOSCOPE_SIMULATED_CLOCK"

Clock = Callable[[], float]

_NUMBER = r"\d+(?:\.\d+)?"
_FORM = re.compile(rf"({_NUMBER})@({_NUMBER})x({_NUMBER})")


class ClockError(ConfigError):
    """The variable has no such form, or is not for this cluster."""


def simulated_clock(virtual: float, wall: float, speed: float) -> Clock:
    """Shows Unix time ``virtual`` when it is ``wall``, and goes ``speed`` times as fast."""
    return lambda: virtual + (time.time() - wall) * speed


def variable(virtual: float, wall: float, speed: float) -> str:
    """The variable's value for that clock."""
    return f"{virtual:.3f}@{wall:.3f}x{speed:g}"


def from_environment(environ: Mapping[str, str]) -> Clock | None:
    """The clock that is asked for, if one is. Raises ClockError."""
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        raise ClockError(f"{VARIABLE}={text} is not <virtual epoch>@<wall epoch>x<speed>")
    virtual, wall, speed = map(float, found.groups())
    return simulated_clock(virtual, wall, speed)


def check_server(server: str) -> None:
    """Raises ClockError unless that API server is on this machine: a real cluster has real time."""
    host = urlsplit(server).hostname or ""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ClockError(
            f"{VARIABLE} is for simulated clusters on this machine, and the API server is {server}:"
            " unset it"
        )
