"""What the daemon says: one line an event on stderr, for people or for machines."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from argoscope.settings import Log


def configure(settings: Log, stream: TextIO | None = None) -> None:
    """Sends structlog's and the standard library's logs to ``stream`` (stderr) in one form."""
    stream = stream or sys.stderr
    level = getattr(logging, settings.level.upper())
    machine = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if machine else _console(stream)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Libraries talk at length at info; what they warn of matters.
    for name in ("aiohttp", "asyncio", "urllib3", "kubernetes", "opentelemetry"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _console(stream: TextIO) -> list[Processor]:
    # Plain tracebacks: rich ones show local variables, and those may be whole objects or secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
