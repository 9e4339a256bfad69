"""Credentials: where they are found, and how they are kept fresh."""

import os
import ssl
import subprocess
import sys
import tempfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from argoscope.kube import config
from argoscope.kube.client import Client
from argoscope.kube.config import (
    RECHECK,
    InCluster,
    KubeConfig,
    Static,
    find_credentials,
)
from argoscope.kube.errors import ConfigError
from argoscope.simulator.api_server import ApiServer
from support.certificates import self_signed

PLUGIN = """
import json, pathlib, sys
calls = pathlib.Path(sys.argv[1])
count = len(calls.read_text()) + 1 if calls.exists() else 1
calls.write_text("x" * count)
status = {"token": f"token-{count}"}
if len(sys.argv) > 2:
    status["expirationTimestamp"] = sys.argv[2]
print(json.dumps({
    "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
}))
"""


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def kubeconfig(folder: Path, user: dict[str, Any], server: str = "http://127.0.0.1:1") -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "c", "context": {"cluster": "k", "user": "u"}},
            {"name": "anonymous", "context": {"cluster": "k", "user": "nobody"}},
        ],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(document))
    return path


def plugin(folder: Path, *arguments: str) -> dict[str, Any]:
    script = folder / "plugin.py"
    script.write_text(PLUGIN)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script), str(folder / "calls"), *arguments],
            "interactiveMode": "Never",
        }
    }


async def test_a_token_in_the_kubeconfig(tmp_path: Path) -> None:
    access = await KubeConfig(str(kubeconfig(tmp_path, {"token": "t1"}))).access()
    assert (access.server, access.authorization) == ("http://127.0.0.1:1", "Bearer t1")
    assert access.compress


async def test_a_rotated_token_file_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t1\n")
    clock = Clock()
    credentials = KubeConfig(str(kubeconfig(tmp_path, {"tokenFile": "token"})), clock=clock)
    assert (await credentials.access()).authorization == "Bearer t1"
    token.write_text("t2\n")
    assert (await credentials.access()).authorization == "Bearer t1"
    clock.now += RECHECK + 1
    assert (await credentials.access()).authorization == "Bearer t2"


async def test_files_that_stay_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    path = kubeconfig(tmp_path, {"token": "t1"})
    credentials = KubeConfig(str(path), clock=clock)
    await credentials.access()
    executable = sys.executable
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    clock.now += RECHECK + 1
    assert (await credentials.access()).authorization == "Bearer t1"
    monkeypatch.setattr(sys, "executable", executable)
    path.write_text(path.read_text().replace("t1", "t2"))
    clock.now += RECHECK + 1
    assert (await credentials.access()).authorization == "Bearer t2"


async def test_a_client_certificate_in_the_kubeconfig_is_used_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path / "made")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    user = {
        "client-certificate-data": b64encode(certificate.read_bytes()).decode(),
        "client-key-data": b64encode(key.read_bytes()).decode(),
    }
    path = kubeconfig(tmp_path, user, "https://127.0.0.1:1")
    access = await KubeConfig(str(path)).access()
    assert isinstance(access.tls, ssl.SSLContext)
    assert not list((tmp_path / "tmp").iterdir())
    key.write_text("nonsense")
    user["client-key-data"] = b64encode(b"nonsense").decode()
    kubeconfig(tmp_path, user, "https://127.0.0.1:1")
    with pytest.raises(ConfigError, match="certificates of kubeconfig"):
        await KubeConfig(str(path)).access()


async def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t1")
    async with ApiServer() as server:
        server.tokens = {"t2"}
        path = kubeconfig(tmp_path, {"tokenFile": "token"}, server.address)
        async with Client(KubeConfig(str(path))) as client:
            with pytest.raises(Exception, match="401"):
                await client.get("/version")
            token.write_text("t2")
            assert await client.get_json("/version")


