"""The reflector: one kind, namespace and selector, listed and watched for as long as we run.

Three stages, from the outside in. ``run`` never ends: it decides after every failure what to say
and how long to wait. ``_follow`` is one go: a list if there is nothing to resume from, then a
watch. ``_consume`` is a single stream of events.

A position (resourceVersion) is kept from the list, and from every event and bookmark after it, so
that a cut costs a reconnect and not a list. Only when the API server has forgotten the position
(410 Gone, as a status or as an ERROR event) is everything listed again.
"""

import asyncio
import random as random_
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from argoscope.kube.client import Client
from argoscope.kube.errors import (
    NETWORK_ERRORS,
    ApiError,
    BadAnswerError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    TooManyRequestsError,
    api_error,
)
from argoscope.kube.stream import OVERSIZED, WatchEvent, WatchStream
from argoscope.watch.backoff import Backoff
from argoscope.watch.delta import Handler, Origin, Selection, Watched
from argoscope.watch.diagnosis import explain, kind_of
from argoscope.watch.intake import Intake
from argoscope.watch.roster import Roster
from argoscope.watch.selection import (
    LabelAndField,
    collection_path,
    selection_params,
    stream_name,
)
from argoscope.watch.status import ReflectorStatus, State


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """Paces of watching; all times in seconds."""

    watch_seconds: float = 300.0
    """The server is asked to end a watch after this to twice this time, so that connections
    spread over API servers again after one was restarted."""
    idle_seconds: float = 120.0
    """Silence after which a watch is taken for dead. Bookmarks come about once a minute."""
    absent_seconds: float = 60.0
    """Pause between looks for a kind that is not installed."""
    forbidden_seconds: float = 60.0
    """Pause between attempts that RBAC refuses."""
    backoff_min: float = 0.5
    backoff_max: float = 30.0
    streaming_lists: bool = True
    """Ask for the first list as a stream (Kubernetes 1.32 and later), else by pages."""


