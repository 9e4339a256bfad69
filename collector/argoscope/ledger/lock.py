"""The file beside the ledger: who holds the ledger, and how much it must hold.

SQLite reads a write-ahead log up to the first frame whose checksum is wrong, since that is what a
commit looks like that was cut off. So damage to the log, or its loss, would silently take back what
was committed behind it, and counters would go back. Therefore the number of every commit goes into
the ledger with it, and once it has succeeded, and before anybody is shown what was in it, into this
file: a ledger that ends before that number is damaged.

What a process wrote before it was killed is there; when the machine loses power it may not be, in
this file or in that. So the number holds only under the start of the machine that it was written
under.
"""

import fcntl
import os
import re
from pathlib import Path
from typing import IO, Self
from zlib import crc32

from argoscope.ledger.errors import LedgerError

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CONTENT = re.compile(rb"(?P<holder>process .*)\nboot (?P<boot>[^ \n]*)\n", re.ASCII)
_NUMBER = re.compile(rb"commits (\d{20}) ([0-9a-f]{8})\n", re.ASCII)
_MOST = 1000  # bytes that are read


def boot() -> str:
    """Which start of this machine it is; empty where the system does not tell."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


class Lock:
    """Held for as long as the process lives.

    A file of its own: SQLite's locks are dropped when any descriptor of its file is closed, and
    readers must get in.
    """

    def __init__(self, ledger: Path, file: IO[bytes]) -> None:
        self._ledger = ledger
        self._file = file
        self._head = b""

    @classmethod
    def take(cls, ledger: Path) -> Self:
        """Raises LedgerError if another process has it; OSError."""
        if not ledger.parent.is_dir():
            ledger.parent.mkdir()
        file = os.fdopen(os.open(path_of(ledger), os.O_RDWR | os.O_CREAT, 0o644), "r+b", 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with file:
                holder = file.read(_MOST).partition(b"\n")[0].decode(errors="replace")
            if isinstance(error, BlockingIOError):
                raise LedgerError(ledger, "locked", holder) from error
            raise
        return cls(ledger, file)

    def is_in_place(self) -> bool:
        """Whether the file that is held is still the one that another process would find."""
        try:
            found = path_of(self._ledger).stat()
            return os.path.samestat(os.fstat(self._file.fileno()), found)
        except FileNotFoundError:
            return False

    def told(self) -> int:
        """How many commits the ledger must hold at least, as far as the file can say it.

        Raises LedgerError if it is not what was written; OSError.
        """
        return _told(self._ledger, os.pread(self._file.fileno(), _MOST, 0))

    def sign(self, commits: int) -> None:
        """Say who holds the ledger, and from when on its number of commits holds. OSError."""
        self._head = b"process %d on %s\nboot %s\n" % (
            os.getpid(),
            os.uname().nodename.encode(),
            boot().encode(),
        )
        self._file.truncate(self._write(commits))

    def tell(self, commits: int) -> None:
        """That commit is in the ledger. Without a flush, like the commit itself."""
        try:
            self._write(commits)
        except OSError:
            pass  # it has succeeded nevertheless; with a lower number less damage is found

    def _write(self, commits: int) -> int:
        number = b"%020d" % commits
        line = b"commits %s %08x\n" % (number, crc32(self._head + number))
        return os.pwrite(self._file.fileno(), self._head + line, 0)

    def close(self) -> None:
        self._file.close()


def path_of(ledger: Path) -> Path:
    return ledger.with_name(ledger.name + ".lock")


def told(ledger: Path) -> int:
    """``Lock.told`` for who only reads; 0 without the file."""
    try:
        return _told(ledger, path_of(ledger).read_bytes()[:_MOST])
    except FileNotFoundError:
        return 0


def _told(ledger: Path, content: bytes) -> int:
    if not content:
        return 0
    head = _CONTENT.match(content)
    if head and head.end() == len(content):
        return 0  # of a version that did not count commits
    number = _NUMBER.match(content, head.end()) if head else None
    if not head or not number or crc32(head[0] + number[1]) != int(number[2], 16):
        advice = (
            f"the file beside it is damaged, {path_of(ledger)}: it says how much the ledger must"
            " hold. Delete it if nothing else on this disk is damaged, and start again"
        )
        raise LedgerError(ledger, "corrupt", "", advice)
    return int(number[1]) if boot() and head["boot"].decode() == boot() else 0


def check_complete(ledger: Path, commits: int, least: int) -> None:
    """Raises LedgerError if the ledger holds fewer commits than it must."""
    if commits < least:
        advice = (
            f"it is damaged, or a backup: it ends with commit {commits} of {least}. Move the file"
            " and those beside it of the same name away to begin anew with counters at 0. If it is"
            f" a backup, or what is lost may be lost, delete {path_of(ledger)} and start again"
        )
        raise LedgerError(ledger, "corrupt", "", advice)
