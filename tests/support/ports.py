"""Free ports on 127.0.0.1 for servers that run as processes of their own.

They lie below those that the system gives to clients. Else a client, of whatever process, can be
given the port before its server is there; and who tries to connect to a port where nobody listens
may be given that very port as its own, and then talks to itself.
"""

import random
import socket

_FIRST, _END = 20_000, 32_000
_ATTEMPTS = 1_000
_claims: list[socket.socket] = []
"""Of UDP, for as long as this process lives: tests side by side, whose servers may take seconds to
begin, do not choose the same port."""


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many consecutive ones. Raises RuntimeError if there are none."""
    draw = random.SystemRandom()  # workers of one run must not draw the same, whatever their seed
    for _ in range(_ATTEMPTS):
        first = draw.randrange(_FIRST, _END - count)
        claims = []
        for port in range(first, first + count):
            claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            claims.append(claim)
            if not (_binds(claim, port) and _is_free(port)):
                break
        else:
            _claims.extend(claims)
            return first
        for claim in claims:
            claim.close()
    raise RuntimeError(f"no {count} free ports in a row between {_FIRST} and {_END}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _binds(probe, port)


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