class _Position(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Bookmark(msgspec.Struct, gc=False):
    metadata: _Position


_decode_bookmark = msgspec.json.Decoder(_Bookmark).decode

_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_STREAMING_ATTEMPTS = 2
"""Streaming lists that may break off before pages are used instead."""
_ABSENT_AFTER = 2
"""A starting API server can say 404 before it has loaded its CRDs: objects that were known are
given up only when it says so again."""
_TOO_LARGE = "ResourceVersionTooLarge"
"""Cause of a 504: the position is ahead of the server, as after a restore of etcd."""
_PATIENCE = 2
"""Failures in a row that a synced stream may have before it is called failing."""
_HOPELESS_AFTER = 5
"""Refusals in a row after which the position is given up."""
_TURN = 64
"""Listed objects after which others on the event loop have their turn."""
_SETTLED = 10.0
"""Seconds after which a watch counts as a success even if nothing came."""


class RestoredError(KubeError):
    """The cluster's data is older than what was seen of it before."""


class Reflector:
    """Keeps a handler up to date with one stream. ``run`` it as a task; cancel it to stop."""

    def __init__(
        self,
        watched: Watched,
        client: Client,
        handler: Handler,
        selection: Selection,
        *,
        namespace: str = "",
        roster: Roster | None = None,
        settings: WatchSettings | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: random_.Random | None = None,
    ) -> None:
        stream = stream_name(namespace, selection)
        self.status = ReflectorStatus(watched.name, stream, watched.optional)
        self.watched = watched
        self._client = client
        self._listed_before = roster is not None and roster.listed_before(stream)
        self._intake = Intake(watched, handler, stream, roster)
        self._path = collection_path(watched, namespace)
        self._params = selection_params(selection)
        self._settings = settings or WatchSettings()
        self._clock = clock
        self._sleep = sleep
        self._random = random or random_.Random()  # noqa: S311  # jitter, not a secret
        self._backoff = Backoff(
            self._settings.backoff_min, self._settings.backoff_max, self._random
        )
        self._position = ""
        self._listing = False
        self._relist_reason = ""
        self._started = 0.0
        self._absences = 0
        self._streaming_left = _STREAMING_ATTEMPTS if self._settings.streaming_lists else 0

    async def run(self) -> None:
        """Lists and watches for ever; a fault is only ever a pause."""
        self._started = self._clock()
        while True:
            pause = await self._attempt()
            self.status.up = False
            if pause > 0:
                await self._sleep(pause)

    async def _attempt(self) -> float:
        """One go; returns the seconds to wait before the next."""
        try:
            return await self._follow()
        except GoneError:
            return self._expired()
        except RestoredError as error:
            return self._restored(error)
        except NotFoundError as error:
            return self._not_found(error)
        except ForbiddenError as error:
            _add(self.status.failures, kind_of(error))
            self._say(State.FORBIDDEN, error)
            return self._backoff.spread(self._settings.forbidden_seconds)
        except (KubeError, *NETWORK_ERRORS) as error:
            return self._failed(error)

    async def _follow(self) -> float:
        if self._position:
            return await self._watch(again=True)
        self._begin_list()
        if self._streaming_left > 0:
            try:
                return await self._streaming_list()
            except InvalidError:
                # Older servers refuse the parameters, or the feature is switched off.
                self._streaming_left = 0
        await self._paged_list()
        return await self._watch(again=False)

    def _begin_list(self) -> None:
        # What a kind holds that was not installed before came to be while we looked.
        known = self._listed_before or self._absences >= _ABSENT_AFTER
        first = not (known or self.status.has_synced)
        self._intake.begin_list(Origin.FIRST_LIST if first else Origin.RELIST)
        self._listing = True

    async def _paged_list(self) -> None:
        version = ""
        async for page in self._client.pages(self._path, self._params):
            if not version and self._intake.store.went_back(page.metadata.resource_version):
                self._intake.store.forget_versions()
                self.status.position = ""
                self._relist_reason = "restored"
            version = page.metadata.resource_version
            at = self.status.heard = self._clock()
            for number, item in enumerate(page.items):
                self._intake.item(item, at)
                if number % _TURN == 0:
                    await asyncio.sleep(0)
            page.items.clear()  # they pin the page's bytes while the next one is fetched
        if not version:
            raise BadAnswerError(f"the list of {self.watched.plural} has no resourceVersion")
        self._complete_list(version, self._clock())

    async def _streaming_list(self) -> float:
        """A watch that begins with all objects and goes on as a watch (``sendInitialEvents``)."""
        initial = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        async with await self._open(initial) as stream:
            try:
                return await self._consume(stream)
            except (BadAnswerError, *NETWORK_ERRORS):
                if self._listing:
                    self._streaming_left -= 1
                raise

    async def _watch(self, *, again: bool) -> float:
        async with await self._open({"resourceVersion": self._position}) as stream:
            self.status.reconnects += again
            if self.status.state is not State.SYNCED:
                self._say(State.SYNCED)
            return await self._consume(stream)

    async def _open(self, params: dict[str, str]) -> WatchStream:
        seconds = self._settings.watch_seconds * (1 + self._random.random())
        common = {"allowWatchBookmarks": "true", "timeoutSeconds": str(int(seconds))}
        stream = await self._client.watch(self._path, {**self._params, **common, **params})
        self.status.up = True
        return stream

    async def _consume(self, stream: WatchStream) -> float:
        """One stream of events to its end; returns the seconds to wait before the next."""
        loop = asyncio.get_running_loop()
        opened, received = loop.time(), False
        try:
            while (events := await stream.read(self._settings.idle_seconds)) is not None:
                self._take_all(events)
                # What is in the buffer comes without waiting: scrapes must not starve meanwhile.
                await asyncio.sleep(0)
                if not self._listing:
                    received = True
                    self._backoff.reset()
        except TimeoutError:
            if self._listing:
                raise
            _add(self.status.failures, "idle")
        if self._listing:
            raise BadAnswerError(f"the streaming list of {self.watched.plural} broke off")
        if received or loop.time() - opened >= _SETTLED:
            self._backoff.reset()
            return 0.0
        return self._backoff.next()

    def _take_all(self, events: list[WatchEvent]) -> None:
        at = self._clock()
        status, intake = self.status, self._intake
        status.heard = at
        for event in events:
            kind = event.type
            if kind in _CHANGES:
                version = intake.event(kind, event.object, event.size, at)
                status.last_event = at
                # A streaming list is not in order: its position comes with its last bookmark.
                if version and not self._listing:
                    self._position = status.position = version
            elif kind == "BOOKMARK":
                self._bookmark(event, at)
            elif kind == "ERROR":
                raise api_error(0, event.object)
            elif kind == OVERSIZED:
                intake.oversized(event.size)
        status.objects = len(intake.store)

    def _bookmark(self, event: WatchEvent, at: float) -> None:
        try:
            meta = _decode_bookmark(event.object).metadata
        except msgspec.MsgspecError as error:
            raise BadAnswerError(f"a bookmark that can't be read: {error}") from error
        self.status.last_bookmark = at
        if self._intake.store.went_back(meta.resource_version):
            raise RestoredError(f"a bookmark at {meta.resource_version}, before what was seen")
        if self._listing:
            if (meta.annotations or {}).get(_INITIAL_EVENTS_END) == "true":
                self._complete_list(meta.resource_version, at)
        else:
            self._intake.store.note(meta.resource_version)
            self._position = self.status.position = meta.resource_version

    def _complete_list(self, version: str, at: float) -> None:
        self._intake.complete_list(version, at)
        self._position = self.status.position = version
        self.status.heard = at
        self._listing = False
        self._absences = 0
        self._streaming_left = min(self._streaming_left, 1) * _STREAMING_ATTEMPTS
        if not self.status.has_synced:
            self.status.initial_list_seconds = at - self._started
            self.status.has_synced = True
        elif self._relist_reason:
            _add(self.status.relists, self._relist_reason)
        self._relist_reason = ""
        self.status.objects = len(self._intake.store)
        self._say(State.SYNCED)

    def _expired(self) -> float:
        """The position, or in the middle of a list its continue token, is too old.

        The fresh token that such an answer may carry is not used: it continues at another moment,
        and what changed in between on the pages already read would never be seen.
        """
        if self._listing:
            _add(self.status.failures, "list_expired")
        self._relist("expired")
        # At once, but not in a circle.
        first = self._backoff.failures == 0
        pause = self._backoff.next()
        return 0.0 if first else pause

    def _restored(self, error: RestoredError) -> float:
        self._relist("restored")
        self.status.position = ""
        self._intake.store.forget_versions()
        return self._failed(error)

    def _not_found(self, error: NotFoundError) -> float:
        self._absences += 1
        self._relist("reappeared")
        known = len(self._intake.store) > 0
        if known and self._absences < _ABSENT_AFTER:
            return self._failed(error)
        self._intake.clear(self._clock())
        self.status.objects = 0
        self._say(State.ABSENT, error)
        if self._absences < _ABSENT_AFTER:
            return self._backoff.next()
        return self._backoff.spread(self._settings.absent_seconds)

    def _failed(self, error: Exception) -> float:
        _add(self.status.failures, kind_of(error))
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        pause = self._backoff.next(retry_after)
        if self._position and self._hopeless(error):
            self._relist("error")
        if not self.status.has_synced or self._backoff.failures >= _PATIENCE:
            self._say(State.FAILING, error)
        return pause

    def _hopeless(self, error: Exception) -> bool:
        """Whether to go on from the position can't work, or did not work several times."""
        if isinstance(error, InvalidError):
            return True
        if not isinstance(error, ApiError) or isinstance(error, TooManyRequestsError):
            return False
        return _TOO_LARGE in error.causes or self._backoff.failures >= _HOPELESS_AFTER

    def _relist(self, reason: str) -> None:
        self._position = ""
        self._relist_reason = reason

    def _say(self, state: State, error: Exception | None = None) -> None:
        self.status.state = state
        self.status.reason = explain(error, self.watched) if error else ""


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def reflectors(
    watched: Watched,
    client: Client,
    handler: Handler,
    *,
    namespaces: Sequence[str] = (),
    label: str = "",
    roster: Roster | None = None,
    settings: WatchSettings | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Reflector]:
    """The streams of a kind: one for each of its selections in each namespace.

    No namespaces means all of them. ``label`` is a label selector in addition to the kind's own;
    ``roster``: what an earlier life of the daemon knew of the kind.
    """
    return [
        Reflector(
            watched,
            client,
            handler,
            LabelAndField(",".join(filter(None, (selection.label, label))), selection.field),
            namespace=namespace,
            roster=roster,
            settings=settings,
            clock=clock,
        )
        for namespace in ((namespaces if watched.namespaced else ()) or ("",))
        for selection in watched.selectors
    ]
