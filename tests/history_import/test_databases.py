"""Importing from the archive's table, on real PostgreSQL and MariaDB servers."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from click.testing import CliRunner

from argoscope.cli import main
from argoscope.history_import import sql
from argoscope.history_import.command import driver_for
from argoscope.history_import.deriving import History
from argoscope.history_import.importing import Importer
from argoscope.history_import.source import SourceError, Wanted
from argoscope.history_import.sql import DatabaseOptions, Driver, SqlArchive
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import Options
from support.api_server import EPOCH
from support.archived import DAY, archive
from support.databases import PASSWORD, insert, mariadb, postgres, table

SEED = 20260923
WEEK = Wanted(since=EPOCH - 7 * DAY)
KINDS = {
    "postgres-3.4": ("postgres", table("json")),
    "postgres-3.6": ("postgres", table("jsonb")),
    "postgres-4.1": (
        "postgres",
        table("jsonb", ", creationtimestamp timestamp DEFAULT CURRENT_TIMESTAMP"),
    ),
    "mariadb-3.4": ("mariadb", table("json")),
}


@pytest.fixture(autouse=True)
def _print_seed() -> None:
    print(f"seed {SEED}")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    """URLs of the servers that were needed so far."""
    running: dict[str, Any] = {}
    yield running
    for _, context in running.values():
        context.__exit__(None, None, None)


def _url(servers: dict[str, Any], kind: str) -> str:
    if kind not in servers:
        context = {"postgres": postgres, "mariadb": mariadb}[kind]()
        servers[kind] = (context.__enter__(), context)
    url: str = servers[kind][0]
    return url


def connect(url: str) -> Any:
    """An administrator's connection, without the code that is tested."""
    if url.startswith("postgresql"):
        return psycopg.connect(url, autocommit=True)
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.strip("/"),
        autocommit=True,
        init_command="SET time_zone = '+00:00'",  # as Argo's driver does, of columns in UTC
    )


@dataclass
class Site:
    """One database with an empty archive, and a ledger to import it into."""

    url: str
    admin: Any
    ledger: Path

    def execute(self, *statements: str) -> None:
        with self.admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def run(
        self,
        wanted: Wanted = WEEK,
        *,
        url: str = "",
        driver: Driver | None = None,
        **options: Any,
    ) -> Importer:
        ledger = Ledger.open(self.ledger)
        history = History(Options(), lambda *problem: print("problem", problem))
        importer = Importer(history, wanted, ledger=ledger, clock=lambda: EPOCH)
        found = SqlArchive(
            driver or driver_for(url or self.url),
            DatabaseOptions(**options),
            sleep=lambda seconds: None,
        )

        async def drain() -> None:
            try:
                await importer.archive(found, *[lambda _: None] * 3)
            finally:
                await found.close()

        try:
            asyncio.run(drain())
        finally:
            importer.commit()
            ledger.close()
        return importer

    def rows(self) -> list[Any]:
        ledger = Ledger.open(self.ledger)
        try:
            return list(ledger.past_runs(0.0))
        finally:
            ledger.close()


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, servers: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    kind, made = KINDS[request.param]
    url = _url(servers, kind)
    with connect(url) as admin:
        found = Site(url, admin, tmp_path / "ledger.db")
        found.execute("DROP TABLE IF EXISTS argo_archived_workflows", made)
        yield found


def test_every_run_comes_with_the_name_and_cause_that_the_daemon_gives_it(site: Site) -> None:
    runs, truth = archive(SEED, 1_250, EPOCH)
    insert(site.admin, runs)
    done = site.run()
    rows = site.rows()
    assert Counter((run.namespace, run.pipeline) for run in rows) == truth.completed
    assert {run.uid: run.cause for run in rows} == truth.causes
    assert done.summary.imported == 1_250
    assert not done.summary.skipped


def test_a_second_import_reads_only_what_is_new(site: Site) -> None:
    runs, _ = archive(SEED, 300, EPOCH)
    insert(site.admin, runs[:250])
    site.run()
    insert(site.admin, runs[250:])
    done = site.run()
    assert (done.summary.imported, done.summary.known) == (50, 250)
    assert len(site.rows()) == 300


