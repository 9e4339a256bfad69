"""TLS and who is let in: a real server, real handshakes, and an API server that is asked."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from argoscope.catalogue import catalogue
from argoscope.export.prometheus import Exposition
from argoscope.gate import review
from argoscope.gate.gate import Gate
from argoscope.gate.review import Reviewer, UnavailableError
from argoscope.gate.tls import ServingTls, TlsError
from argoscope.kube.errors import api_error
from argoscope.metrics.registry import Registry
from argoscope.server import Server, bind
from argoscope.settings import Authentication, Settings, Tls
from argoscope.start import find_tls

KNOWN = {"scraper-token": "prometheus", "other-token": "somebody"}


class ApiServer:
    """Answers reviews as an API server does, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure: Exception | None = None

    async def send(self, method: str, path: str, body: Any) -> bytes:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.asked.append(path.rpartition("/")[2])
        spec = body["spec"]
        if path == review.TOKEN_REVIEWS:
            user = KNOWN.get(spec["token"])
            known = {"username": user, "uid": "1", "groups": ["g"], "extra": {"a": ["b"]}}
            status = {"authenticated": True, "user": known} if user else {}
        else:
            wanted = {"path": "/metrics", "verb": "get"}
            assert spec["groups"] == ["g"] and spec["extra"] == {"a": ["b"]}
            status = {"allowed": spec["user"] == "prometheus"
                      and spec["nonResourceAttributes"] == wanted}  # fmt: skip
        return msgspec.json.encode({"status": status})


