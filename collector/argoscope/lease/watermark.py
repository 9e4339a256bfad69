"""The watermark in a Lease's annotations.

``argoscope.dev/marks`` has the mark of each kind, ``argoscope.dev/watermark`` the earliest of them
for people to read, ``argoscope.dev/instance`` tells processes of one name apart.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import structlog

from argoscope.watch.mark import SKEW, Mark

MARKS = "argoscope.dev/marks"
WATERMARK = "argoscope.dev/watermark"
INSTANCE = "argoscope.dev/instance"

log = structlog.get_logger()

_decode = msgspec.json.Decoder(dict[str, Mark]).decode


def earliest(marks: Mapping[str, Mark]) -> float:
    """Unix time up to which all kinds were followed; 0 when there are none."""
    return min((mark.until - SKEW for mark in marks.values()), default=0.0)


def read(annotations: Mapping[str, str]) -> dict[str, Mark]:
    """The marks of a lease; none when there are none, or none that can be read: then everything
    is history, and nothing is counted twice."""
    text = annotations.get(MARKS, "")
    if not text:
        return {}
    try:
        return _decode(text)
    except msgspec.MsgspecError as error:
        log.warning("the lease's watermark can't be read: beginning anew", problem=str(error))
        return {}


def write(marks: Mapping[str, Mark]) -> dict[str, str]:
    """The annotations for some marks."""
    if not marks:
        return {}
    at = datetime.fromtimestamp(earliest(marks), UTC).isoformat(timespec="milliseconds")
    return {
        MARKS: msgspec.json.encode(marks, order="sorted").decode(),
        WATERMARK: at.replace("+00:00", "Z"),
    }
