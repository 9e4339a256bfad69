"""Damage in the write-ahead log, which SQLite takes for its end.

After a crash the log holds what was committed last. SQLite reads it up to the first frame whose
checksum is wrong, since a commit that was cut off looks like that: so damage in the middle would
silently take away what was committed after it, and counters would go back. But what was cut off
has no whole commit frame: one beyond the place up to which SQLite has read shows damage.

After a power failure it does not, because a disk may have written later frames and not earlier
ones; there SQLite's way is the right one. Damage of the very last commit frame can't be told from
a commit that was cut off.

Layout of log and index: https://www.sqlite.org/fileformat2.html#walformat and walformat.html
"""

import sys
from pathlib import Path
from struct import unpack
from typing import IO

from argoscope.ledger.errors import LedgerError

_HEADER = 32
_FRAME = 24
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}  # byte order of what checksums are made of
_RECOVERED = slice(16, 20)  # mxFrame in the index, in the machine's byte order
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_Sum = tuple[int, int]


def boot() -> str:
    """Which start of this machine it is; empty where the system does not tell."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def check_log(path: Path) -> None:
    """To be called when SQLite has read the log of that database, and the machine has not been
    started anew since the log was written. Raises LedgerError, OSError."""
    try:
        index = path.with_name(path.name + "-shm").read_bytes()
        recovered = int.from_bytes(index[_RECOVERED], sys.byteorder)
        with path.with_name(path.name + "-wal").open("rb") as log:
            head = log.read(_HEADER)
            if len(head) < _HEADER:
                return
            order = _ORDERS.get(int.from_bytes(head[:4], "big"), "")
            if not order or _sum(order, head[:24], (0, 0)) != unpack(">2I", head[24:]):
                raise LedgerError(path, "corrupt", "the head of its write-ahead log is damaged")
            last = _last_commit(log, head, order, recovered)
    except FileNotFoundError:
        return
    if last > recovered:
        detail = f"its write-ahead log is damaged after frame {recovered} of {last}"
        raise LedgerError(path, "corrupt", detail)


def _last_commit(log: IO[bytes], head: bytes, order: str, recovered: int) -> int:
    """The number of the last whole commit frame beyond those recovered; 0 if there is none."""
    page, salts = int.from_bytes(head[8:12], "big"), head[16:24]
    log.seek((_FRAME + page) * recovered, 1)
    last = 0
    number, before = recovered, b""
    while len(frame := log.read(_FRAME)) == _FRAME:
        number += 1
        body = log.read(page)
        # Frames of an earlier round through the file have other salts.
        if frame[8:16] == salts and any(frame[4:8]) and before and len(body) == page:
            seed = unpack(">2I", before[16:])
            if _sum(order, frame[:8] + body, seed) == unpack(">2I", frame[16:]):
                last = number
        before = frame
    return last


def _sum(order: str, data: bytes, seed: _Sum) -> _Sum:
    first, second = seed
    words = iter(unpack(f"{order}{len(data) // 4}I", data))
    for one, two in zip(words, words, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
