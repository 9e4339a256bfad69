"""Importing from an argo-server's archive API: paging, identity, and everything that goes wrong."""

import asyncio
import ssl
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from argoscope.history_import import server as api
from argoscope.history_import.deriving import History
from argoscope.history_import.importing import Importer
from argoscope.history_import.server import ArgoServer, ServerOptions, base_url
from argoscope.history_import.source import SourceError, Wanted
from argoscope.ledger.ledger import Ledger
from argoscope.resources._base import Options
from argoscope.resources.workflow.metrics import POLICY_CAUSES
from support.api_server import EPOCH
from support.archive_server import TOKEN, ArchiveServer, archive_server, problem
from support.archived import DAY, archive
from support.certificates import self_signed

SEED = 20260922
WEEK = Wanted(since=EPOCH - 7 * DAY)

pytestmark = pytest.mark.looptime


@pytest.fixture(autouse=True)
def _print_seed() -> None:
    print(f"seed {SEED}")


class Imports:
    """Imports into one ledger, each with the ledger opened anew as a command does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[tuple[str, str, str]] = []

    async def run(
        self, server: ArchiveServer, wanted: Wanted = WEEK, *, fail: str = "", **options: Any
    ) -> Importer:
        """One import; with ``fail`` one that ends with an error that says so."""
        ledger = Ledger.open(self.path)
        history = History(Options(), lambda *problem: self.problems.append(problem))
        importer = Importer(history, wanted, ledger=ledger, clock=lambda: EPOCH)
        found = await ArgoServer.open(
            ServerOptions(**{"url": server.address, "token": TOKEN} | options)
        )
        try:
            if fail:
                with pytest.raises(SourceError, match=fail) as raised:
                    await importer.archive(found, *[lambda _: None] * 3)
                assert TOKEN not in str(raised.value)
            else:
                await importer.archive(found, *[lambda _: None] * 3)
        finally:
            await found.close()
            importer.commit()
            ledger.close()
        return importer

    def rows(self) -> list[Any]:
        ledger = Ledger.open(self.path)
        try:
            return list(ledger.past_runs(0.0))
        finally:
            ledger.close()


@pytest.fixture
def imports(tmp_path: Path) -> Imports:
    return Imports(tmp_path / "ledger.db")


async def test_every_run_comes_with_the_name_and_cause_that_the_daemon_gives_it(
    imports: Imports,
) -> None:
    runs, truth = archive(SEED, 1_203, EPOCH)
    async with archive_server(runs, labelled=False) as server:
        done = await imports.run(server)
    rows = imports.rows()
    assert Counter((run.namespace, run.pipeline) for run in rows) == truth.completed
    assert {run.uid: run.cause for run in rows} == truth.causes
    failed = Counter(
        (run.namespace, run.pipeline)
        for run in rows
        if run.cause and run.cause not in POLICY_CAUSES
    )
    assert failed == +truth.failed
    assert done.summary.imported == 1_203
    assert server.requests["list"] == 3
    assert imports.problems == []


async def test_a_second_import_reads_only_what_is_new(imports: Imports) -> None:
    runs, _ = archive(SEED, 60, EPOCH)
    async with archive_server(runs[:50]) as server:
        await imports.run(server)
        server.runs = runs
        server.requests.clear()
        done = await imports.run(server)
    assert (done.summary.imported, done.summary.known) == (10, 50)
    assert set(server.requests) == {"list", *(run["metadata"]["uid"] for run in runs[50:])}
    assert len(imports.rows()) == 60


async def test_an_import_that_was_cut_off_goes_on_where_it_was(imports: Imports) -> None:
    runs, truth = archive(SEED, 100, EPOCH)
    uids = [run["metadata"]["uid"] for run in runs]
    async with archive_server(runs) as server:
        server.broken = dict.fromkeys(uids[:50], 401)  # the token expires half-way
        await imports.run(server, fail="401")
        kept = len(imports.rows())
        server.broken = {}
        server.requests.clear()
        await imports.run(server)
    assert kept >= 42  # but for the requests that were under way
    assert server.requests.total() == 1 + 100 - kept
    assert {run.uid: run.cause for run in imports.rows()} == truth.causes


async def test_another_attempt_of_a_run_is_another_run(imports: Imports) -> None:
    runs, _ = archive(SEED, 1, EPOCH)
    async with archive_server(runs) as server:
        await imports.run(server)
        status = runs[0]["status"]
        status["finishedAt"] = "2026-09-21T12:00:00Z"  # argo retry
        await imports.run(server)
    assert len({run.finished for run in imports.rows()}) == 2


async def test_only_the_runs_that_are_asked_for(imports: Imports) -> None:
    runs, _ = archive(SEED, 200, EPOCH)
    wanted = Wanted(since=EPOCH - DAY, namespaces=("ci",), selector="team notin (a), !x,")
    runs[-1]["metadata"]["labels"]["team"] = "a"
    runs[-1]["metadata"]["namespace"] = "ci"
    async with archive_server(runs, namespaces=frozenset({"ci"})) as server:
        done = await imports.run(server, wanted)
    rows = imports.rows()
    assert rows
    assert {run.namespace for run in rows} == {"ci"}
    assert min(run.finished for run in rows) >= EPOCH - DAY
    assert runs[-1]["metadata"]["uid"] not in {run.uid for run in rows}
    assert done.summary.unwanted


async def test_runs_that_started_long_before_they_ended_are_found(imports: Imports) -> None:
    runs, _ = archive(SEED, 1, EPOCH)
    runs[0]["status"]["startedAt"] = "2026-09-11T00:00:00Z"  # ten days
    async with archive_server(runs) as server:
        await imports.run(server)
        assert len(imports.rows()) == 1
        assert (await imports.run(server, longest=DAY)).summary.known == 0


async def test_runs_that_arrive_while_it_lists_are_read_once(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE", 10)
    runs, _ = archive(SEED, 30, EPOCH)
    async with archive_server(runs[:25]) as server:
        source = await ArgoServer.open(ServerOptions(url=server.address, token=TOKEN))
        uids = []
        async for page in source.keys(WEEK):
            uids += [key.uid for key in page]
            server.runs = runs  # five that are newer than all
        await source.close()
        await imports.run(server)
    assert len(uids) > len(set(uids))
    assert {run["metadata"]["uid"] for run in runs[:25]} <= set(uids)
    assert len(imports.rows()) == 30


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (problem(401, 16, "token not valid"), "ARGO_TOKEN"),
        (problem(403, 7, "not allowed"), "--namespace"),
        (problem(404, 5, "Not Found"), "base path"),
        (problem(501, 12, "not implemented"), "3.4 to 4.1"),
        (web.Response(status=302, headers={"Location": "https://sso.test/x?y=z"}), "sso.test"),
        (web.Response(text="<html>log in</html>", content_type="text/html"), "argo-server itself"),
    ],
    ids=["token", "permission", "not-argo", "no-archive", "login", "html"],
)
async def test_a_refusal_says_what_to_do(imports: Imports, fault: web.Response, says: str) -> None:
    async with archive_server([]) as server:
        server.faults.append(fault)
        await imports.run(server, fail=says)
    assert server.requests.total() == 1  # that would not get better by asking again


async def test_a_token_for_one_namespace_is_told_so(imports: Imports) -> None:
    runs, _ = archive(SEED, 10, EPOCH)
    async with archive_server(runs, namespaces=frozenset({"ci"})) as server:
        await imports.run(server, fail="all namespaces.*--namespace")


async def test_a_busy_server_is_waited_for(imports: Imports) -> None:
    runs, _ = archive(SEED, 20, EPOCH)
    clock = asyncio.get_running_loop()
    async with archive_server(runs) as server:
        server.faults.extend(
            [
                problem(429, 8, "slow down", **{"Retry-After": "30"}),
                problem(503, 14, "unavailable"),
                web.Response(status=502, text="Bad Gateway"),
            ]
        )
        server.hang = 1
        begin = clock.time()
        await imports.run(server)
        took = clock.time() - begin
    assert len(imports.rows()) == 20
    assert 30 + 60 <= took < 120  # as long as it asked for, and what an answer may take


async def test_a_server_that_stays_down_ends_the_import_with_what_to_do(imports: Imports) -> None:
    async with archive_server([]) as server:
        server.faults.extend(problem(503, 14, "no database") for _ in range(api.ATTEMPTS))
        await imports.run(server, fail=r"503 no database \(tried 6 times\).*run the import again")
    await imports.run(server, fail="Cannot connect.*run the import again")


async def test_one_broken_object_costs_only_itself(imports: Imports) -> None:
    runs, _ = archive(SEED, 40, EPOCH)
    uids = [run["metadata"]["uid"] for run in runs]
    async with archive_server(runs) as server:
        server.broken = {uids[7]: 500, uids[9]: 404}
        server.malformed = [{"metadata": 5}, {"metadata": {"name": "no-uid"}}, "text"]
        runs[11]["status"]["phase"] = {"not": "a phase"}
        runs[12]["status"]["finishedAt"] = "tomorrow"
        runs[13]["metadata"]["labels"] = [1]
        done = await imports.run(server)
    assert done.summary.skipped == {"unavailable": 1, "gone": 1, "malformed": 5}
    expected = set(uids) - {uids[n] for n in (7, 9, 11, 12)}
    assert {run.uid for run in imports.rows()} == expected


async def test_when_no_object_can_be_got_it_is_the_server(imports: Imports) -> None:
    runs, _ = archive(SEED, 40, EPOCH)
    async with archive_server(runs) as server:
        server.broken = {run["metadata"]["uid"]: 500 for run in runs}
        await imports.run(server, fail="could not be got.*run the import again")


async def test_a_workflow_that_has_not_ended_is_left_to_the_daemon(imports: Imports) -> None:
    runs, _ = archive(SEED, 2, EPOCH)
    runs[0]["status"] |= {"phase": "Running", "finishedAt": None}
    async with archive_server(runs) as server:
        done = await imports.run(server)
    assert done.summary.skipped == {"not finished": 1}
    assert len(imports.rows()) == 1


async def test_the_whole_header_may_be_given_as_argo_prints_it(imports: Imports) -> None:
    async with archive_server([], accepted="Basic dXNlcjpwYXNz") as server:
        await imports.run(server, token="Basic dXNlcjpwYXNz")
        await imports.run(server, token="Bearer other", fail="401")


async def test_a_certificate_of_its_own_is_trusted_only_on_request(
    imports: Imports, tmp_path: Path
) -> None:
    certificate, context = _own_certificate(tmp_path)
    async with archive_server([], tls=context) as server:
        await imports.run(server, fail=r"--ca-file.*--insecure-skip-verify")
        await imports.run(server, ca_file=str(certificate))
        await imports.run(server, insecure=True)
    with pytest.raises(SourceError, match=r"--ca-file .*absent"):
        await ArgoServer.open(ServerOptions(url=server.address, ca_file="absent"))


def _own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    certificate, private = self_signed(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    return certificate, context


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("argo.test:2746", "https://argo.test:2746"),
        ("http://localhost:2746/argo/", "http://localhost:2746/argo"),
    ],
)
def test_an_address_without_a_scheme_is_https(given: str, used: str) -> None:
    assert base_url(given) == used


@pytest.mark.parametrize("given", ["ftp://argo", "https://", "https://u:secret@argo"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SourceError) as raised:
        base_url(given)
    assert "secret" not in str(raised.value)