def test_only_the_runs_that_are_asked_for(site: Site) -> None:
    runs, _ = archive(SEED, 200, EPOCH)
    insert(site.admin, runs)
    site.run(Wanted(since=EPOCH - DAY, namespaces=("ci",)))
    expected = {
        run["metadata"]["uid"]
        for number, run in enumerate(runs)
        if run["metadata"]["namespace"] == "ci" and 6.5 * (200 - number) / 200 < 1
    }
    assert {run.uid for run in site.rows()} == expected


def test_a_controller_in_another_zone_loses_no_runs(site: Site) -> None:
    runs, truth = archive(SEED, 50, EPOCH, days=6.9)
    insert(site.admin, runs)
    shifted = {
        "p": "UPDATE argo_archived_workflows SET finishedat = finishedat - interval '12 hours'",
        "m": "UPDATE argo_archived_workflows SET finishedat = finishedat - interval 12 hour",
    }
    site.execute(shifted[site.url[0]])
    site.run()
    assert {run.uid: run.cause for run in site.rows()} == truth.causes
    assert site.run().summary.imported == 0


def test_one_broken_object_costs_only_itself(site: Site) -> None:
    runs, _ = archive(SEED, 30, EPOCH)
    uids = [run["metadata"]["uid"] for run in runs]
    insert(site.admin, runs)
    for uid, value in ((uids[3], "[1]"), (uids[4], '"text"'), (uids[5], '{"metadata": {}}')):
        site.execute(f"UPDATE argo_archived_workflows SET workflow = '{value}' WHERE uid = '{uid}'")
    done = site.run()
    assert done.summary.skipped == {"malformed": 3}
    assert {run.uid for run in site.rows()} == {*uids[:3], *uids[6:]}


def test_several_clusters_in_one_table_must_be_told_apart(site: Site) -> None:
    runs, _ = archive(SEED, 20, EPOCH)
    insert(site.admin, runs[:12], cluster="east")
    insert(site.admin, runs[12:], cluster="west", instance="blue")
    with pytest.raises(SourceError, match="--cluster-name: east, west"):
        site.run()
    with pytest.raises(SourceError, match=r"no runs of the cluster north.*east, west"):
        site.run(cluster="north")
    site.run(cluster="west", instance="red")
    assert site.rows() == []
    site.run(cluster="west", instance="blue")
    assert len(site.rows()) == 8


def test_a_lost_connection_is_made_again(site: Site) -> None:
    runs, truth = archive(SEED, 350, EPOCH)
    insert(site.admin, runs)
    driver = driver_for(site.url)
    calls = 0
    plain = driver.rows

    def killed(query: str, params: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in (2, 4):  # among the batches of objects
            _kill_all(site)
        return plain(query, params)

    driver.rows = killed  # type: ignore[method-assign]
    site.run(driver=driver)
    assert calls >= 7
    assert {run.uid: run.cause for run in site.rows()} == truth.causes


def _kill_all(site: Site) -> None:
    """All connections of the import, as a server that restarts does."""
    with site.admin.cursor() as cursor:
        if site.url.startswith("postgresql"):
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'argoscope import'"
            )
            assert cursor.fetchall() == [(True,)]
        else:
            cursor.execute(
                "SELECT id FROM information_schema.processlist"
                " WHERE id <> connection_id() AND user = 'argo'"
            )
            (victim,) = cursor.fetchall()
            cursor.execute(f"KILL {victim[0]}")


def test_nothing_can_be_written(site: Site) -> None:
    driver = driver_for(site.url)
    driver.connect()
    try:
        with pytest.raises(driver.errors) as raised:
            driver.rows("DELETE FROM argo_archived_workflows", ())
        assert "read" in str(raised.value).lower()
    finally:
        driver.close()


def test_a_missing_table_says_what_to_check(site: Site) -> None:
    site.execute("DROP TABLE argo_archived_workflows")
    with pytest.raises(SourceError, match=r"archived_workflows.*persistence\.archive"):
        site.run()


def test_a_name_of_a_table_is_only_a_name(site: Site) -> None:
    with pytest.raises(SourceError, match="persistence"):
        site.run(table='x; DROP TABLE argo_archived_workflows; --%s`"')
    assert site.run().summary.imported == 0


