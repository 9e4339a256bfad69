"""What can go wrong between the daemon and the API server, by HTTP status.

Network errors (``NETWORK_ERRORS``) pass through unwrapped: they say most as they are.
"""

import aiohttp
import msgspec

NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)

MESSAGE_LIMIT = 300
"""Characters of a server's message that are kept: a proxy may answer with a whole page."""


class KubeError(Exception):
    """Base of all errors of this package."""


class ConfigError(KubeError):
    """No usable credentials: which file or setting, and what is wrong with it."""


class BadAnswerError(KubeError):
    """The server answered 2xx, but not with what the Kubernetes API promises."""


class ApiError(KubeError):
    """The API server refused; the subclass says how."""

    def __init__(self, status: int, detail: "Status", retry_after: float | None = None) -> None:
        self.status = status
        self.reason = detail.reason
        self.message = detail.message[:MESSAGE_LIMIT]
        self.retry_after = retry_after
        """Seconds to wait, from the Retry-After header or ``details.retryAfterSeconds``."""
        self.causes = frozenset(cause.reason for cause in detail.details.causes)
        super().__init__(f"{status} {self.reason}: {self.message}".removesuffix(": "))


class InvalidError(ApiError):
    """400 or 422: the server does not know or does not allow a parameter."""


class UnauthorizedError(ApiError):
    """401: no or expired credentials."""


class ForbiddenError(ApiError):
    """403: RBAC does not allow it."""


class NotFoundError(ApiError):
    """404: no such object, or no such kind (its CRD is not installed)."""


class ConflictError(ApiError):
    """409: the object was changed by somebody else since it was read, or exists already."""


class GoneError(ApiError):
    """410: the resourceVersion or the continue token is older than what the server remembers."""


class TooManyRequestsError(ApiError):
    """429: priority and fairness, or a proxy, asks to wait."""


class ServerError(ApiError):
    """5xx."""


class StatusCause(msgspec.Struct, gc=False):
    reason: str = ""


class StatusDetails(msgspec.Struct, gc=False, rename="camel"):
    causes: list[StatusCause] = []
    retry_after_seconds: float | None = None


class Status(msgspec.Struct, gc=False, kw_only=True):
    """``meta/v1.Status``: what errors carry, as a body or in a watch's ERROR event."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: StatusDetails = msgspec.field(default_factory=StatusDetails)


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def api_error(status: int, body: bytes | msgspec.Raw, retry_after: str | None = None) -> ApiError:
    """The error of an HTTP answer, or (``status`` 0) of the Status in a watch's ERROR event."""
    try:
        detail = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:  # a proxy's page, or nothing at all
        text = bytes(body)[:MESSAGE_LIMIT].decode(errors="replace")
        detail = Status(message=" ".join(text.split()))
    status = status or detail.code
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return kind(status, detail, _seconds(retry_after, detail))


def _seconds(header: str | None, detail: Status) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by Kubernetes."""
    if header is not None and header.strip().isdecimal():
        return float(header)
    return detail.details.retry_after_seconds


def describe(error: BaseException) -> str:
    """One line for people; some timeouts and resets have no text of their own."""
    return str(error) or type(error).__name__
