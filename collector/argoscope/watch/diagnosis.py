"""Errors in the words of the person who has to do something about them."""

from argoscope.kube.errors import (
    ApiError,
    BadAnswerError,
    ConfigError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
    describe,
)
from argoscope.watch.delta import Watched

_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (UnauthorizedError, "unauthorized"),
    (ForbiddenError, "forbidden"),
    (NotFoundError, "not_found"),
    (GoneError, "gone"),
    (TooManyRequestsError, "throttled"),
    (ApiError, "server"),
    (ConfigError, "credentials"),
    (BadAnswerError, "bad_answer"),
    (TimeoutError, "timeout"),
)


def kind_of(error: Exception) -> str:
    """One of a few words for a metric's label; whatever is not known is the network's."""
    return next((word for kind, word in _KINDS if isinstance(error, kind)), "network")


def explain(error: Exception, watched: Watched) -> str:
    """What is wrong, and what to do."""
    what = f"{watched.plural}.{watched.group}" if watched.group else watched.plural
    match error:
        case ForbiddenError():
            return (
                f"{error.message or 'forbidden'}: grant get, list and watch on {what} to the"
                " account that argoscope runs as"
            )
        case NotFoundError():
            return (
                f"the API server does not serve {what}/{watched.version}: its CRD is not"
                " installed; argoscope keeps looking for it"
            )
        case UnauthorizedError():
            return (
                "the API server refused the credentials (401), also after they were read again:"
                " check the service account or the kubeconfig's user"
            )
        case TooManyRequestsError():
            return f"the API server asks to slow down (429) on {what}: {error.message}"
        case ApiError():
            return f"the API server failed on {what}: {error}"
        case ConfigError() | BadAnswerError():
            return str(error)
        case TimeoutError():
            return f"the API server did not answer in time on {what}"
    return f"can't reach the API server: {describe(error)}"