class Certificates:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:prime256v1", "-keyout", "ca.key", "-out", "ca.crt",
                      "-subj", "/CN=test-ca", "-addext", "keyUsage=critical,keyCertSign",
                      "-days", "2")  # fmt: skip

    def issue(self, name: str, common: str, *alternative: str) -> tuple[str, str]:
        """Paths of a certificate and its key."""
        self._openssl("req", "-nodes", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:prime256v1", "-keyout", f"{name}.key", "-out",
                      f"{name}.csr", "-subj", f"/CN={common}")  # fmt: skip
        names = ",".join(alternative or (f"DNS:{common}",))
        (self.folder / "ext").write_text(f"subjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                      "-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile",
                      "ext")  # fmt: skip
        return str(self.folder / f"{name}.crt"), str(self.folder / f"{name}.key")

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.crt")

    def _openssl(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


class Caller:
    def __init__(self, address: str, ca: str) -> None:
        self._address, self._ca = address, ca

    async def get(
        self, path: str, token: str = "", cert: tuple[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and text, on a connection of its own."""
        context = ssl.create_default_context(cafile=self._ca)
        if cert is not None:
            context.load_cert_chain(*cert)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self._address + path, headers=headers) as response,
        ):
            return response.status, await response.text()

    async def certificate(self) -> str:
        """The server's, as PEM."""
        host, _, port = self._address.removeprefix("https://").rpartition(":")
        return await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))


@asynccontextmanager
async def serving(tls: ServingTls, gate: Gate | None, ca: str) -> AsyncIterator[Caller]:
    registry = Registry(catalogue(), now=lambda: 1.0)
    server = Server(registry, Exposition(registry), list, tls=tls.context, gate=gate)
    address = await server.start(bind("127.0.0.1", 0))
    assert address.startswith("https://")
    try:
        yield Caller(address, ca)
    finally:
        await server.close()


def server_tls(certificates: Certificates, client_ca: str = "") -> ServingTls:
    return ServingTls(*certificates.issue("server", "argoscope", "IP:127.0.0.1"), client_ca)


async def test_only_a_token_that_is_known_and_allowed_is_let_in(certificates: Certificates) -> None:
    gate = Gate(reviewer=Reviewer(ApiServer()), certificates=False)
    async with serving(server_tls(certificates), gate, certificates.ca) as caller:
        assert (await caller.get("/metrics", "scraper-token"))[0] == 200
        assert (await caller.get("/metrics"))[0] == 401
        assert (await caller.get("/metrics", "wrong-token"))[0] == 401
        status, text = await caller.get("/metrics", "other-token")
        assert status == 403
        assert text.startswith("somebody may not get /metrics: bind a ClusterRole")
        for path in ("/", "/api/summary", "/nothing"):
            assert (await caller.get(path))[0] == 401, "pages tell as much as metrics"
        for path in ("/livez", "/readyz"):
            assert (await caller.get(path))[0] == 200, "the kubelet has no token"


async def test_a_token_that_is_no_text_is_refused_and_not_asked_about() -> None:
    api = ApiServer()
    for token in (b"\xff\xfe", "schl\u00fcssel".encode()):
        shown = token.decode("utf-8", "surrogateescape")  # as aiohttp hands on a header
        verdict = await Reviewer(api).review(shown, "/metrics")
        assert (verdict.user, verdict.allowed) == ("", False)
    assert api.asked == []


async def test_answers_are_kept_for_a_while_and_tokens_never() -> None:
    api, now = ApiServer(), [0.0]
    reviewer = Reviewer(api, clock=lambda: now[0])
    for _ in range(5):
        assert (await reviewer.review("scraper-token", "/metrics")).allowed
    assert api.asked == ["tokenreviews", "subjectaccessreviews"]
    assert not (await reviewer.review("scraper-token", "/")).allowed, "another path, another answer"
    now[0] = review.ALLOWED_SECONDS
    await reviewer.review("scraper-token", "/metrics")
    assert len(api.asked) == 6
    assert "scraper-token" not in repr(vars(reviewer))


async def test_a_flood_of_tokens_is_bounded() -> None:
    api = ApiServer()
    reviewer = Reviewer(api, clock=lambda: 0.0)
    for number in range(review.CACHED + 50):
        await reviewer.review(f"wrong-{number}", "/metrics")
    assert len(reviewer._verdicts) == review.CACHED
    assert not (await reviewer.review("x" * (review.MAX_TOKEN + 1), "/metrics")).allowed
    asked = [reviewer.review(f"w{number}", "/metrics") for number in range(review.PENDING + 5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, UnavailableError) for answer in answers) == 5


async def test_the_same_token_is_asked_about_once_at_a_time() -> None:
    api = ApiServer()
    reviewer = Reviewer(api, clock=lambda: 0.0)
    await asyncio.gather(*(reviewer.review("scraper-token", "/metrics") for _ in range(20)))
    assert len(api.asked) == 2


async def test_an_api_server_that_can_not_be_asked_lets_nobody_in_and_is_asked_again(
    certificates: Certificates,
) -> None:
    api = ApiServer()
    gate = Gate(reviewer=Reviewer(api), certificates=False)
    async with serving(server_tls(certificates), gate, certificates.ca) as caller:
        api.failure = api_error(403, b'{"message": "tokenreviews is forbidden"}')
        with capture_logs() as logs:
            for _ in range(3):
                assert (await caller.get("/metrics", "scraper-token"))[0] == 503
        assert len(logs) == 1
        assert "needs create on tokenreviews" in logs[0]["reason"]
        assert "scraper-token" not in repr(logs)
        api.failure = None
        assert (await caller.get("/metrics", "scraper-token"))[0] == 200


async def test_a_client_certificate_of_the_right_name_is_let_in(certificates: Certificates) -> None:
    gate = Gate(reviewer=None, certificates=True, names=("prometheus",))
    tls = server_tls(certificates, certificates.ca)
    stranger = Certificates(_folder(certificates.folder / "other")).issue("x", "prometheus")
    async with serving(tls, gate, certificates.ca) as caller:
        ours = certificates.issue("client", "prometheus")
        assert (await caller.get("/metrics", cert=ours))[0] == 200
        assert (await caller.get("/metrics", cert=certificates.issue("b", "bob")))[0] == 403
        assert (await caller.get("/metrics"))[0] == 403
        assert (await caller.get("/livez"))[0] == 200
        with pytest.raises(aiohttp.ClientError):
            await caller.get("/metrics", cert=stranger)


async def test_a_token_will_do_where_certificates_are_taken_too(certificates: Certificates) -> None:
    gate = Gate(reviewer=Reviewer(ApiServer()), certificates=True)
    tls = server_tls(certificates, certificates.ca)
    async with serving(tls, gate, certificates.ca) as caller:
        assert (await caller.get("/metrics", "scraper-token"))[0] == 200
        assert (await caller.get("/metrics", cert=certificates.issue("c", "any")))[0] == 200
        assert (await caller.get("/metrics"))[0] == 401


async def test_a_renewed_certificate_is_taken_without_a_restart(
    certificates: Certificates,
) -> None:
    tls = server_tls(certificates)
    async with serving(tls, None, certificates.ca) as caller:
        before = await caller.certificate()
        certificates.issue("server", "argoscope", "IP:127.0.0.1")
        tls.refresh()
        after = await caller.certificate()
        assert before != after
        key = certificates.folder / "server.key"
        good = key.read_text()
        key.write_text("half a key")
        with capture_logs() as logs:
            tls.refresh()
            tls.refresh()
        assert [entry["log_level"] for entry in logs] == ["warning"], "said once"
        assert await caller.certificate() == after
        key.write_text(good)
        tls.refresh()
        assert (await caller.get("/livez"))[0] == 200


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_files_that_can_not_be_used_are_named(certificates: Certificates) -> None:
    cert, key = certificates.issue("server", "argoscope")
    with pytest.raises(TlsError, match=r"missing\.crt can't be read: No such file"):
        ServingTls(str(certificates.folder / "missing.crt"), key)
    _, other = certificates.issue("other", "argoscope")
    with pytest.raises(TlsError, match=r"other\.key can't be used"):
        ServingTls(cert, other)
    os.chmod(key, 0o600)
    encrypted = str(certificates.folder / "encrypted.key")
    command = ["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", encrypted]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(TlsError, match="encrypted"):
        ServingTls(cert, encrypted)


def test_tokens_are_never_asked_for_in_the_clear() -> None:
    with pytest.raises(TlsError, match="in the clear"):
        find_tls(Settings(authentication=Authentication(tokens="review")))
    with pytest.raises(TlsError, match="both must be set"):
        find_tls(Settings(tls=Tls(cert="/x")))
    assert find_tls(Settings()) is None