async def test_an_exec_plugin_runs_once_until_its_token_expires(tmp_path: Path) -> None:
    clock = Clock()  # 2026-09-21T14:13:20Z
    path = kubeconfig(tmp_path, plugin(tmp_path, "2026-09-21T15:13:20Z"))
    credentials = KubeConfig(str(path), clock=clock)
    assert (await credentials.access()).authorization == "Bearer token-1"
    clock.now += 3400
    assert (await credentials.access()).authorization == "Bearer token-1"
    clock.now += 100
    assert (await credentials.access()).authorization == "Bearer token-2"


async def test_an_exec_plugin_without_expiry_runs_again_when_its_token_is_refused(
    tmp_path: Path,
) -> None:
    clock = Clock()
    credentials = KubeConfig(str(kubeconfig(tmp_path, plugin(tmp_path))), clock=clock)
    assert (await credentials.access()).authorization == "Bearer token-1"
    clock.now += 1e6
    assert (await credentials.access()).authorization == "Bearer token-1"
    credentials.invalidate()
    assert (await credentials.access()).authorization == "Bearer token-2"


async def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/tool"}}
    credentials = KubeConfig(str(kubeconfig(tmp_path, user)))
    with pytest.raises(ConfigError, match=r"exec plugin '/no/such/tool' gave no credentials"):
        await credentials.access()


async def test_a_plugin_that_hangs_is_given_up_and_its_reader_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "PLUGIN_TIMEOUT", 0.2)
    pipe = tmp_path / "never"
    os.mkfifo(pipe)  # reading it waits until somebody writes
    user = plugin(tmp_path)
    user["exec"] |= {"command": "cat", "args": [str(pipe)]}
    with pytest.raises(ConfigError, match="did not answer within"):
        await KubeConfig(str(kubeconfig(tmp_path, user))).access()
    mine = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert not [one for one in mine if "kubeconfig" in one]
    with suppress(OSError):  # lets a plugin go that was started before
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))


def test_a_reader_whose_daemon_was_killed_ends_without_a_word(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t"})
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody_reads:
        command = [sys.executable, "-m", "argoscope.kube.kubeconfig", str(path)]
        done = subprocess.run(command, stdout=nobody_reads, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (None, None, "no such file"),
        ("", None, "config: "),
        ("{", None, "config: while parsing"),
        ("[1, 2]", None, "config: "),
        ("clusters: 5", None, "config: "),
        ("clusters: []", None, "current-context"),
        (None, "absent", "no such file"),
    ],
)
async def test_a_broken_kubeconfig_says_what_is_wrong(
    tmp_path: Path, text: str | None, context: str | None, said: str
) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        await KubeConfig(str(path), context).access()


async def test_a_context_can_be_chosen_and_must_exist(tmp_path: Path) -> None:
    path = str(kubeconfig(tmp_path, {"token": "t"}))
    assert (await KubeConfig(path, "anonymous").access()).authorization == ""
    with pytest.raises(ConfigError, match="no-such-context"):
        await KubeConfig(path, "no-such-context").access()


async def test_a_cluster_without_address_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t"})
    path.write_text(path.read_text().replace("server: http://127.0.0.1:1", "x: y"))
    with pytest.raises(ConfigError, match="no server address"):
        await KubeConfig(str(path)).access()


async def test_certificates_that_are_missing_are_named(tmp_path: Path) -> None:
    user = {"client-certificate": "absent.crt", "client-key": "absent.key"}
    path = kubeconfig(tmp_path, user, "https://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"absent\.crt"):
        await KubeConfig(str(path)).access()


async def test_verification_can_be_switched_off_by_the_kubeconfig(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "t"}, "https://127.0.0.1:1")
    text = path.read_text().replace("server:", "insecure-skip-tls-verify: true\n    server:")
    path.write_text(text)
    access = await KubeConfig(str(path)).access()
    assert not isinstance(access.tls, bool)
    assert not access.tls.check_hostname


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        ({"http_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "127.0.0.1"}, None),
        ({}, None),
    ],
    ids=["proxy", "except this host", "none"],
)
async def test_the_environments_proxy_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], proxy: str | None
) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    access = await KubeConfig(str(kubeconfig(tmp_path, {"token": "t"}))).access()
    assert access.proxy == proxy


