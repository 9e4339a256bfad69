"""Run records as rows, a million of which are read at every start.

So a row is two columns of bytes and is checked without an object for anything in it. The key is
the end, such that keys sort as ends do, and the uid. The body is whether the run was counted,
``_Body`` as msgpack, and the CRC-32 of key and body up to there.
"""

from collections.abc import Sequence
from struct import pack, unpack
from zlib import crc32

import msgspec

from argoscope.ledger.rows import Row, packed
from argoscope.resources._base import PastRun, RunRecord

COUNTED, HISTORY = b"\1", b"\0"
"""First byte of a body."""
_INTACT = 0x2144DF1C  # CRC-32 of anything that is followed by its own, little-endian
_SIGN, _ALL = 1 << 63, (1 << 64) - 1


class _Body(msgspec.Struct, gc=False, array_like=True):
    """A run record but for its key, by position: new fields go to the end, with a default.

    What a start needs comes first, so that the rest is skipped.
    """

    namespace: str
    pipeline: str
    cron: str
    phase: str
    cause: str
    name: str
    created: float
    started: float
    retries: int
    resources: dict[str, float]
    actor: str
    action: str


class _Head(msgspec.Struct, gc=False, array_like=True):
    """The first fields of ``_Body``."""

    namespace: str
    pipeline: str
    cron: str
    phase: str
    cause: str


_body = msgspec.msgpack.Decoder(_Body).decode
_head = msgspec.msgpack.Decoder(_Head).decode


def moment(at: float) -> bytes:
    """The beginning of all keys of runs that ended then (Unix seconds)."""
    (bits,) = unpack(">Q", pack(">d", at + 0.0))
    return pack(">Q", bits ^ (_ALL if bits & _SIGN else _SIGN))


def ended(key: bytes) -> float:
    """Unix seconds of a key."""
    (bits,) = unpack(">Q", key[:8])
    (at,) = unpack(">d", pack(">Q", bits ^ (_SIGN if bits & _SIGN else _ALL)))
    return float(at)


def run_key(finished: float, uid: str) -> bytes:
    return moment(finished) + uid.encode()


def run_row(run: RunRecord) -> Row:
    body = _Body(
        namespace=run.namespace,
        pipeline=run.pipeline,
        cron=run.cron,
        phase=run.phase,
        cause=run.cause,
        name=run.name,
        created=float(run.created),
        started=float(run.started),
        retries=run.retries,
        resources=run.resources,
        actor=run.actor,
        action=run.action,
    )
    key = run_key(run.finished, run.uid)
    raw = (COUNTED if run.counted else HISTORY) + packed(body)
    return key, raw + pack("<I", crc32(raw, crc32(key)))


def are_intact(rows: Sequence[Row]) -> bool:
    """Whether all of these, at least one, are what was written."""
    keys, bodies = zip(*rows, strict=True)
    try:
        return set(map(crc32, bodies, map(crc32, keys))) == {_INTACT}
    except TypeError:  # text or a number where bytes were
        return False


def is_counted(row: Row) -> bool:
    return bool(row[1][:1] == COUNTED)


def cron_of(row: Row) -> tuple[str, str]:
    """Namespace and cron of a run; the latter is empty for none."""
    head = _head(row[1][1:-4])
    return head.namespace, head.cron


def past_of(row: Row) -> PastRun:
    key, raw = row
    head = _head(raw[1:-4])
    uid = key[8:].decode()
    return PastRun(
        head.namespace, head.pipeline, head.cron, head.phase, head.cause, ended(key), uid
    )


def run_of(row: Row) -> RunRecord:
    key, raw = row
    fields = msgspec.structs.asdict(_body(raw[1:-4]))
    return RunRecord(uid=key[8:].decode(), finished=ended(key), counted=is_counted(row), **fields)
