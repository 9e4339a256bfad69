"""From undecoded objects to deltas: each is decoded once, and passes the store.

Knows nothing of the network, so that recordings take the same way as live streams.
"""

from typing import Any

import msgspec

from argoscope.kube.decoding import UNREADABLE
from argoscope.watch.delta import Handler, Origin, Watched, decoder
from argoscope.watch.roster import Roster
from argoscope.watch.store import Store


class ObjectId(msgspec.Struct, gc=False, rename="camel"):
    """``metadata`` of an object that could not be read as its kind."""

    uid: str = ""
    resource_version: str = ""
    namespace: str = ""
    name: str = ""


class _AnyObject(msgspec.Struct, gc=False):
    metadata: ObjectId


class _Unreadable(msgspec.Struct, gc=False):
    metadata: ObjectId
    reason: str
    detail: str


_identify = msgspec.json.Decoder(_AnyObject).decode


class Intake:
    """Takes one stream's objects in the order of arrival; calls the handler.

    ``roster`` is what an earlier life of the daemon knew of the kind; all its streams share one.
    """

    def __init__(
        self, watched: Watched, handler: Handler, stream: str = "", roster: Roster | None = None
    ) -> None:
        self.store = Store()
        self._roster = roster or Roster()
        self._roster.expect(stream)
        self._watched = watched
        self._handler = handler
        self._stream = stream
        self._decode = decoder(watched)
        self._origin = Origin.WATCH

    def event(self, kind: str, raw: bytes | msgspec.Raw, size: int, at: float) -> str:
        """Takes an ADDED, MODIFIED or DELETED event at Unix time ``at``; ``size`` is in bytes.

        Returns the object's resourceVersion, where the watch stands now; empty if unreadable.
        """
        obj = self._read(raw)
        version: str = obj.metadata.resource_version
        if kind == "DELETED":
            self._delete(obj, at)
        else:
            self._upsert(obj, size, at)
        return version

    def begin_list(self, origin: Origin) -> None:
        """The next objects are a list's, also those that ``event`` takes, until it is complete or
        another one begins: of one that broke off, nothing is known to be gone."""
        self._origin = origin
        self.store.begin_list()

    def item(self, raw: bytes | msgspec.Raw, at: float) -> None:
        """Takes one object of the list that has begun."""
        self._upsert(self._read(raw), len(memoryview(raw)), at)

    def complete_list(self, version: str, at: float) -> None:
        """The list of that resourceVersion is complete: delivers the tombstones."""
        for uid in (*self.store.complete_list(version), *self._roster.complete(self._stream)):
            self._handler.delete(self._watched, uid, None, at)
        origin, self._origin = self._origin, Origin.WATCH
        self._handler.listed(self._watched, self._stream, origin, at)

    def clear(self, at: float) -> None:
        """The kind is gone, and every object of it."""
        for uid in (*self.store.clear(), *self._roster.clear()):
            self._handler.delete(self._watched, uid, None, at)

    def oversized(self, size: int) -> None:
        """An event of that many bytes was skipped unread."""
        detail = f"an event of {size} bytes was skipped: its object's state is not up to date"
        self._handler.problem(self._watched, "oversized", detail)

    def _upsert(self, obj: Any, size: int, at: float) -> None:
        meta = obj.metadata
        self.store.listed(meta.uid)
        self._roster.listed(meta.uid)
        # Without a uid nothing can be told apart: such an object is only ever a problem.
        if meta.uid and not self.store.accept(meta.uid, meta.resource_version):
            return
        if isinstance(obj, _Unreadable):
            self._handler.problem(self._watched, obj.reason, obj.detail)
        elif not meta.uid:
            self._handler.problem(self._watched, "wrong_shape", "an object has no metadata.uid")
        else:
            self._handler.upsert(self._watched, obj, size, at, self._origin)

    def _delete(self, obj: Any, at: float) -> None:
        meta = obj.metadata
        if isinstance(obj, _Unreadable):
            self._handler.problem(self._watched, obj.reason, obj.detail)
            obj = None
        if meta.uid and self.store.remove(meta.uid, meta.resource_version):
            self._handler.delete(self._watched, meta.uid, obj, at)

    def _read(self, raw: bytes | msgspec.Raw) -> Any:
        """The decoded object; one of type _Unreadable if it does not have its kind's shape."""
        try:
            return self._decode(raw)
        except msgspec.ValidationError as error:
            return _unreadable(raw, "wrong_shape", error)
        except UNREADABLE as error:
            return _unreadable(raw, "malformed", error)


def _unreadable(raw: bytes | msgspec.Raw, reason: str, error: Exception) -> _Unreadable:
    try:
        meta = _identify(raw).metadata
    except UNREADABLE:
        meta = ObjectId()
    name = f"{meta.namespace}/{meta.name}".strip("/") or "an object without a name"
    return _Unreadable(meta, reason, f"{name}: {error}")
