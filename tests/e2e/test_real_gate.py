"""/metrics behind TLS, with tokens that a real API server knows, as the daemon's process."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from argoscope.kube.client import Client
from support import envtest
from support.daemon import daemon
from support.envtest import EnvTest, apply, install_crds

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvTest]:
    yield from envtest.running(tmp_path_factory.mktemp("envtest"))


@pytest.fixture
async def admin(real: EnvTest) -> AsyncIterator[Client]:
    async with real.client() as client:
        await install_crds(client, "workflows")
        yield client


async def test_tokens_of_a_real_api_server(real: EnvTest, admin: Client, tmp_path: Path) -> None:
    pki = real.state / "pki"
    config = tmp_path / "config"
    settings = {
        "tls": {"cert": str(pki / "server.crt"), "key": str(pki / "server.key")},
        "authentication": {"tokens": "review"},
    }
    config.write_text(yaml.safe_dump(settings))
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    async with daemon(real.kubeconfig, "--config", str(config)) as found:
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def status(path: str, token: str = "") -> int:
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with session.get(found.address + path, headers=headers) as response:
                    await response.read()
                    return response.status

            assert await status("/livez") == 200
            assert await status("/metrics") == 401
            assert await status("/metrics", "no-such-token") == 401
            assert await status("/metrics", "viewer-token") == 403
            assert await status("/metrics", "admin-token") == 200
            rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
            scraper = {"metadata": {"name": "argoscope-scraper"}, "rules": rules}
            await apply(admin, f"{RBAC}/clusterroles", scraper)
            bound = {
                "metadata": {"name": "viewer-scrapes"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "argoscope-scraper",
                },
                "subjects": [
                    {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "viewer"}
                ],
            }
            await apply(admin, f"{RBAC}/clusterrolebindings", bound)

            async def let_in() -> bool:
                return await status("/metrics", "viewer-token") == 200

            # A refusal holds for some seconds.
            await envtest.eventually(let_in, 30.0)
            assert await status("/", "viewer-token") == 403
        everything = found.log(10_000)
        assert "listening" in everything
        for token in ("admin-token", "viewer-token", "no-such-token"):
            assert token not in everything
