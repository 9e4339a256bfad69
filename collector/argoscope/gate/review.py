"""Whose token it is, and what they may do: asked of the API server, as kube-rbac-proxy does."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from argoscope.kube.errors import NETWORK_ERRORS, ConfigError, ForbiddenError, KubeError, describe

ALLOWED_SECONDS = 60.0
"""For which an answer holds: so long may who has lost their rights still scrape."""
DENIED_SECONDS = 10.0
CACHED = 1000
"""Most answers that are kept, of about 0.3 KB."""
PENDING = 16
"""Most tokens that are asked about at a time: a flood of wrong ones must not become one of
requests to the API server."""
PATIENCE = 10.0
"""Seconds for both questions."""
MAX_TOKEN = 16 << 10
"""Bytes of the longest token that is asked about."""

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class UnavailableError(Exception):
    """It can't be said at present who it is; a message for logs, without the token."""


@dataclass(frozen=True, slots=True)
class Verdict:
    user: str
    """Whom the API server knows by the token; empty for nobody."""
    allowed: bool


class Asks(Protocol):
    """``kube.client.Client`` is one."""

    async def send(self, method: str, path: str, body: Any) -> bytes: ...


class _User(msgspec.Struct, omit_defaults=True):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] = []


class _TokenReview(msgspec.Struct):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct):
    allowed: bool = False


class _AccessReview(msgspec.Struct):
    status: _AccessStatus


class Reviewer:
    """Answers are kept for a while; tokens are not, only their digests."""

    def __init__(
        self,
        client: Asks,
        *,
        audiences: tuple[str, ...] = (),
        clock: Callable[[], float] | None = None,
    ) -> None:
        """``clock``: monotonic seconds; the running loop's if not given."""
        self._client = client
        self._audiences = audiences
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._verdicts: dict[bytes, tuple[float, Verdict]] = {}
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}

    async def review(self, token: str, path: str) -> Verdict:
        """Whether the token's owner may ``get`` that path. Raises UnavailableError."""
        # RFC 6750: a token is ASCII. What is not may be no text at all, and can't be sent on.
        if not token or len(token) > MAX_TOKEN or not token.isascii():
            return Verdict("", allowed=False)
        key = hashlib.sha256(f"{path}\0{token}".encode()).digest()
        until, verdict = self._verdicts.get(key, (0.0, None))
        if verdict is not None and self._clock() < until:
            return verdict
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= PENDING:
                raise UnavailableError(f"{PENDING} tokens are being reviewed already")
            task = asyncio.create_task(self._ask(token, path), name="token review")
            self._asking[key] = task
            task.add_done_callback(lambda done: self._settled(key, done))
        # Who gives up waiting does not end the question for others with the same token.
        return await asyncio.shield(task)

    def _settled(self, key: bytes, done: "asyncio.Task[Verdict]") -> None:
        del self._asking[key]
        if done.cancelled() or done.exception() is not None:
            return
        verdict = done.result()
        self._verdicts.pop(key, None)
        while len(self._verdicts) >= CACHED:
            del self._verdicts[next(iter(self._verdicts))]
        lasts = ALLOWED_SECONDS if verdict.allowed else DENIED_SECONDS
        self._verdicts[key] = (self._clock() + lasts, verdict)

    async def _ask(self, token: str, path: str) -> Verdict:
        try:
            async with asyncio.timeout(PATIENCE):
                user = await self._user(token)
                if user is None:
                    return Verdict("", allowed=False)
                return Verdict(user.username, allowed=await self._may(user, path))
        except ForbiddenError as error:
            raise UnavailableError(
                f"{error.message}: the daemon's account needs create on tokenreviews and"
                " subjectaccessreviews (ClusterRole argoscope-reviewer)"
            ) from error
        except (KubeError, ConfigError, msgspec.MsgspecError, *NETWORK_ERRORS) as error:
            raise UnavailableError(f"the API server can't be asked: {describe(error)}") from error

    async def _user(self, token: str) -> _User | None:
        spec: dict[str, Any] = {"token": token}
        if self._audiences:
            spec["audiences"] = self._audiences
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        answer = await self._client.send("POST", TOKEN_REVIEWS, body)
        status = msgspec.json.decode(answer, type=_TokenReview).status
        if not status.authenticated or not status.user.username:
            return None
        # A server that knows nothing of audiences names none in its answer: not for us, then.
        if self._audiences and not set(self._audiences) & set(status.audiences):
            return None
        return status.user

    async def _may(self, user: _User, path: str) -> bool:
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        answer = await self._client.send("POST", ACCESS_REVIEWS, {**kind, "spec": spec})
        return msgspec.json.decode(answer, type=_AccessReview).status.allowed
