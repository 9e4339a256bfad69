"""structlog without rich.

Where rich is installed structlog imports it, and with it a highlighter of source code: 4 MiB in
every daemon, for tracebacks that it does not print (``logs``). The commands that draw tables import
it themselves.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """To import the package fails meanwhile, unless that has been done already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = cast("ModuleType", None)
    try:
        yield
    finally:
        del sys.modules[name]


with _absent("rich"):
    import structlog

__all__ = ["structlog"]
