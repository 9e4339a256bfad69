"""Files to watch events: objects, Lists, JSON or YAML of kubectl, JSON lines, recordings."""

import io
import json
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from argoscope.kube.decoding import UNREADABLE

MAX_DOCUMENT = 2**31  # bytes: a List of a whole cluster is large, but not larger

Complain = Callable[[str, str, str], None]
"""(file, kind, reason) of something that can't be read."""


class Item(msgspec.Struct, gc=False):
    """One watch event. ``at`` is the Unix time of a recorded one, 0 where the input has none."""

    type: str
    kind: str
    raw: bytes
    source: str
    at: float = 0.0


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"")


class _Document(msgspec.Struct, gc=False):
    """Anything that a file can hold: an object, a List, a watch event or a recorded event."""

    kind: str = ""
    items: list[msgspec.Raw] | None = None
    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"")
    t: float = 0.0
    event: _Event | None = None


class _Kind(msgspec.Struct, gc=False):
    kind: str = ""


_decode = msgspec.json.Decoder(_Document).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_skim = msgspec.json.Decoder(msgspec.Raw).decode  # checks the syntax and makes nothing


def read(path: str, complain: Complain) -> Iterator[Item]:
    """The events in a file, a folder's ``watch-*.jsonl`` files, a ``.tar.zst`` or ``-`` (stdin).

    What can't be read is told to ``complain`` and left out. Raises OSError for a path that can't
    be opened.
    """
    if path == "-":
        yield from _parse(sys.stdin.buffer.read(), "-", complain)
        return
    file = Path(path)
    if file.is_dir():
        yield from _read_folder(file, complain)
    elif file.name.endswith((".tar.zst", ".tar")):
        yield from _read_archive(file, complain)
    else:
        yield from _parse(file.read_bytes(), path, complain)


def _read_folder(folder: Path, complain: Complain) -> Iterator[Item]:
    streams = sorted(folder.glob("watch-*.jsonl"))
    for file in streams or sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES):
        yield from _parse(file.read_bytes(), str(file), complain)


_SUFFIXES = frozenset({".json", ".jsonl", ".yaml", ".yml"})


def _read_archive(file: Path, complain: Complain) -> Iterator[Item]:
    """Streams of a recording; of an archive without any, all JSON and YAML files."""
    members: list[tuple[str, bytes]] = []
    with file.open("rb") as packed:
        plain: Any = packed
        if file.suffix == ".zst":
            plain = zstandard.ZstdDecompressor().stream_reader(packed)
        try:
            members.extend(_members(plain))
        except (tarfile.TarError, zstandard.ZstdError) as error:
            complain(str(file), "", f"not a whole archive: {error}")
    streams = [m for m in members if Path(m[0]).name.startswith("watch-")]
    for member_name, data in streams or members:
        yield from _parse(data, f"{file.name}:{member_name}", complain)


def _members(plain: Any) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for member in archive:
            if not member.isfile() or Path(member.name).suffix not in _SUFFIXES:
                continue
            content = archive.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def _parse(data: bytes, source: str, complain: Complain) -> Iterator[Item]:
    if not data.strip():
        complain(source, "", "the file is empty")
        return
    start = data.lstrip()[:1]
    if start in (b"{", b"["):
        yield from _parse_json(data, source, complain)
    else:
        yield from _parse_yaml(data, source, complain)


def _parse_json(data: bytes, source: str, complain: Complain) -> Iterator[Item]:
    head, newline, rest = data.partition(b"\n")
    if newline and rest.strip() and _is_json(head):
        for number, line in enumerate(io.BytesIO(data), 1):
            if line.strip():
                yield from _items(line, f"{source}:{number}", complain)
    elif _is_json(data):
        yield from _items(data, source, complain)
    else:
        yield from _documents(data.decode(errors="replace"), source, complain)


def _documents(text: str, source: str, complain: Complain) -> Iterator[Item]:
    """JSON documents one behind the other, as ``kubectl get -w -o json`` prints them; after one
    that is broken the next is looked for at the start of a line."""
    place = 0
    while found := _DOCUMENT.search(text, place):
        line = text.count("\n", 0, found.start(1)) + 1
        try:
            _, place = _json.raw_decode(text, found.start(1))
        except (ValueError, RecursionError) as error:
            complain(f"{source}:{line}", "", f"not JSON: {error}")
            place = found.end()
        else:
            yield from _items(text[found.start(1) : place].encode(), f"{source}:{line}", complain)


