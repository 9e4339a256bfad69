"""What can be wrong with a ledger, and what to do about it."""

import errno
import os
import sqlite3
from pathlib import Path

FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What reading and writing can raise; the last one for the names in a damaged schema."""
_BY_CODE = {
    sqlite3.SQLITE_ERROR: "corrupt",  # our statements are sound: a table or column is missing
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_FORMAT: "corrupt",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_PERM: "denied",
    sqlite3.SQLITE_AUTH: "denied",
    sqlite3.SQLITE_CANTOPEN: "denied",
}
_BY_ERRNO = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "readonly",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EISDIR: "missing",
}
_TEXTS = {
    "full": "the disk is full: make room on it, or give the volume more space",
    "readonly": "it can't be written: the file system or the file is read-only",
    "corrupt": "it is damaged: put a backup in its place, or move the file and those beside it of"
    " the same name away to begin anew with counters at 0",
    "locked": "another process holds it: end that one, or give each daemon a ledger of its own",
    "denied": "it can't be opened: check the owner and the mode of the file and of its folder",
    "missing": "there is no such file or folder: create the folder, or mount the volume",
    "moved": "the file, or the lock beside it, was moved or deleted while it was in use: restart to"
    " open what is there now",
    "io": "reading or writing failed: check the disk",
}
_LITTLE = 64 << 10  # bytes: what SQLite needs beside the file to open it
REASONS = tuple(_TEXTS)
"""What a commit can fail for."""


class LedgerError(Exception):
    """The ledger can't be used: which one, why (``reason`` is one word), and what to do."""

    def __init__(self, path: Path, reason: str, detail: str, advice: str = "") -> None:
        self.reason = reason
        self.path = path
        advice = advice or _TEXTS[reason]
        super().__init__(f"ledger {path}: {advice}" + (f" ({detail})" if detail else ""))


def explained(path: Path, error: sqlite3.Error | OSError | UnicodeDecodeError) -> LedgerError:
    """The LedgerError for what SQLite or the operating system said."""
    if isinstance(error, UnicodeDecodeError):
        return LedgerError(path, "corrupt", str(error))
    if isinstance(error, OSError):
        reason = _BY_ERRNO.get(error.errno or 0, "io")
        return LedgerError(path, reason, error.strerror or str(error))
    # The low byte is the kind of error, the rest says which one of the kind. Without a code it is
    # Python's own: text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    reason = _BY_CODE.get(code, "io")
    if reason == "io" and _is_full(path):
        reason = "full"  # of the files beside the database, SQLite does not say so
    return LedgerError(path, reason, str(error))


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LITTLE
