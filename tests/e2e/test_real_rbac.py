"""The generated RBAC on a real API server: with it all is well, without a part of it only that
part is missing, and is named."""

import asyncio
import copy
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import yaml

from argoscope import doctor, rbac
from argoscope.app import Daemon
from argoscope.doctor import Finding, Level
from argoscope.kube.client import Client
from argoscope.kube.config import Access, Static
from argoscope.kube.errors import ForbiddenError
from argoscope.resources._load import load
from argoscope.server import bind, readiness
from argoscope.settings import Authentication, Lease, Resources, Settings
from argoscope.watch.reflector import WatchSettings
from argoscope.watch.status import State
from support import envtest
from support.daemon import daemon
from support.envtest import EnvTest, apply, eventually, install_crds
from support.manifests import DEPLOY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
COLLECTIONS = {
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
    "Role": f"{RBAC}/namespaces/argoscope/roles",
    "RoleBinding": f"{RBAC}/namespaces/argoscope/rolebindings",
}
KINDS = {kind.name: kind for kind in load()}
Object = dict[str, Any]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


@pytest.fixture
async def admin(real: EnvTest) -> AsyncIterator[Client]:
    async with real.client() as client:
        plurals = [kind.plural for kind in load() if kind.group == "argoproj.io"]
        await install_crds(client, *plurals)
        await apply(client, "/api/v1/namespaces", {"metadata": {"name": "argoscope"}})
        yield client


async def account(admin: Client, name: str) -> str:
    """Makes a ServiceAccount; returns a token of it, as a pod gets it."""
    accounts = "/api/v1/namespaces/argoscope/serviceaccounts"
    await apply(admin, accounts, {"metadata": {"name": name}})
    body = await admin.send("POST", f"{accounts}/{name}/token", {"spec": {}})
    token: str = msgspec.json.decode(body)["status"]["token"]
    return token


def manifest(component: str) -> list[Object]:
    """The generated objects, as they are in the repository."""
    folder = "base" if component == "base" else f"components/{component}"
    text = (DEPLOY / "kustomize" / folder / "rbac.yaml").read_text()
    return list(yaml.safe_load_all(text))


async def install(admin: Client, objects: list[Object], suffix: str) -> None:
    """Applies roles and bindings under a name of its own, for the account of that name."""
    for found in copy.deepcopy(objects):
        found["metadata"]["name"] += suffix
        if "roleRef" in found:
            found["roleRef"]["name"] += suffix
            found["subjects"][0]["name"] += suffix
        await apply(admin, COLLECTIONS[found["kind"]], found)


async def account_with(admin: Client, suffix: str, *objects: Object) -> str:
    """A token of an account that has these rules and no others."""
    token = await account(admin, f"argoscope{suffix}")
    await install(admin, list(objects), suffix)
    return token


def credentials(real: EnvTest, token: str) -> Static:
    tls = ssl.create_default_context(cafile=str(real.state / "pki" / "ca.crt"))
    return Static(Access(server=real.address, authorization=f"Bearer {token}", tls=tls))


