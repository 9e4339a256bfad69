"""What a reflector hands on, and what it must know of a kind: the seam to the pipeline."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Protocol

import msgspec

Decode = Callable[[bytes | msgspec.Raw], Any]


class Origin(Enum):
    """How an object came to be delivered."""

    FIRST_LIST = "first_list"
    """In the first complete list of this stream: what it shows may have ended long ago."""
    RELIST = "relist"
    """In a later list, in the first one of a kind that was absent before, or in the first one of
    this life of a stream that an earlier life had listed."""
    WATCH = "watch"
    """As an event, in the order in which the API server wrote the changes."""


class Selection(Protocol):
    """A server-side selection; both may be empty."""

    @property
    def label(self) -> str: ...
    @property
    def field(self) -> str: ...


class Watched(Protocol):
    """A kind as the reflector sees it; ``resources._base.Resource`` has this shape.

    Its objects must have ``metadata.uid`` and ``metadata.resource_version``.
    """

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...
    @property
    def optional(self) -> bool: ...
    @property
    def selectors(self) -> Sequence[Selection]: ...
    @property
    def object_type(self) -> type[Any]: ...
    @property
    def decode(self) -> Decode | None: ...


class Handler(Protocol):
    """What takes the deltas; the pipeline is one.

    All methods are called synchronously on the event loop, object by object, so they must be
    quick, and they must not raise: what fails on one object is theirs to count. Every version
    (uid, resourceVersion) comes at most once, and nothing older than what came before. Decoded
    objects may hold ``msgspec.Raw`` parts, which pin the buffer that they came in: nothing of
    that kind may be kept.
    """

    def upsert(self, watched: Watched, obj: Any, size: int, at: float, origin: Origin) -> None:
        """An object that was listed, added or modified. ``size``: bytes of JSON as received;
        ``at``: Unix seconds when it arrived."""

    def delete(self, watched: Watched, uid: str, obj: Any | None, at: float) -> None:
        """An object that is gone: ``obj`` is its last state, or None for a tombstone (it was
        missing in a complete list, so the end of its life was not seen)."""

    def listed(self, watched: Watched, stream: str, origin: Origin, at: float) -> None:
        """A list is complete: all of its objects, and the tombstones, have been delivered.
        ``stream`` tells the streams of one kind apart (namespace and selector)."""

    def problem(self, watched: Watched, reason: str, detail: str) -> None:
        """An object was skipped because it could not be read: ``reason`` is one of a few words
        (malformed, wrong_shape, oversized, failed), ``detail`` names the object and the fault."""


def decoder(watched: Watched) -> Decode:
    """The kind's own decoder, or a strict one of its type."""
    return watched.decode or msgspec.json.Decoder(watched.object_type).decode
