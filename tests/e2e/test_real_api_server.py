"""The reflector against the real API server: custom resources of Kubernetes 1.36, pods of 1.20."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from argoscope.kube.client import Client, ClientSettings, Page, Params
from argoscope.kube.config import KubeConfig
from argoscope.kube.errors import ForbiddenError
from argoscope.watch.delta import Origin, Watched
from argoscope.watch.reflector import Reflector, WatchSettings
from argoscope.watch.selection import LabelAndField
from argoscope.watch.status import State
from support import envtest
from support.api_server import WORKFLOWS, Kind, Thing
from support.envtest import EnvTest, apply, eventually, install_crds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

CONFIG_MAPS = Kind("configmap", "", "v1", "configmaps")
SECRETS = Kind("secret", "", "v1", "secrets")
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


@pytest.fixture
async def admin(real: EnvTest) -> AsyncIterator[Client]:
    """An administrator, with the CRDs of Argo installed."""
    async with real.client() as client:
        await install_crds(client, "workflows", "rollouts")
        yield client


@dataclass
class Seen:
    """What a handler was told, by name."""

    live: dict[str, str] = field(default_factory=dict)
    """name -> uid"""
    versions: list[tuple[str, str]] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    def upsert(self, watched: Watched, obj: Thing, size: int, at: float, origin: Origin) -> None:
        meta = obj.metadata
        assert (meta.uid, meta.resource_version) not in self.versions, "delivered twice"
        self.versions.append((meta.uid, meta.resource_version))
        self.live[meta.name] = meta.uid
        self.log.append(("upsert", meta.name))
        self.origins.append(origin)

    def delete(self, watched: Watched, uid: str, obj: Thing | None, at: float) -> None:
        name = next((name for name, known in self.live.items() if known == uid), "?")
        self.live.pop(name, None)
        self.log.append(("tombstone" if obj is None else "delete", name))

    def listed(self, watched: Watched, stream: str, origin: Origin, at: float) -> None:
        self.log.append(("listed", origin.value))

    def problem(self, watched: Watched, reason: str, detail: str) -> None:
        raise AssertionError(f"{reason}: {detail}")


class Counting(Client):
    """A client that counts the pages that it fetched."""

    fetched = 0

    async def pages(self, path: str, params: Params | None = None) -> AsyncIterator[Page]:
        async for page in super().pages(path, params):
            self.fetched += 1
            yield page


@asynccontextmanager
async def reflecting(reflector: Reflector) -> AsyncIterator[Reflector]:
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
        if task.done():
            task.result()
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass


def reflector_of(kind: Kind, client: Client, seen: Seen, namespace: str, **more: Any) -> Reflector:
    settings = WatchSettings(**{"forbidden_seconds": 0.5, "absent_seconds": 0.5, **more})
    return Reflector(kind, client, seen, LabelAndField(), namespace=namespace, settings=settings)


async def namespace(admin: Client, name: str) -> str:
    await apply(admin, "/api/v1/namespaces", {"metadata": {"name": name}})
    return f"/apis/argoproj.io/v1alpha1/namespaces/{name}/workflows"


def workflow(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "suspend": {}}]},
    }


async def test_custom_resources_are_followed_from_a_streaming_list(
    real: EnvTest, admin: Client
) -> None:
    path = await namespace(admin, "follow")
    for number in range(5):
        await apply(admin, path, workflow(f"w{number}"))
    seen = Seen()
    async with (
        Counting(KubeConfig(str(real.kubeconfig))) as client,
        reflecting(reflector_of(WORKFLOWS, client, seen, "follow")) as reflector,
    ):
        await eventually(lambda: reflector.status.has_synced)
        assert sorted(seen.live) == [f"w{number}" for number in range(5)]
        assert set(seen.origins) == {Origin.FIRST_LIST}
        assert client.fetched == 0, "this server has streaming lists"
        await admin.send("PATCH", f"{path}/w0", {"metadata": {"labels": {"a": "b"}}})
        await apply(admin, path, workflow("new"))
        await admin.send("DELETE", f"{path}/w1", {})
        await eventually(lambda: ("delete", "w1") in seen.log)
        assert seen.log[-3:] == [("upsert", "w0"), ("upsert", "new"), ("delete", "w1")]
        assert reflector.status.failures == {}


async def test_an_older_server_is_listed_by_pages(real: EnvTest, admin: Client) -> None:
    await namespace(admin, "pages")
    path = "/api/v1/namespaces/pages/configmaps"
    for number in range(12):
        await apply(admin, path, {"metadata": {"name": f"c{number:02}"}})
    seen = Seen()
    settings = ClientSettings(first_page=5, page_size=5)
    async with (
        Counting(KubeConfig(str(real.kubeconfig)), settings) as client,
        reflecting(reflector_of(CONFIG_MAPS, client, seen, "pages")) as reflector,
    ):
        await eventually(lambda: reflector.status.state is State.SYNCED and reflector.status.up)
        ours = [name for name in sorted(seen.live) if name.startswith("c")]
        assert ours == [f"c{number:02}" for number in range(12)]
        assert client.fetched >= 3
        await apply(admin, path, {"metadata": {"name": "later"}})
        await eventually(lambda: "later" in seen.live)
        assert reflector.status.failures == {}


async def test_only_the_selected_objects_are_sent(real: EnvTest, admin: Client) -> None:
    path = await namespace(admin, "select")
    await apply(admin, path, workflow("mine", team="data"))
    await apply(admin, path, workflow("other", team="web"))
    seen = Seen()
    one = Reflector(WORKFLOWS, admin, seen, LabelAndField("team in (data)"), namespace="select")
    async with reflecting(one):
        await eventually(lambda: one.status.has_synced)
        assert list(seen.live) == ["mine"]
        await admin.send("PATCH", f"{path}/mine", {"metadata": {"labels": {"team": "web"}}})
        await eventually(lambda: not seen.live)
        await admin.send("PATCH", f"{path}/other", {"metadata": {"labels": {"team": "data"}}})
        await eventually(lambda: "other" in seen.live)
    assert ("delete", "mine") in seen.log


async def test_a_kind_is_absent_until_its_crd_is_installed(real: EnvTest, admin: Client) -> None:
    seen = Seen()
    kind = Kind("cron_workflow", plural="cronworkflows")
    async with reflecting(reflector_of(kind, admin, seen, "")) as reflector:
        await eventually(lambda: reflector.status.state is State.ABSENT)
        assert "CRD is not installed" in reflector.status.reason
        await install_crds(admin, "cronworkflows")
        await eventually(lambda: reflector.status.state is State.SYNCED)
        assert [what for what, _ in seen.log] == ["listed"]


async def test_rights_that_are_missing_are_named_and_taken_up_when_given(
    real: EnvTest, admin: Client
) -> None:
    await namespace(admin, "rbac")
    await apply(admin, "/api/v1/namespaces/rbac/secrets", {"metadata": {"name": "s"}})
    seen = Seen()
    async with real.viewer() as viewer:
        with pytest.raises(ForbiddenError, match='User "viewer" cannot list resource "secrets"'):
            await viewer.get("/api/v1/namespaces/rbac/secrets")
        assert not (await viewer.allowed("list", "", "secrets", "rbac")).allowed
        async with reflecting(reflector_of(SECRETS, viewer, seen, "rbac")) as reflector:
            await eventually(lambda: reflector.status.state is State.FORBIDDEN)
            assert "grant get, list and watch on secrets" in reflector.status.reason
            await grant(admin, "rbac", "", "secrets")
            await eventually(lambda: reflector.status.state is State.SYNCED)
        review = await viewer.allowed("watch", "", "secrets", "rbac")
    assert review.allowed
    assert "RBAC" in review.reason
    assert "s" in seen.live


async def grant(admin: Client, where: str, group: str, plural: str) -> None:
    verbs = ["get", "list", "watch"]
    rule = {"apiGroups": [group], "resources": [plural], "verbs": verbs}
    path = f"{RBAC}/namespaces/{where}"
    await apply(admin, f"{path}/roles", {"metadata": {"name": "see"}, "rules": [rule]})
    api = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "see"},
        "roleRef": {"apiGroup": api, "kind": "Role", "name": "see"},
        "subjects": [{"apiGroup": api, "kind": "User", "name": "viewer"}],
    }
    await apply(admin, f"{path}/rolebindings", binding)


async def test_what_happened_while_a_position_expired_is_made_up_by_a_relist(
    real: EnvTest, admin: Client
) -> None:
    """A restarted API server does not remember what was before it."""
    path = await namespace(admin, "expire")
    for name in ("kept", "changed", "removed"):
        await apply(admin, path, workflow(name))
    seen = Seen()
    reflector = reflector_of(WORKFLOWS, admin, seen, "expire")
    async with reflecting(reflector):
        await eventually(lambda: reflector.status.state is State.SYNCED and reflector.status.up)
    await admin.send("PATCH", f"{path}/changed", {"metadata": {"labels": {"a": "b"}}})
    await admin.send("DELETE", f"{path}/removed", {})
    await apply(admin, path, workflow("born"))
    await asyncio.to_thread(real.kill)
    await asyncio.to_thread(real.start)
    await eventually(lambda: admin.get(path))
    async with reflecting(reflector):
        await eventually(lambda: "born" in seen.live and "removed" not in seen.live)
        await eventually(lambda: reflector.status.up)
    assert sorted(seen.live) == ["born", "changed", "kept"]
    assert reflector.status.relists == {"expired": 1}
    assert ("tombstone", "removed") in seen.log


async def test_a_killed_api_server_is_found_again(real: EnvTest, admin: Client) -> None:
    path = await namespace(admin, "outage")
    await apply(admin, path, workflow("before"))
    seen = Seen()
    one = reflector_of(WORKFLOWS, admin, seen, "outage", backoff_max=1.0)
    async with reflecting(one):
        await eventually(lambda: one.status.state is State.SYNCED and one.status.up)
        await asyncio.to_thread(real.kill)
        await eventually(lambda: one.status.state is State.FAILING)
        assert "can't reach the API server" in one.status.reason
        assert not one.status.up
        await asyncio.to_thread(real.start)
        await eventually(lambda: admin.get(path))
        await apply(admin, path, workflow("after"))
        await eventually(lambda: "after" in seen.live)
        await eventually(lambda: one.status.state is State.SYNCED)
    assert sorted(seen.live) == ["after", "before"]
    assert ("tombstone", "before") not in seen.log, "it was there all the time"
