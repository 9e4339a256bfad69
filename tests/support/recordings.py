"""Real input that lies beside the project, when it does: ../shared (see CONTRIBUTING.md)."""

import heapq
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

RECORDINGS = ("argo-4.1", "argo-4.1-loaded", "argo-3.6")
ROOT = Path(__file__).resolve().parents[2]


def shared_dir() -> Path:
    return Path(os.environ.get("ARGOSCOPE_SHARED", ROOT.parent / "shared"))


def require_shared(sub: str) -> Path:
    """The path of ``sub`` below the shared folder; skips the test, saying why, if it is absent."""
    path = shared_dir() / sub
    if not path.exists():
        pytest.skip(f"needs the real input in ../shared/{sub}, which is not on this machine")
    return path


def recording(name: str) -> Path:
    """The unpacked folder of a recording: argo-4.1, argo-4.1-loaded, argo-3.6 or pods-kubelet-1.20.

    Unpacked once a machine into the temporary folder; concurrent test workers agree by rename.
    """
    archive = require_shared(f"recordings/{name}.tar.zst")
    stat = archive.stat()
    target = Path(tempfile.gettempdir()) / f"argoscope-rec-{name}-{stat.st_size}-{os.getuid()}"
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(prefix="argoscope-unpack-"))
        with (
            archive.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            tar.extractall(scratch, filter="data")
        try:
            scratch.rename(target)
        except OSError:  # another worker was faster
            if not target.exists():
                raise
    inner = target / name
    return inner if inner.exists() else target


def events(name: str, *kinds: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """(time, watch event) of the streams of ``kinds`` ("workflows", "pods", ...), in time order."""

    def stream(path: Path) -> Iterator[tuple[float, int, dict[str, Any]]]:
        with path.open() as lines:
            for number, line in enumerate(lines):
                record = json.loads(line)
                if record["event"]["type"] != "BOOKMARK":
                    yield record["t"], number, record["event"]

    folder = recording(name)
    paths = [folder / f"watch-{kind}.jsonl" for kind in kinds]
    for t, _, event in heapq.merge(
        *(stream(path) for path in paths if path.exists()), key=lambda r: r[0]
    ):
        yield t, event
