"""PostgreSQL, by psycopg (the extra ``argoscope[postgres]``)."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from argoscope.history_import.source import SourceError
from argoscope.history_import.sql import Row

_CONNECT_SECONDS = 10


class Postgres:
    """A ``Driver`` for what libpq takes: a URL, PGPASSWORD, PGSSLMODE, ~/.pgpass and the like."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error as error:
            # What it says can hold a part of the password.
            raise SourceError("not a URL like postgresql://user@host:5432/database") from error
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self.name = f"PostgreSQL {parts.get('host', '')}/{parts.get('dbname', '')}"

    def connect(self) -> None:
        self.close()
        self._connection = psycopg.connect(
            self._url,
            autocommit=True,
            application_name="argoscope import",
            connect_timeout=_CONNECT_SECONDS,
            prepare_threshold=None,  # a pooler may give each statement to another session
        )
        # Of transactions, not of the session: a pooler would hand that on to other clients.
        self._connection.read_only = True

    def stream(self, query: str, params: Sequence[object]) -> Iterator[Row]:
        connection = self._open()
        with connection.transaction(), connection.cursor(name="argoscope") as cursor:
            cursor.itersize = 5_000
            cursor.execute(query.encode(), params)
            yield from cursor

    def rows(self, query: str, params: Sequence[object]) -> list[Row]:
        connection = self._open()
        with connection.transaction():
            return connection.execute(query.encode(), params).fetchall()

    def quoted(self, name: str) -> str:
        return sql.Identifier(name).as_string(None).replace("%", "%%")

    def text(self, column: str) -> str:
        return f"{column}::text"

    def explain(self, error: Exception) -> str:
        if isinstance(error, errors.UndefinedTable):
            return (
                "is this the database of persistence.postgresql in Argo's configuration, and is"
                " persistence.archive true? A table of another schema: --table schema.name"
            )
        if isinstance(error, errors.InsufficientPrivilege):
            return "the user needs SELECT on the table"
        if isinstance(error, errors.UndefinedColumn):
            return "the table of Argo Workflows 3.4 to 4.1 is expected"
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            return _refusal(str(error))
        if isinstance(error, psycopg.OperationalError):
            return ""
        return "this is not expected: check the table and its columns"

    def _open(self) -> psycopg.Connection[Any]:
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refusal(message: str) -> str:
    """What to do when libpq can't connect, which tells no code; empty if it may pass."""
    if "password" in message or "authentication" in message or "pg_hba" in message:
        return "give the user in the URL and the password in PGPASSWORD, or in ~/.pgpass"
    if "does not exist" in message:
        return "check the user and the database in the URL"
    if "translate host name" in message or "resolve host" in message:
        return "check the host in the URL"
    return ""
