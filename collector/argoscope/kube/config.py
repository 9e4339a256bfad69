"""Credentials: in-cluster or from a kubeconfig, and kept fresh while the daemon runs."""

import asyncio
import concurrent.futures
import importlib
import os
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar

import yaml

from argoscope.kube.errors import ConfigError

T = TypeVar("T")

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

RECHECK = 60.0
"""Seconds after which files are read again: client-go's pace, well within the life of a rotated
service account token (the kubelet renews it at 80 %)."""

EXPIRY_MARGIN = 120.0
"""Seconds before its expiry at which a plugin's token is renewed."""

PLUGIN_TIMEOUT = 60.0
"""Seconds an exec plugin may take; a person may have to confirm something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How to reach the API server at this moment."""

    server: str
    """Base address without a trailing slash; may have a path (proxies such as Rancher)."""
    authorization: str = ""
    tls: ssl.SSLContext | bool = True
    server_hostname: str | None = None
    """Name to verify the certificate against, where it is not the address's."""
    proxy: str | None = None
    compress: bool = False
    """Ask for compressed lists: saves a slow line, costs CPU on both sides."""


_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError)
"""What the library raises for a document that has not a kubeconfig's shape."""

_UNSET = {
    "host": "",
    "ssl_ca_cert": None,
    "cert_file": None,
    "key_file": None,
    "verify_ssl": True,
    "tls_server_name": None,
    "proxy": None,
}
"""The attributes that the library's loader sets where the kubeconfig says something."""


class Credentials(Protocol):
    """Where access comes from. All errors are ConfigError."""

    async def access(self) -> Access:
        """The current access; cheap when nothing is to be renewed."""

    def invalidate(self) -> None:
        """The server refused them (401): the next ``access`` reads everything again."""


class Static:
    """Access that never changes."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def access(self) -> Access:
        return self._access

    def invalidate(self) -> None:
        pass


class _Renewing:
    """Keeps an access until it is due; one renewal at a time, however many streams ask."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._current: Access | None = None
        self._due = 0.0
        self._tls = _TlsCache()

    async def access(self) -> Access:
        if self._current is not None and self._clock() < self._due:
            return self._current
        async with self._lock:
            if self._current is None or self._clock() >= self._due:
                self._current, self._due = await self._load()
            return self._current

    def invalidate(self) -> None:
        self._due = 0.0

    async def _load(self) -> tuple[Access, float]:
        raise NotImplementedError


class InCluster(_Renewing):
    """The pod's service account; needs no Kubernetes client library."""

    def __init__(
        self,
        env: Mapping[str, str] = os.environ,
        folder: Path = SERVICE_ACCOUNT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock)
        host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
        self._server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        self._folder = folder

    async def _load(self) -> tuple[Access, float]:
        token_file = self._folder / "token"
        try:
            token = token_file.read_text().strip()
        except OSError as error:
            raise ConfigError(f"service account token {token_file}: {error.strerror}") from error
        tls = self._tls.context(str(self._folder / "ca.crt"), None, None, verify=True)
        access = Access(server=self._server, authorization=f"Bearer {token}", tls=tls)
        return access, self._clock() + RECHECK