def kubeconfig(real: EnvTest, token: str, path: Path) -> Path:
    ca = str(real.state / "pki" / "ca.crt")
    config = {
        "clusters": [
            {"name": "c", "cluster": {"server": real.address, "certificate-authority": ca}}
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def examined(
    real: EnvTest, token: str, settings: Settings | None = None
) -> dict[str, Finding]:
    found = await doctor.examine(settings or Settings(), {}, credentials(real, token))
    return {finding.subject: finding for finding in found}


@asynccontextmanager
async def running(
    real: EnvTest, token: str, settings: Settings | None = None
) -> AsyncIterator[Daemon]:
    """The daemon in this process."""
    found = Daemon(
        settings or Settings(),
        credentials(real, token),
        bind("127.0.0.1", 0),
        watching=WatchSettings(forbidden_seconds=1.0),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(found.run(stop))
    try:
        yield found
    finally:
        stop.set()
        await task


async def test_with_exactly_these_rules_the_daemon_is_ready_and_doctor_content(
    real: EnvTest, admin: Client, tmp_path: Path
) -> None:
    token = await account_with(admin, "", *manifest("base"))
    async with daemon(kubeconfig(real, token, tmp_path / "kubeconfig")) as found:
        await found.ready(60.0)
        _, text, _ = await found.get("/readyz")
        assert all(line.startswith("ok ") for line in text.splitlines()), text
        assert "forbidden" not in text
    findings = await examined(real, token)
    assert findings.pop("otlp").level is Level.NOTE
    levels = {finding.subject: finding.level for finding in findings.values()}
    assert len([subject for subject in levels if subject.startswith("access ")]) == len(KINDS)
    # This API server is of 1.20; its age is not what is asked here.
    assert {level for subject, level in levels.items() if subject != "api server"} == {Level.OK}


async def test_nothing_else_is_allowed(real: EnvTest, admin: Client) -> None:
    token = await account_with(admin, "-least", *manifest("base"))
    async with Client(credentials(real, token)) as client:
        for path in (
            "/api/v1/secrets",
            "/api/v1/configmaps",
            "/api/v1/namespaces/argoscope/serviceaccounts",
            "/apis/apps/v1/deployments",
            "/apis/coordination.k8s.io/v1/namespaces/argoscope/leases",
        ):
            with pytest.raises(ForbiddenError):
                await client.get(path)
        for kind in KINDS.values():
            for verb in ("create", "update", "patch", "delete", "deletecollection"):
                answer = await client.allowed(verb, kind.group, kind.plural)
                assert not answer.allowed, f"{verb} {kind.plural}"


def without(plurals: set[str], verb: str = "") -> Object:
    """The ClusterRole with these kinds taken out, or only that verb of them."""
    role = copy.deepcopy(manifest("base")[0])
    rules = role.pop("rules")
    role["rules"] = [{**rule, "resources": _but(rule["resources"], plurals)} for rule in rules]
    if verb:
        for rule in rules:
            those = [name for name in rule["resources"] if name in plurals]
            left = [one for one in rule["verbs"] if one != verb]
            role["rules"].append({**rule, "resources": those, "verbs": left})
    role["rules"] = [rule for rule in role["rules"] if rule["resources"]]
    return role


def _but(names: list[str], gone: set[str]) -> list[str]:
    return [name for name in names if name not in gone]


async def settled(real: EnvTest, token: str) -> tuple[dict[str, State], str, bool]:
    """Where the kinds stand once each has been tried; the lines of /readyz; and its answer."""
    async with running(real, token) as found:

        def tried() -> bool:
            states = {one.state for one in found.statuses()}
            return not states & {State.SYNCING, State.FAILING}

        await eventually(tried)
        statuses = found.statuses()
        states = {one.resource: one.state for one in statuses}
        return states, readiness(statuses), all(one.ready for one in statuses)


@pytest.mark.parametrize("name", sorted(KINDS))
async def test_a_kind_without_its_permission_is_named_and_the_others_work(
    real: EnvTest, admin: Client, name: str
) -> None:
    kind = KINDS[name]
    role = without({kind.plural})
    token = await account_with(admin, f"-no-{name}", role, manifest("base")[1])
    states, text, ready = await settled(real, token)
    assert states.pop(name) is State.FORBIDDEN
    assert set(states.values()) == {State.SYNCED}
    mark = "degraded" if kind.optional else "waiting"
    assert re.search(
        rf"^{mark} {name} .*grant get, list and watch on {what(name)} ", text, re.MULTILINE
    )
    assert ready is kind.optional
    finding = (await examined(real, token))[f"access {what(name)}"]
    assert finding.level is (Level.DEGRADED if kind.optional else Level.MISSING)
    assert "get, list, watch" in finding.message
    assert f"--resource={what(name)}" in finding.advice


@pytest.mark.parametrize("group", sorted({kind.group for kind in load()}))
async def test_without_a_whole_rule_all_of_its_kinds_are_named_and_the_others_work(
    real: EnvTest, admin: Client, group: str
) -> None:
    gone = {name for name, kind in KINDS.items() if kind.group == group}
    role = without({KINDS[name].plural for name in gone})
    assert len(role["rules"]) == len(manifest("base")[0]["rules"]) - 1
    suffix = f"-no-{group or 'core'}"
    states, text, _ = await settled(
        real, await account_with(admin, suffix, role, manifest("base")[1])
    )
    assert {name for name, state in states.items() if state is State.FORBIDDEN} == gone
    assert {state for name, state in states.items() if name not in gone} <= {State.SYNCED}
    for name in gone:
        assert f"grant get, list and watch on {what(name)} " in text


@pytest.mark.parametrize("verb", rbac.VERBS)
@pytest.mark.parametrize("name", ["pods", "workflows"])
async def test_a_verb_that_is_missing_is_named_where_it_is_needed(
    real: EnvTest, admin: Client, name: str, verb: str
) -> None:
    """``get`` the daemon does not need, nor ``list`` where the server lists by watching: that of
    the custom resources is new enough."""
    role = without({KINDS[name].plural}, verb)
    token = await account_with(admin, f"-{name}-no-{verb}", role, manifest("base")[1])
    states, text, _ = await settled(real, token)
    needed = verb == "watch" or (verb, name) == ("list", "pods")
    assert states.pop(name) is (State.FORBIDDEN if needed else State.SYNCED)
    assert set(states.values()) == {State.SYNCED}
    assert ("forbidden" in text) is needed
    assert (f"cannot {verb} resource" in text) is needed
    finding = (await examined(real, token))[f"access {what(name)}"]
    assert finding.message == f"not allowed in the whole cluster: {verb}"
    assert finding.level is (Level.NOTE if verb == "get" else Level.MISSING)


def what(name: str) -> str:
    """As RBAC names the kind."""
    kind = KINDS[name]
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


async def test_in_namespaced_mode_a_role_is_enough(real: EnvTest, admin: Client) -> None:
    token = await account_with(admin, "-own", *manifest("namespaced"))
    off = tuple(kind.name for kind in KINDS.values() if not kind.namespaced)
    settings = Settings(namespaces=("argoscope",), resources=Resources(disabled=off))
    async with running(real, token, settings) as found:
        await eventually(lambda: all(one.has_synced for one in found.statuses()))
    findings = await examined(real, token, settings)
    denied = [one for one in findings.values() if one.level is Level.MISSING]
    assert denied == []
    elsewhere = await examined(real, token, Settings(namespaces=("default",)))
    assert elsewhere["access pods (default)"].level is Level.MISSING


async def test_the_lease_has_a_role_of_its_own(real: EnvTest, admin: Client) -> None:
    settings = Settings(lease=Lease(enabled="always", namespace="argoscope"))
    subject = "access leases.coordination.k8s.io"
    token = await account_with(admin, "-leased", *manifest("base"), *manifest("no-volume"))
    assert (await examined(real, token, settings))[subject].level is Level.OK
    other = Settings(lease=Lease(enabled="always", namespace="argoscope", shard=1))
    assert (await examined(real, token, other))[subject].level is Level.DEGRADED
    none = await account_with(admin, "-unleased", *manifest("base"))
    finding = (await examined(real, none, settings))[subject]
    assert finding.message.startswith("not allowed in namespace argoscope: get, create, update")


async def test_a_lease_that_is_allowed_is_held(
    real: EnvTest, admin: Client, tmp_path: Path
) -> None:
    token = await account_with(admin, "-holder", *manifest("base"), *manifest("no-volume"))
    config = tmp_path / "config"
    wanted = {"enabled": "always", "namespace": "argoscope", "holder": "argoscope-0"}
    config.write_text(yaml.safe_dump({"lease": wanted}))
    path = kubeconfig(real, token, tmp_path / "kubeconfig")
    async with daemon(path, "--config", str(config)) as found:
        await found.ready(60.0)
        assert "ok lease argoscope/argoscope-0 held" in (await found.get("/readyz"))[1]
        assert await found.stop() == 0


@pytest.mark.parametrize(("rule", "verbs"), [(0, "create"), (1, "get, update")])
async def test_a_lease_that_lacks_a_rule_is_named_and_the_kinds_work(
    real: EnvTest, admin: Client, tmp_path: Path, rule: int, verbs: str
) -> None:
    role, binding = manifest("no-volume")
    role["rules"][1]["resourceNames"] = ["argoscope-5"]  # which nobody else makes here
    del role["rules"][rule]
    suffix = f"-lease-no-{rule}"
    token = await account_with(admin, suffix, *manifest("base"), role, binding)
    lease = Lease(enabled="always", namespace="argoscope", shard=5)
    finding = (await examined(real, token, Settings(lease=lease)))[
        "access leases.coordination.k8s.io"
    ]
    assert finding.message.startswith(f"not allowed in namespace argoscope: {verbs}; ")
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump({"lease": msgspec.to_builtins(lease)}))
    path = kubeconfig(real, token, tmp_path / "kubeconfig")
    async with daemon(path, "--config", str(config)) as found:
        await found.ready(60.0)
        text = (await found.get("/readyz"))[1]
    (line,) = (line for line in text.splitlines() if " lease " in line)
    assert line.startswith("degraded lease")
    assert f"cannot {verbs.partition(',')[0]} resource" in line
    others = [one for one in text.splitlines() if one != line]
    assert len(others) >= len(KINDS)
    assert all(one.startswith("ok ") for one in others), text


async def test_tokens_are_reviewed_with_the_rules_of_the_authentication_component_only(
    real: EnvTest, admin: Client
) -> None:
    token = await account_with(admin, "-reviewing", *manifest("authentication")[:2])
    async with Client(credentials(real, token)) as client:
        review = "/apis/authentication.k8s.io/v1/tokenreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        asked = await client.send("POST", review, {**body, "spec": {"token": "viewer-token"}})
        assert msgspec.json.decode(asked)["status"]["user"]["username"] == "viewer"
        with pytest.raises(ForbiddenError):
            await client.get("/api/v1/pods")
    without_it = await account_with(admin, "-deaf", *manifest("base"))
    async with Client(credentials(real, without_it)) as client:
        with pytest.raises(ForbiddenError):
            await client.send("POST", review, {**body, "spec": {"token": "viewer-token"}})


@pytest.mark.parametrize("missing", ["tokenreviews", "subjectaccessreviews"])
async def test_without_a_rule_of_the_authentication_component_it_is_named(
    real: EnvTest, admin: Client, missing: str
) -> None:
    role, binding = manifest("authentication")[:2]
    role["rules"] = [rule for rule in role["rules"] if missing not in rule["resources"]]
    suffix = f"-no-{missing}"
    token = await account_with(admin, suffix, *manifest("base"), role, binding)
    settings = Settings(authentication=Authentication(tokens="review"))
    findings = await examined(real, token, settings)
    levels = {
        one.subject.partition(".")[0]: one.level
        for one in findings.values()
        if "reviews." in one.subject
    }
    (other,) = {"tokenreviews", "subjectaccessreviews"} - {missing}
    assert levels == {f"access {missing}": Level.MISSING, f"access {other}": Level.OK}
    async with running(real, token, settings) as found, aiohttp.ClientSession() as session:
        await eventually(lambda: all(one.state is State.SYNCED for one in found.statuses()))
        headers = {"Authorization": "Bearer viewer-token"}
        async with session.get(f"{found.address}/metrics", headers=headers) as answer:
            assert answer.status == 503
        async with session.get(f"{found.address}/readyz") as answer:
            assert answer.status == 200
            text = await answer.text()
    assert re.search(
        rf"^degraded tokens: .*cannot create resource \"{missing}\"", text, re.MULTILINE
    )


def test_the_rules_are_what_is_in_the_repository() -> None:
    assert manifest("base")[0]["rules"] == rbac.watch_rules(load())
