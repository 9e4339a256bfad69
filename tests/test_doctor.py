"""doctor: what is missing is found, named, and comes with what to do."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from click.testing import CliRunner
from rich.console import Console

from argoscope import doctor
from argoscope.cli import main
from argoscope.doctor import Finding, Level
from argoscope.kube.config import Access, Static
from argoscope.rbac import VERBS
from argoscope.resources._load import load
from argoscope.server import bind
from argoscope.settings import Authentication, Lease, Resources, Settings
from argoscope.simulator.api_server import ApiServer
from argoscope.simulator.cluster import Kind
from argoscope.simulator.faults import Fault


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    async with ApiServer() as running:
        yield running


async def examine(
    api: ApiServer, settings: Settings | None = None, **environ: str
) -> dict[str, Finding]:
    credentials = Static(Access(server=api.address))
    findings = await doctor.examine(settings or Settings(), environ, credentials)
    assert len({finding.subject for finding in findings}) == len(findings)
    return {finding.subject: finding for finding in findings}


async def test_a_cluster_that_has_everything_needs_nothing(api: ApiServer) -> None:
    found = await examine(api)
    assert found.pop("otlp").level is Level.NOTE
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["api server"].message == "Kubernetes v1.34.1"
    assert found["kind Workflow"].message == "served as argoproj.io/v1alpha1"
    assert found["access pods"].message == "get, list, watch in the whole cluster"
    kinds = [subject for subject in found if subject.startswith("kind ")]
    assert len(kinds) == len(load())


async def test_a_verb_that_is_not_allowed_comes_with_the_command_that_grants_it(
    api: ApiServer,
) -> None:
    api.denied = {("watch", "workflows"), ("list", "nodes"), ("get", "rollouts")}
    found = await examine(api)
    workflows = found["access workflows.argoproj.io"]
    assert workflows.level is Level.MISSING
    assert workflows.message == "not allowed in the whole cluster: watch"
    assert workflows.advice.startswith(
        "kubectl create clusterrole argoscope-workflows --verb=get,list,watch"
        " --resource=workflows.argoproj.io,"
    )
    assert found["access nodes"].level is Level.DEGRADED, "optional"
    assert found["access rollouts.argoproj.io"].level is Level.NOTE, "get is for people"


async def test_each_verb_of_each_kind_is_missed_on_its_own(api: ApiServer) -> None:
    for kind in load():
        for verb in VERBS:
            api.denied = {(verb, kind.plural)}
            found = await examine(api)
            amiss = {
                subject: finding
                for subject, finding in found.items()
                if finding.level is not Level.OK and subject != "otlp"
            }
            what = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
            assert list(amiss) == [f"access {what}"]
            finding = amiss[f"access {what}"]
            assert finding.message == f"not allowed in the whole cluster: {verb}"
            assert f"--verb=get,list,watch --resource={what}," in finding.advice


async def test_the_permission_to_review_tokens_is_asked_for_where_they_are_reviewed(
    api: ApiServer,
) -> None:
    tokens, access = (
        "access tokenreviews.authentication.k8s.io",
        "access subjectaccessreviews.authorization.k8s.io",
    )
    settings = Settings(authentication=Authentication(tokens="review"))
    found = await examine(api, settings)
    assert (found[tokens].level, found[access].level) == (Level.OK, Level.OK)
    api.denied = {("create", "subjectaccessreviews")}
    found = await examine(api, settings)
    assert (found[tokens].level, found[access].level) == (Level.OK, Level.MISSING)
    assert found[access].message == "not allowed: create; nobody is let in by a token"
    assert "ClusterRole argoscope-reviewer" in found[access].advice
    assert tokens not in await examine(api), "nobody is asked for a token"


async def test_permissions_are_asked_in_each_namespace(api: ApiServer) -> None:
    api.denied = {("list", "pods")}
    found = await examine(api, Settings(namespaces=("ci", "data")))
    for namespace in ("ci", "data"):
        finding = found[f"access pods ({namespace})"]
        assert finding.message == f"not allowed in namespace {namespace}: list"
        assert f"--namespace={namespace}" in finding.advice
    assert found["access nodes"].level is Level.OK, "nodes have no namespace"


async def test_the_permission_for_a_lease_is_asked_for_where_one_is_to_be_held(
    api: ApiServer,
) -> None:
    subject = "access leases.coordination.k8s.io"
    settings = Settings(lease=Lease(enabled="always", namespace="argo"))
    assert (await examine(api, settings))[
        subject
    ].message == "get, create, update in namespace argo"
    api.denied = {("update", "leases")}
    finding = (await examine(api, settings))[subject]
    assert finding.level is Level.DEGRADED
    assert finding.message.startswith("not allowed in namespace argo: update; what ends while")
    assert "kubectl create role argoscope-lease --namespace=argo" in finding.advice
    assert subject not in await examine(api), "outside of a pod there is none"


async def test_a_lease_without_a_namespace_is_named(api: ApiServer) -> None:
    finding = (await examine(api, Settings(lease=Lease(enabled="always"))))[
        "access leases.coordination.k8s.io"
    ]
    assert finding.level is Level.MISSING
    assert finding.advice == "set lease.namespace"


async def test_a_crd_that_is_not_installed_is_no_fault(api: ApiServer) -> None:
    api.cluster.withdraw("rollouts")
    found = await examine(api)
    assert found["kind Rollout"].level is Level.NOTE
    assert "CRD is not installed" in found["kind Rollout"].message
    assert "access rollouts.argoproj.io" not in found
    assert "argo" not in found


async def test_a_cluster_without_argo_is_named_as_such(api: ApiServer) -> None:
    for collection in list(api.cluster.collections.values()):
        if collection.kind.group:
            api.cluster.withdraw(collection.kind.plural)
    found = await examine(api)
    assert found["argo"].level is Level.MISSING
    assert "install Argo" in found["argo"].advice


async def test_a_version_that_is_not_read_is_named(api: ApiServer) -> None:
    for collection in list(api.cluster.collections.values()):
        if collection.kind.group:
            api.cluster.withdraw(collection.kind.plural)
    api.cluster.serve(Kind("argoproj.io", "v2", "workflows", "Workflow"))
    finding = (await examine(api))["kind Workflow"]
    assert finding.level is Level.MISSING
    assert finding.message == "argoproj.io is served as v2, not as v1alpha1"


async def test_an_old_cluster_works_with_a_warning(api: ApiServer) -> None:
    api.git_version = "v1.22.3+k3s1"
    finding = (await examine(api))["api server"]
    assert finding.level is Level.DEGRADED
    assert "v1.22.3+k3s1" in finding.message


async def test_an_api_server_that_is_away_is_one_finding(api: ApiServer) -> None:
    await api.stop()
    found = await examine(api)
    assert set(found) == {"api server", "otlp"}
    assert found["api server"].level is Level.MISSING


@pytest.mark.looptime
async def test_an_api_server_that_hangs_is_given_up(api: ApiServer) -> None:
    api.fail(Fault(verb="version", hang=True))
    found = await examine(api)
    assert found["api server"].level is Level.MISSING
    assert asyncio.get_running_loop().time() < 15


async def test_credentials_that_are_refused_are_named(api: ApiServer) -> None:
    api.tokens = {"other"}
    finding = (await examine(api))["api server"]
    assert finding.level is Level.MISSING
    assert "401" in finding.message


async def test_a_kind_that_is_switched_off_is_not_looked_for(api: ApiServer) -> None:
    found = await examine(api, Settings(resources=Resources(disabled=("pods",))))
    assert "kind Pod" not in found
    assert "access pods" not in found


async def receiver(status: int) -> tuple[web.AppRunner, socket.socket]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/x-protobuf"
        await request.read()
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/v1/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = bind("127.0.0.1", 0)
    await web.SockSite(runner, listener).start()
    return runner, listener


@pytest.mark.parametrize(
    ("status", "level", "said"),
    [
        (200, Level.OK, "accepts metrics (http/protobuf)"),
        (401, Level.MISSING, "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, Level.MISSING, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        (503, Level.MISSING, "not ready"),
    ],
)
async def test_the_otlp_endpoint_is_tried(
    api: ApiServer, status: int, level: Level, said: str
) -> None:
    runner, listener = await receiver(status)
    endpoint = f"http://user:secret@127.0.0.1:{listener.getsockname()[1]}"
    finding = (await examine(api, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint))["otlp"]
    await runner.cleanup()
    assert finding.level is level
    assert said in finding.message + finding.advice
    assert "secret" not in finding.message


async def test_an_otlp_endpoint_where_nobody_listens(api: ApiServer) -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    for protocol in ("http/protobuf", "grpc"):
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
        }
        finding = (await examine(api, **environ))["otlp"]
        assert finding.level is Level.MISSING
        assert "4317" in finding.advice or "not ready" in finding.advice


async def test_otlp_variables_that_are_wrong_are_a_finding(api: ApiServer) -> None:
    finding = (await examine(api, OTEL_EXPORTER_OTLP_ENDPOINT="nonsense"))["otlp"]
    assert finding.level is Level.MISSING
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in finding.message


def test_without_credentials_it_says_how_to_name_some_and_ends_with_1(tmp_path) -> None:  # type: ignore[no-untyped-def]
    env = {"HOME": str(tmp_path), "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}
    result = CliRunner().invoke(main, ["doctor", "--format", "json"], env=env)
    assert result.exit_code == 1
    first = json.loads(result.stdout)[0]
    assert (first["subject"], first["level"]) == ("credentials", "missing")
    assert "--kubeconfig" in first["advice"]


def test_the_table_shows_every_finding_and_is_not_fooled_by_markup() -> None:
    findings = [
        Finding(subject="api server", level=Level.OK, message="Kubernetes [red]v1[/red]"),
        Finding(subject="access pods", level=Level.MISSING, message="no", advice="grant it"),
    ]
    console = Console(width=100, file=io.StringIO(), record=True)
    doctor.print_table(findings, console)
    text = console.export_text()
    assert "Kubernetes [red]v1[/red]" in text
    assert "→ grant it" in text