class KubeConfig(_Renewing):
    """A kubeconfig's context: tokens, token files, client certificates, OIDC, exec plugins.

    The ``kubernetes`` package reads it. Importing that costs some 20 to 40 MB, so it happens here
    and not in a cluster.
    """

    def __init__(
        self, paths: str, context: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._paths = paths
        self._context = context

    async def _load(self) -> tuple[Access, float]:
        try:
            # A plugin is a process that is waited for, and it may ask a person.
            async with asyncio.timeout(PLUGIN_TIMEOUT):
                return await _in_thread(self._read)
        except TimeoutError as error:
            raise ConfigError(
                f"kubeconfig {self._paths}: the credential plugin did not answer within"
                f" {PLUGIN_TIMEOUT:.0f} s"
            ) from error

    def _read(self) -> tuple[Access, float]:
        library: Any = importlib.import_module("kubernetes.config.kube_config")
        target = SimpleNamespace(**_UNSET, api_key={})
        try:
            merger = library.KubeConfigMerger(self._paths)
            if merger.config is None:
                raise ConfigError(f"kubeconfig {self._paths}: no such file, or an empty one")
            loader = library.KubeConfigLoader(
                merger.config,
                active_context=self._context,
                config_base_path=None,
                config_persister=merger.save_changes,
            )
            loader.load_and_set(target)
            plugin = _plugin(merger.config, loader.current_context)
        except (library.ConfigException, yaml.YAMLError, OSError, *_MISSHAPEN) as error:
            raise ConfigError(f"kubeconfig {self._paths}: {error}") from error
        return self._checked(target, plugin), self._renewal(plugin, getattr(loader, "expiry", None))

    def _checked(self, target: Any, plugin: str) -> Access:
        token = target.api_key.get("BearerToken", "").strip()
        if plugin and not token and not target.cert_file:
            raise ConfigError(
                f"kubeconfig {self._paths}: {plugin} gave no credentials; its own message is in"
                " the log, and running it by hand shows it too"
            )
        if not target.host:
            raise ConfigError(f"kubeconfig {self._paths}: the cluster has no server address")
        tls: ssl.SSLContext | bool = True
        if target.host.startswith("https"):
            tls = self._tls.context(
                target.ssl_ca_cert, target.cert_file, target.key_file, verify=target.verify_ssl
            )
        return Access(
            server=target.host.rstrip("/"),
            authorization=token,
            tls=tls,
            server_hostname=target.tls_server_name,
            proxy=target.proxy or _proxy(target.host),
            compress=True,
        )

    def _renewal(self, plugin: str, expiry: datetime | None) -> float:
        """When to read again: a plugin before its token expires, files as they may rotate."""
        if expiry is not None:
            return max(expiry.timestamp() - EXPIRY_MARGIN, self._clock() + 1.0)
        return float("inf") if plugin else self._clock() + RECHECK


async def _in_thread(work: Callable[[], T]) -> T:
    """Runs it in a daemon thread: asyncio's own would keep the process from ending as long as a
    plugin hangs."""
    done: concurrent.futures.Future[T] = concurrent.futures.Future()
    done.set_running_or_notify_cancel()  # who gives up waiting can't cancel what runs

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed on to who waits for it
            done.set_exception(error)

    threading.Thread(target=run, name="credentials", daemon=True).start()
    return await asyncio.wrap_future(done)


def _plugin(config: Any, context: Any) -> str:
    """What makes the user's credentials when they are not in files; empty when they are."""
    name = context["context"].get("user") if isinstance(context, dict) else None
    node = config["users"].get_with_name(name, safe=True) if name else None
    user = node.value["user"] if node is not None else None
    if isinstance(user, dict) and "exec" in user:
        return f"the exec plugin {user['exec'].get('command', '')!r}"
    return "the auth provider" if isinstance(user, dict) and "auth-provider" in user else ""


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for this server, as kubectl takes it."""
    scheme, _, rest = server.partition("://")
    host = rest.partition("/")[0]
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


class _TlsCache:
    """Makes a TLS context again only when a file changed: a new one drops pooled connections."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._context: ssl.SSLContext | None = None

    def context(
        self, ca: str | None, cert: str | None, key: str | None, *, verify: bool
    ) -> ssl.SSLContext:
        try:
            files = tuple(
                (path, path and Path(path).stat().st_mtime_ns) for path in (ca, cert, key)
            )
            if self._context is None or self._key != (*files, verify):
                self._context = _tls(ca, cert, key, verify=verify)
                self._key = (*files, verify)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"certificates {ca}, {cert}: {error}") from error
        return self._context


def _tls(ca: str | None, cert: str | None, key: str | None, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key)
    return context


def find_credentials(
    kubeconfig: str | None = None,
    context: str | None = None,
    env: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> InCluster | KubeConfig:
    """What was asked for, or what is there: KUBECONFIG, the pod's service account,
    ``~/.kube/config``. Raises ConfigError when there is nothing."""
    default = Path(env.get("HOME", "~")).expanduser() / ".kube" / "config"
    if kubeconfig or env.get("KUBECONFIG"):
        return KubeConfig(kubeconfig or env["KUBECONFIG"], context)
    if env.get("KUBERNETES_SERVICE_HOST") and (service_account / "token").exists():
        return InCluster(env, service_account)
    if default.exists():
        return KubeConfig(str(default), context)
    raise ConfigError(
        "no cluster: not in a pod with a service account, KUBECONFIG is not set and"
        f" {default} does not exist; name a file with --kubeconfig"
    )