def test_a_user_without_permission_is_told_so(site: Site) -> None:
    if site.url.startswith("postgresql"):
        site.execute(
            "DROP ROLE IF EXISTS reader", f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"
        )
        grant = "GRANT SELECT ON argo_archived_workflows TO reader"
        revoke = "REVOKE ALL ON argo_archived_workflows FROM reader"
    else:
        site.execute(
            "DROP USER IF EXISTS 'reader'@'127.0.0.1'",
            f"CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "CREATE TABLE IF NOT EXISTS other (x int)",
            "GRANT SELECT ON argo.other TO 'reader'@'127.0.0.1'",
        )
        grant = "GRANT SELECT ON argo.argo_archived_workflows TO 'reader'@'127.0.0.1'"
        revoke = "REVOKE SELECT ON argo.argo_archived_workflows FROM 'reader'@'127.0.0.1'"
    url = site.url.replace("//argo:", "//reader:")
    with pytest.raises(SourceError, match="SELECT on the table"):
        site.run(url=url)
    site.execute(grant)
    assert site.run(url=url).summary.imported == 0  # reading is enough
    site.execute(revoke)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((PASSWORD, "wr0ng-secret"), "PGPASSWORD|MYSQL_PWD"),
        (("//argo:", "//nobody:"), "PGPASSWORD|MYSQL_PWD"),
        (("/postgres", "/absent"), "check the .*database in the URL"),
        (("127.0.0.1", "host.invalid"), "check the host|tried 5 times"),
    ],
    ids=["password", "user", "database", "host"],
)
def test_a_wrong_url_says_what_is_wrong_and_no_password(
    site: Site, change: tuple[str, str], says: str
) -> None:
    url = site.url.replace(*change)
    if url == site.url:
        url = site.url.replace("/argo", "/absent")
        url = url.replace("//absent:", "//argo:")
    with pytest.raises(SourceError, match=says) as raised:
        site.run(url=url)
    assert PASSWORD not in str(raised.value)
    assert "wr0ng" not in str(raised.value)


def test_a_server_that_is_away_is_tried_some_times(servers: dict[str, Any], tmp_path: Path) -> None:
    pauses: list[float] = []
    driver = driver_for("postgresql://argo@127.0.0.1:1/x")
    found = SqlArchive(driver, DatabaseOptions(), sleep=pauses.append)

    async def listed() -> None:
        async for _ in found.keys(WEEK):
            pass

    with pytest.raises(SourceError, match=r"tried 5 times.*run the import again"):
        asyncio.run(listed())
    assert pauses == [1, 2, 4, 8]


def test_the_password_comes_from_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    url = site.url.replace(f":{PASSWORD}", "")
    assert url != site.url
    assert site.run(url=url).summary.imported == 0


@pytest.mark.parametrize(
    "url",
    [
        "oracle://argo:s3cret@db/x",
        "mysql://argo:s3cret@",
        "mysql://argo:s3cret@db/x?nonsense=1",
        "postgresql://argo:s3cret@db/x?nonsense=1",
    ],
)
def test_an_url_that_is_none_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    environ = {name: "" for name in os.environ if name.startswith("ARGOSCOPE_")}
    done = CliRunner().invoke(
        main, ["import", "database", url, "--ledger", str(tmp_path / "l")], env=environ
    )
    assert done.exit_code == 1
    assert "s3cret" not in done.output
    assert "URL" in done.output
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize(
    ("driver", "module", "extra"),
    [("psycopg", "postgres", "postgres"), ("pymysql", "mysql", "mysql")],
)
def test_a_driver_that_is_not_installed_names_the_extra(
    driver: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.delitem(sys.modules, f"argoscope.history_import.{module}", raising=False)
    with pytest.raises(SourceError, match=rf"pip install 'argoscope\[{extra}\]'"):
        driver_for(f"{module}://u@h/d" if module == "mysql" else "postgresql://u@h/d")


def test_batches_hold_as_many_objects_as_they_should(site: Site) -> None:
    runs, _ = archive(SEED, sql.BATCH * 2 + 1, EPOCH)
    insert(site.admin, runs)
    driver = driver_for(site.url)
    sizes: list[int] = []
    plain = driver.rows

    def noted(query: str, params: Any) -> Any:
        sizes.append(len(params))
        return plain(query, params)

    driver.rows = noted  # type: ignore[method-assign]
    site.run(driver=driver)
    assert sizes == [0, sql.BATCH + 1, sql.BATCH + 1, 2]