_json = json.JSONDecoder()
_DOCUMENT = re.compile(r"(?:\A|^|(?<=[}\]]))\s*([{\[])", re.MULTILINE)


def _is_json(data: bytes) -> bool:
    try:
        _skim(data)
    except UNREADABLE:
        return False
    return True


def _parse_yaml(data: bytes, source: str, complain: Complain) -> Iterator[Item]:
    import yaml  # not for JSON: it takes longer than most files

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for document in yaml.load_all(data, Loader=loader):
            if document is not None:
                yield from _items(msgspec.json.encode(document, enc_hook=str), source, complain)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # Beside its own errors: a date that does not exist, a key that is no text, a loop.
        complain(source, "", f"neither JSON nor YAML: {' '.join(str(error).split())[:200]}")


def _items(data: bytes, source: str, complain: Complain) -> Iterator[Item]:
    try:
        if data.lstrip()[:1] == b"[":
            yield from _each(_decode_list(data), "", source, complain)
            return
        document = _decode(data)
    except UNREADABLE as error:
        yield from _salvage(data, source, complain, error)
        return
    if document.event is not None:
        yield from _event(document.event, source, document.t, complain)
    elif document.type and bytes(document.object):
        event = _Event(type=document.type, object=document.object)
        yield from _event(event, source, 0.0, complain)
    elif document.kind.endswith("List") or (not document.kind and document.items is not None):
        # An empty list of client-go has null for its items.
        kind = document.kind.removesuffix("List")
        yield from _each(document.items or [], kind, source, complain)
    else:
        yield Item("ADDED", document.kind or guess_kind(data), data, source)


def _salvage(data: bytes, source: str, complain: Complain, error: Exception) -> Iterator[Item]:
    """An object of another shape can have a field ``type`` or ``items`` of its own."""
    try:
        kind = _decode_kind(data).kind
    except UNREADABLE:
        complain(source, "", f"not JSON: {error}")
        return
    yield Item("ADDED", kind or guess_kind(data), data, source)


def _event(event: _Event, source: str, at: float, complain: Complain) -> Iterator[Item]:
    raw = bytes(event.object)
    if event.type in ("ADDED", "MODIFIED", "DELETED"):
        kind = _kind_of(raw)
        if kind is None:
            complain(source, "", "a watch event without an object")
        else:
            yield Item(event.type, kind or guess_kind(raw), raw, source, at)


def _each(items: list[msgspec.Raw], kind: str, source: str, complain: Complain) -> Iterator[Item]:
    for index, raw in enumerate(items):
        data, place = bytes(raw), f"{source}[{index}]"
        own = _kind_of(data)
        if own is None:
            complain(place, kind, "not an object")
        elif own.endswith("List") and own != "List":  # a List of Lists, as some tools write
            yield from _items(data, place, complain)
        else:
            yield Item("ADDED", own or kind or guess_kind(data), data, place)


def _kind_of(data: bytes) -> str | None:
    """``kind`` of an object, empty if it says none; None for what is no object."""
    try:
        return _decode_kind(data).kind
    except UNREADABLE:
        return "" if data.lstrip()[:1] == b"{" else None


class _Shape(msgspec.Struct, gc=False, rename="camel"):
    involved_object: dict[str, msgspec.Raw] | None = None
    spec: dict[str, msgspec.Raw] | None = None
    status: dict[str, msgspec.Raw] | None = None


def guess_kind(data: bytes) -> str:
    """The kind of an object that does not say it, as items of an API list don't; or empty."""
    try:
        shape = msgspec.json.decode(data, type=_Shape)
    except UNREADABLE:
        return ""
    spec, status = shape.spec or {}, shape.status or {}
    if shape.involved_object is not None:
        return "Event"
    if "workflowSpec" in spec:
        return "CronWorkflow"
    if "containers" in spec:
        return "Pod"
    if "strategy" in spec and "currentPodHash" in status:
        return "Rollout"
    if "nodes" in status or (("templates" in spec or "workflowTemplateRef" in spec) and status):
        return "Workflow"
    return ""
