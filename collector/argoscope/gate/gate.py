"""Decides on each request, before it is answered. Probes are always let in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web

from argoscope.gate.review import Reviewer, UnavailableError

OPEN = frozenset({"/livez", "/readyz"})
"""What the kubelet asks, which has neither a token nor a certificate."""
_QUIET = 60.0  # seconds between two log lines about the same trouble

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class Gate:
    """Lets in who shows one of what is asked for: a client certificate, or a token."""

    def __init__(
        self,
        *,
        reviewer: Reviewer | None,
        certificates: bool,
        names: tuple[str, ...] = (),
    ) -> None:
        """``certificates``: of clients, which TLS has verified; with ``names`` only those of one
        of these names (common name, or DNS or URI alternative name)."""
        self._reviewer = reviewer
        self._certificates = certificates
        self._names = frozenset(names)
        self._quiet_until = 0.0
        self._trouble = ""

    @property
    def note(self) -> str:
        """A line for /readyz; empty where no tokens are reviewed."""
        if self._reviewer is None:
            return ""
        return f"degraded tokens: {self._trouble}" if self._trouble else "ok tokens reviewed"

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = None if request.path in OPEN else await self._refusal(request)
        return await handler(request) if refusal is None else refusal

    async def _refusal(self, request: web.Request) -> web.Response | None:
        if self._certificates:
            shown = certificate_names(request.get_extra_info("peercert"))
            if shown is not None and (not self._names or shown & self._names):
                return None
        if self._reviewer is None:
            return _refuse(403, "a client certificate that is let in is needed")
        return await self._token_refusal(request, self._reviewer)

    async def _token_refusal(self, request: web.Request, reviewer: Reviewer) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _refuse(401, "a bearer token is needed", **{"WWW-Authenticate": "Bearer"})
        try:
            verdict = await reviewer.review(token, request.path)
        except UnavailableError as error:
            self._trouble = str(error)
            self._say(error)
            return _refuse(503, "tokens can't be reviewed at present", **{"Retry-After": "5"})
        self._trouble = ""
        if not verdict.user:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return _refuse(401, "the API server does not know the token", **challenge)
        if not verdict.allowed:
            return _refuse(
                403,
                f"{verdict.user} may not get {request.path}: bind a ClusterRole to it that has"
                f" verb get on nonResourceURL {request.path}, such as argoscope-scraper",
            )
        return None

    def _say(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET
            log.warning("tokens can't be reviewed: scrapes are refused", reason=str(error))


def _refuse(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers=headers)


def certificate_names(shown: Mapping[str, Any] | None) -> frozenset[str] | None:
    """The names in a verified certificate, as ``ssl.getpeercert`` tells; None without one."""
    if not shown:
        return None
    subject = [pair for part in shown.get("subject", ()) for pair in part]
    common = [value for name, value in subject if name == "commonName"]
    others = [value for name, value in shown.get("subjectAltName", ()) if name in ("DNS", "URI")]
    return frozenset(common + others)
