"""MySQL and MariaDB, by PyMySQL (the extra ``argoscope[mysql]``)."""

import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import SSCursor

from argoscope.history_import.source import SourceError
from argoscope.history_import.sql import Row

_SECONDS = {"connect_timeout": 10, "read_timeout": 120, "write_timeout": 30}
_ADVICE = {
    ER.NO_SUCH_TABLE: "is this the database of persistence.mysql in Argo's configuration, and is"
    " persistence.archive true?",
    ER.BAD_FIELD_ERROR: "the table of Argo Workflows 3.4 to 4.1 is expected",
    ER.TABLEACCESS_DENIED_ERROR: "the user needs SELECT on the table",
    ER.ACCESS_DENIED_ERROR: "give the user in the URL and the password in MYSQL_PWD",
    ER.DBACCESS_DENIED_ERROR: "the user needs access to the database",
    ER.BAD_DB_ERROR: "check the database in the URL",
}
_PASSING = frozenset(
    {
        CR.CR_CONN_HOST_ERROR,
        CR.CR_CONNECTION_ERROR,
        CR.CR_SERVER_GONE_ERROR,
        CR.CR_SERVER_LOST,
        ER.CON_COUNT_ERROR,
        ER.SERVER_SHUTDOWN,
        0,  # a connection that was closed in the middle
        1927,  # MariaDB: connection was killed
    }
)


class MySql:
    """A ``Driver`` for mysql://user@host:3306/database, with ssl-ca=FILE behind a ? if need be."""

    errors: tuple[type[Exception], ...] = (pymysql.MySQLError,)

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if not parts.hostname or not database:
            raise SourceError("not a URL like mysql://user@host:3306/database")
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        unknown = sorted(set(given) - {"ssl-ca", "unix-socket"})
        if unknown:
            raise SourceError(f"not known behind the ? of the URL: {', '.join(unknown)}")
        self._arguments: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 3306,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or "") or os.environ.get("MYSQL_PWD", ""),
            "database": unquote(database),
            "charset": "utf8mb4",
            # As everywhere: columns of type timestamp are told in the zone of the session.
            "init_command": "SET time_zone = '+00:00'",
            "program_name": "argoscope import",
            "autocommit": True,
            **_SECONDS,
        }
        if "ssl-ca" in given:
            self._arguments["ssl"] = {"ca": given["ssl-ca"]}
        if "unix-socket" in given:
            self._arguments["unix_socket"] = given["unix-socket"]
        self.name = f"MySQL {parts.hostname}/{unquote(database)}"
        self._connection: pymysql.Connection[Any] | None = None

    def connect(self) -> None:
        self.close()
        try:
            self._connection = pymysql.connect(**self._arguments)
        except OSError as error:  # of the file of certificates
            raise SourceError(f"{self.name}: {error}") from error
        with self._connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

    def stream(self, query: str, params: Sequence[object]) -> Iterator[Row]:
        with self._open().cursor(SSCursor) as cursor:
            cursor.execute(query, params)
            yield from cursor

    def rows(self, query: str, params: Sequence[object]) -> list[Row]:
        with self._open().cursor() as cursor:
            cursor.execute(query, params)
            return list(cursor.fetchall())

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``").replace("%", "%%") + "`"

    def text(self, column: str) -> str:
        return column

    def explain(self, error: Exception) -> str:
        code = error.args[0] if error.args else 0
        if code in _PASSING and isinstance(
            error, pymysql.err.OperationalError | pymysql.err.InterfaceError
        ):
            return ""
        return _ADVICE.get(code, "this is not expected: check the table and its columns")

    def _open(self) -> "pymysql.Connection[Any]":
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            try:
                self._connection.close()
            except pymysql.MySQLError:
                pass  # it was lost before
            self._connection = None
