"""Credentials: in-cluster or from a kubeconfig, and kept fresh while the daemon runs."""

import asyncio
import os
import ssl
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from argoscope.kube.errors import ConfigError
from argoscope.kube.kubeconfig import Answer, pem_text

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
        ca = self._folder / "ca.crt"
        try:
            pems = Pems(pem_text(ca))
        except OSError as error:
            raise ConfigError(f"service account's authority {ca}: {error.strerror}") from error
        tls = self._tls.context(str(ca), pems, verify=True)
        access = Access(server=self._server, authorization=f"Bearer {token}", tls=tls)
        return access, self._clock() + RECHECK


class KubeConfig(_Renewing):
    """A kubeconfig's context: tokens, token files, client certificates, OIDC, exec plugins.

    ``kubeconfig.py`` reads it, as a process that ends.
    """

    def __init__(
        self, paths: str, context: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._paths = paths
        self._context = context
        self._answer: Answer | None = None
        self._stamps: tuple[object, ...] = ()

    def invalidate(self) -> None:
        super().invalidate()
        self._answer = None

    async def _load(self) -> tuple[Access, float]:
        answer = self._answer
        if answer is None or answer.plugin or self._stamps != _stamps(answer.files):
            answer = await self._ask()
            self._stamps = _stamps(answer.files)
        access = self._checked(answer)
        self._answer = answer
        return access, self._renewal(answer)

    async def _ask(self) -> Answer:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "argoscope.kube.kubeconfig", self._paths),
            *([self._context] if self._context is not None else []),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            # A plugin is a process that is waited for, and it may ask a person.
            async with asyncio.timeout(PLUGIN_TIMEOUT):
                said, _ = await process.communicate()
        except TimeoutError as error:
            raise ConfigError(
                f"kubeconfig {self._paths}: the credential plugin did not answer within"
                f" {PLUGIN_TIMEOUT:.0f} s"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            answer = msgspec.json.decode(said, type=Answer)
        except msgspec.MsgspecError as error:
            raise ConfigError(
                f"kubeconfig {self._paths}: its reader ended with code {process.returncode}; its"
                " own message is in the log"
            ) from error
        if answer.error:
            raise ConfigError(f"kubeconfig {self._paths}: {answer.error}")
        return answer

    def _checked(self, answer: Answer) -> Access:
        if answer.plugin and not answer.authorization and not answer.cert:
            raise ConfigError(
                f"kubeconfig {self._paths}: {answer.plugin} gave no credentials; its own message"
                " is in the log, and running it by hand shows it too"
            )
        if not answer.server:
            raise ConfigError(f"kubeconfig {self._paths}: the cluster has no server address")
        tls: ssl.SSLContext | bool = True
        if answer.server.startswith("https"):
            pems = Pems(answer.ca, answer.cert, answer.key)
            tls = self._tls.context(f"kubeconfig {self._paths}", pems, verify=answer.verify)
        return Access(
            server=answer.server.rstrip("/"),
            authorization=answer.authorization,
            tls=tls,
            server_hostname=answer.server_hostname,
            proxy=answer.proxy or _proxy(answer.server),
            compress=True,
        )

    def _renewal(self, answer: Answer) -> float:
        """When to look again: a plugin before its token expires, files as they may rotate."""
        if answer.expiry is not None:
            return max(answer.expiry - EXPIRY_MARGIN, self._clock() + 1.0)
        return float("inf") if answer.plugin else self._clock() + RECHECK


def _stamps(files: Iterable[str]) -> tuple[object, ...]:
    """Differ when one of the files was written to, replaced, or is gone."""
    return tuple(_stamp(Path(file)) for file in files)


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ino, found.st_size


def _proxy(server: str) -> str | None:
    """The proxy that the environment names for this server, as kubectl takes it."""
    scheme, _, rest = server.partition("://")
    host = rest.partition("/")[0]
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


class Pems(NamedTuple):
    """Certificates and key as text; None: the system's authorities, no client certificate."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class _TlsCache:
    """Makes a TLS context again only when something changed: a new one drops pooled
    connections."""

    def __init__(self) -> None:
        self._key: tuple[Pems, bool] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self, source: str, pems: Pems, *, verify: bool) -> ssl.SSLContext:
        """Raises ConfigError, with the source, for what is no certificate."""
        if self._context is None or self._key != (pems, verify):
            try:
                self._context = _tls(pems, verify=verify)
            except (OSError, ValueError) as error:
                raise ConfigError(f"certificates of {source}: {error}") from error
            self._key = (pems, verify)
        return self._context


def _tls(pems: Pems, *, verify: bool) -> ssl.SSLContext:
    if pems.ca == "":  # which ssl takes for none given: it would trust the system's
        raise ValueError("the authority's file is empty")
    context = ssl.create_default_context(cadata=pems.ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if pems.cert is not None:
        # OpenSSL takes these from a file only: one that nobody else can read, and that is gone.
        with tempfile.NamedTemporaryFile("w") as chain:
            chain.write(f"{pems.cert}\n{pems.key or ''}\n")
            chain.flush()
            context.load_cert_chain(chain.name)
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
