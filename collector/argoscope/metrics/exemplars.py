"""What exemplars lead to: the run that was measured, and its trace where there is one."""

from hashlib import blake2b
from typing import NamedTuple, TypeAlias


class Traced(NamedTuple):
    """A run that is traced."""

    workflow: str
    trace_id: str
    """32 hexadecimal digits."""


Subject: TypeAlias = str | Traced
"""What was measured: the name of the object, and of one that is traced its trace too."""
Exemplar: TypeAlias = tuple[Subject, float, float]
"""What was measured, the measurement, Unix seconds of when."""


def span_id(trace_id: str, key: str = "") -> bytes:
    """8 bytes: of the run itself, or of what ``key`` names in it. Always the same."""
    return blake2b(key.encode(), digest_size=8, key=trace_id.encode()).digest()
