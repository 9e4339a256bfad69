"""The archive's table in a database: ``argo_archived_workflows`` of Argo Workflows 3.4 to 4.1.

First the keys of all runs in question, streamed, then the objects in small batches, each with a
statement of its own: no transaction stays open, and the database sorts nothing. Argo writes UTC or
its own zone's time into ``finishedat``; so the column only selects, with a margin, and the object
decides.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from argoscope.history_import.source import Key, SourceError, Unreadable, Wanted

TABLE = "argo_archived_workflows"
ZONES = 14 * 3600.0
"""Seconds by which the column may differ from UTC."""
PAGE = 1_000
BATCH = 100
"""Objects of a statement: some MB."""
ATTEMPTS = 5
_PAUSE = 1.0  # seconds before the second attempt; twice as long before each further one

T = TypeVar("T")
Row = Sequence[Any]


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """Which rows are meant."""

    table: str = TABLE
    """With its schema in front, if it is in none that is searched."""
    cluster: str = ""
    """persistence.clusterName of the Argo controller; needed if the table has several."""
    instance: str | None = None
    """instanceID of the Argo controller; None: all."""


class Driver(Protocol):
    """One kind of database. All methods raise its own errors, which ``explain`` knows."""

    name: str
    """Kind, host and database, without a password."""
    errors: tuple[type[Exception], ...]

    def connect(self) -> None:
        """A new connection, in which nothing can be written."""

    def stream(self, query: str, params: Sequence[object]) -> Iterator[Row]:
        """Rows of a large result, not all of them in memory."""

    def rows(self, query: str, params: Sequence[object]) -> list[Row]: ...

    def quoted(self, name: str) -> str:
        """An identifier."""

    def text(self, column: str) -> str:
        """The expression for a JSON column as text."""

    def explain(self, error: Exception) -> str:
        """What to do about an error; empty for one of the connection, that may be passing."""

    def close(self) -> None: ...


class SqlArchive:
    """An ``Archive``. Its statements block: nothing else goes on in the process meanwhile."""

    unreadable = 0  # its columns are never empty

    def __init__(
        self,
        driver: Driver,
        options: DatabaseOptions,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._driver = driver
        self._options = options
        self._sleep = sleep
        self._table = ".".join(driver.quoted(part) for part in options.table.split("."))
        self._connected = False

    async def close(self) -> None:
        self._driver.close()

    async def keys(self, wanted: Wanted) -> AsyncIterator[list[Key]]:
        clusters = self._again(self._clusters)
        cluster = self._options.cluster
        if cluster and cluster not in clusters:
            known = f"it has those of {', '.join(clusters)}" if clusters else "it is empty"
            raise self._error(
                f"no runs of the cluster {cluster} are in {self._options.table}", known
            )
        if not cluster and len(clusters) > 1:
            raise self._error(
                f"{self._options.table} has the runs of {len(clusters)} clusters",
                f"name yours with --cluster-name: {', '.join(clusters)}",
            )
        query, params = self._selection(wanted, cluster)
        # Some 200 bytes a run; so a list that is cut off in the middle can begin anew.
        for page in self._again(lambda: list(_pages(self._driver.stream(query, params)))):
            yield page

    def _clusters(self) -> list[str]:
        query = f"SELECT DISTINCT clustername FROM {self._table} ORDER BY 1"  # noqa: S608 - quoted
        return [str(row[0]) for row in self._driver.rows(query, ())]

    def _selection(self, wanted: Wanted, cluster: str) -> tuple[str, list[object]]:
        since = datetime.fromtimestamp(max(wanted.since - ZONES, 0.0), UTC)
        conditions = ["finishedat >= %s"]
        given: list[object] = [since.replace(tzinfo=None)]
        if cluster:
            conditions.append("clustername = %s")
            given.append(cluster)
        if self._options.instance is not None:
            conditions.append("instanceid = %s")
            given.append(self._options.instance)
        if wanted.namespaces:
            conditions.append(f"namespace IN ({_marks(wanted.namespaces)})")
            given += wanted.namespaces
        query = (
            "SELECT uid, finishedat, namespace, name, clustername"  # noqa: S608 - quoted
            f" FROM {self._table} WHERE {' AND '.join(conditions)}"
        )
        return query, given

    async def fetch(self, keys: Sequence[Key]) -> AsyncIterator[tuple[Key, bytes | Unreadable]]:
        for cluster, of_cluster in groupby(
            sorted(keys, key=attrgetter("cluster", "finished")), attrgetter("cluster")
        ):
            while batch := list(islice(of_cluster, BATCH)):
                objects = self._again(lambda c=cluster, b=batch: self._objects(c, b))  # type: ignore[misc]
                for key in batch:
                    gone = Unreadable("gone", "it is no longer in the archive")
                    yield key, objects.get(key.uid, gone)
                await asyncio.sleep(0)  # lets Ctrl-C in: nothing else here waits

    def _objects(self, cluster: str, keys: list[Key]) -> dict[str, bytes]:
        query = (
            f"SELECT uid, {self._driver.text('workflow')} FROM {self._table}"  # noqa: S608 - quoted
            f" WHERE clustername = %s AND uid IN ({_marks(keys)})"
        )
        params = [cluster, *(key.uid for key in keys)]
        return {str(uid): _bytes(workflow) for uid, workflow in self._driver.rows(query, params)}

    def _again(self, statement: Callable[[], T]) -> T:
        """The result of a statement, on a new connection if that of before is lost."""
        pause = _PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if not self._connected:
                    self._driver.connect()
                    self._connected = True
                return statement()
            except self._driver.errors as error:
                advice = self._driver.explain(error)
                if advice or attempt == ATTEMPTS:
                    advice = advice or (
                        f"tried {attempt} times; what was imported stays, run the import again to"
                        " go on"
                    )
                    raise self._error(_line(error), advice) from error
                self._connected = False
            self._sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _error(self, what: str, advice: str) -> SourceError:
        return SourceError(f"{self._driver.name}: {what}: {advice}")


def _pages(rows: Iterator[Row]) -> Iterator[list[Key]]:
    while page := [
        Key(str(uid), _unix(finished), f"{namespace}/{name}", str(cluster))
        for uid, finished, namespace, name, cluster in islice(rows, PAGE)
    ]:
        yield page


def _unix(moment: datetime | None) -> float:
    return moment.replace(tzinfo=UTC).timestamp() if moment is not None else 0.0


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _marks(values: Sequence[object]) -> str:
    return ",".join(["%s"] * len(values))


def _line(error: Exception) -> str:
    """What the driver says, in one line; drivers do not repeat passwords."""
    return " ".join(str(error.args[-1] if error.args else error).split())[:300]
