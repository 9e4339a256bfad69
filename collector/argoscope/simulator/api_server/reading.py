"""Lists, page by page, and single objects."""

import time
from bisect import bisect_right

import msgspec

from argoscope.simulator import statuses
from argoscope.simulator.api_server import list_options
from argoscope.simulator.api_server.list_options import INCONSISTENT, ListOptions
from argoscope.simulator.cluster import Cluster
from argoscope.simulator.collection import Collection, Selection, Stored
from argoscope.simulator.statuses import RefusedError

SNAPSHOTS = 8
"""Lists half read that are remembered; others are worked out from the history again."""
ABANDONED = 300.0
"""Seconds after which nobody will ask for the rest: they hold old versions of everything."""


class Lists:
    """Lists of a cluster: all pages of one show the moment of its first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._snapshots: dict[tuple[str, int], tuple[float, list[Stored]]] = {}
        """By plural and version: when they were last read, and the objects."""

    def forget(self) -> None:
        """For compaction."""
        self._snapshots.clear()

    def page(
        self, collection: Collection, selection: Selection, options: ListOptions
    ) -> tuple[dict[str, object], list[Stored]]:
        """``ListMeta`` and the objects. Raises RefusedError: 410 for what is forgotten, 504 for a
        version that has not come yet."""
        version, objects = self._moment(collection, options)
        start = 0
        if options.since is not None:
            start = bisect_right(objects, options.since[1], key=lambda stored: stored.key)
        limit = 0 if options.version == 0 else options.limit  # 0: from the cache, which ignores it
        found: list[Stored] = []
        meta: dict[str, object] = {"resourceVersion": str(version)}
        for at in range(start, len(objects)):
            if selection.matches(objects[at]):
                if limit and len(found) == limit:
                    self._keep(collection, version, objects)
                    meta["continue"] = list_options.token(version, found[-1].key)
                    if selection.everything and not selection.namespace:
                        meta["remainingItemCount"] = len(objects) - at
                    break
                found.append(objects[at])
        else:
            self._snapshots.pop((collection.kind.plural, version), None)  # read to the end
        return meta, found

    def _moment(self, collection: Collection, options: ListOptions) -> tuple[int, list[Stored]]:
        """The version whose objects are asked for, and these objects, sorted."""
        now = self._cluster.version
        if options.since is not None and options.since[0] != INCONSISTENT:
            version = options.since[0]
            return version, self._at(collection, version, options)
        if options.since is None and options.version:
            if options.version > now:
                raise _not_yet(options.version, now)
            if options.exact:
                return options.version, self._at(collection, options.version, options)
        return now, collection.sorted()

    def _at(self, collection: Collection, version: int, options: ListOptions) -> list[Stored]:
        known = self._snapshots.get((collection.kind.plural, version))
        if known is not None:
            return known[1]
        if version > self._cluster.version:
            raise _not_yet(version, self._cluster.version)
        if version < collection.compacted:
            if options.since is None:
                raise statuses.expired("The resourceVersion for the provided list is too old.")
            raise statuses.expired(
                "The provided continue parameter is too old to display a consistent list result."
                " You can start a new list without the continue parameter, or use the continue"
                " token in this response to retrieve the remainder of the results. Continuing with"
                " the provided token results in an inconsistent list - objects that were created,"
                " modified, or deleted between the time the first chunk was returned and now may"
                " show up in the list.",
                list_options.token(INCONSISTENT, options.since[1]),
            )
        return collection.at(version)

    def _keep(self, collection: Collection, version: int, objects: list[Stored]) -> None:
        key = (collection.kind.plural, version)
        self._snapshots.pop(key, None)
        now = time.monotonic()
        self._snapshots[key] = now, objects  # the last one read is the last one
        while self._snapshots:
            oldest = next(iter(self._snapshots))
            if len(self._snapshots) <= SNAPSHOTS and now - self._snapshots[oldest][0] < ABANDONED:
                break
            del self._snapshots[oldest]


def list_body(collection: Collection, meta: dict[str, object], found: list[Stored]) -> bytes:
    """The objects' own bytes, joined."""
    kind = collection.kind
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta}
    items = b",".join(stored.json for stored in found)
    return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}"


def _not_yet(version: int, now: int) -> RefusedError:
    """Real servers wait for it first, for 3 seconds."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {version}, current: {now}"
    return RefusedError(504, "Timeout", message, details=details)
