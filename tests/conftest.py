"""Options and rules that all tests share."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write tests/golden anew")
    parser.addoption(
        "--require-shared",
        action="store_true",
        help="fail if a test was skipped for want of ../shared (CI, where the folder is there)",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with tests/golden/<name>; --update-goldens writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run pytest --update-goldens and read the diff"
        assert text == path.read_text()

    return compare


if sys.version_info < (3, 14):

    class _NoLoopByAsking(asyncio.DefaultEventLoopPolicy):
        """As from Python 3.14 on: asking for the loop does not make one, which nobody closes."""

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            self._local._set_called = True  # type: ignore[attr-defined]
            return super().get_event_loop()

    def pytest_configure() -> None:
        asyncio.set_event_loop_policy(_NoLoopByAsking())


_skipped_for_shared: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "../shared" in str(report.longrepr):
        _skipped_for_shared.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--require-shared") and _skipped_for_shared:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for nodeid in _skipped_for_shared:
                reporter.write_line(f"skipped although ../shared is there: {nodeid}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