def service_account(folder: Path, token: str) -> Path:
    import certifi

    (folder / "token").write_text(token)
    (folder / "ca.crt").write_text(Path(certifi.where()).read_text())
    return folder


@pytest.mark.parametrize(
    ("host", "address"),
    [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
async def test_in_a_cluster_the_service_accounts_token_is_kept_fresh(
    tmp_path: Path, host: str, address: str
) -> None:
    clock = Clock()
    folder = service_account(tmp_path, "t1\n")
    env = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    credentials = InCluster(env, folder, clock)
    first = await credentials.access()
    assert (first.server, first.authorization, first.compress) == (address, "Bearer t1", False)
    (tmp_path / "token").write_text("t2")
    clock.now += RECHECK + 1
    second = await credentials.access()
    assert second.authorization == "Bearer t2"
    assert second.tls is first.tls, "connections are pooled by their TLS context"
    authorities = (tmp_path / "ca.crt").read_text()
    (tmp_path / "ca.crt").write_text(authorities.partition("-----END CERTIFICATE-----\n")[2])
    credentials.invalidate()
    assert (await credentials.access()).tls is not first.tls


async def test_comments_of_an_authority_may_be_in_any_language(tmp_path: Path) -> None:
    folder = service_account(tmp_path, "t")
    authorities = (folder / "ca.crt").read_text()
    (folder / "ca.crt").write_text("# Főtanúsítvány\n" + authorities, encoding="utf-8")
    access = await InCluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, folder).access()
    assert isinstance(access.tls, ssl.SSLContext)
    assert access.tls.cert_store_stats()["x509"] == authorities.count("BEGIN CERTIFICATE")


@pytest.mark.parametrize("content", ["", "\n", "no certificate"])
async def test_an_authority_without_a_certificate_is_never_taken_for_the_systems(
    tmp_path: Path, content: str
) -> None:
    folder = service_account(tmp_path, "t")
    (folder / "ca.crt").write_text(content)
    with pytest.raises(ConfigError, match=r"certificates of .*ca\.crt"):
        await InCluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, folder).access()
    path = kubeconfig(tmp_path, {"token": "t"}, "https://127.0.0.1:1")
    text = path.read_text().replace("server:", "certificate-authority: ca.crt\n    server:")
    path.write_text(text)
    with pytest.raises(ConfigError, match="certificates of kubeconfig"):
        await KubeConfig(str(path)).access()


async def test_a_missing_service_account_is_an_error_with_its_path(tmp_path: Path) -> None:
    credentials = InCluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    with pytest.raises(ConfigError, match=f"{tmp_path}/token: No such file"):
        await credentials.access()
    (tmp_path / "token").write_text("t")
    with pytest.raises(ConfigError, match=r"ca\.crt"):
        await credentials.access()


def test_what_is_there_is_found(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    in_pod = env | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    with pytest.raises(ConfigError, match="--kubeconfig"):
        find_credentials(env=env, service_account=tmp_path)
    with pytest.raises(ConfigError, match="--kubeconfig"):
        find_credentials(env=in_pod, service_account=tmp_path / "absent")
    account = service_account(tmp_path, "t")
    assert isinstance(find_credentials(env=in_pod, service_account=account), InCluster)
    found = find_credentials("mine", env=in_pod, service_account=account)
    assert isinstance(found, KubeConfig)
    named = find_credentials(env=in_pod | {"KUBECONFIG": "x"}, service_account=account)
    assert isinstance(named, KubeConfig)
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert isinstance(find_credentials(env=env, service_account=account), KubeConfig)


async def test_static_access_stays(tmp_path: Path) -> None:
    access = await KubeConfig(str(kubeconfig(tmp_path, {"token": "t"}))).access()
    static = Static(access)
    static.invalidate()
    assert await static.access() is access
