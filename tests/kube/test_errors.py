"""The error of an answer: its class by status, and what the body says."""

import msgspec
import pytest

from argoscope.kube import errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidError),
        (401, errors.UnauthorizedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (410, errors.GoneError),
        (422, errors.InvalidError),
        (429, errors.TooManyRequestsError),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (302, errors.ApiError),
    ],
)
def test_the_class_follows_from_the_status(status: int, kind: type[errors.ApiError]) -> None:
    error = errors.api_error(status, b"")
    assert type(error) is kind
    assert error.status == status


def test_a_status_body_says_why() -> None:
    body = {
        "kind": "Status",
        "code": 504,
        "reason": "Timeout",
        "message": "Too large resource version: 9, current: 5",
        "details": {"retryAfterSeconds": 1, "causes": [{"reason": "ResourceVersionTooLarge"}]},
    }
    error = errors.api_error(0, msgspec.json.encode(body))
    assert (error.status, error.reason, error.retry_after) == (504, "Timeout", 1.0)
    assert error.causes == {"ResourceVersionTooLarge"}
    assert str(error) == "504 Timeout: Too large resource version: 9, current: 5"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_the_header_says_how_long_to_wait(header: str | None, seconds: float | None) -> None:
    assert errors.api_error(429, b"", header).retry_after == seconds


def test_a_proxys_page_is_cut_short() -> None:
    error = errors.api_error(502, b"<html>" + b"x" * 10_000 + b"\xff")
    assert error.message.startswith("<html>xxx")
    assert len(error.message) == errors.MESSAGE_LIMIT


def test_errors_without_text_are_named() -> None:
    assert errors.describe(TimeoutError()) == "TimeoutError"
    assert errors.describe(OSError("no route")) == "no route"
