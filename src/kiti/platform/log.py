"""Structured logs: one JSON object a line on stderr, or plain lines on a terminal."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog


class _Stderr:
    """Writes to standard error as it is at each line: a progress bar may stand before it."""

    def __init__(self, *_: object) -> None:
        """Nothing to keep."""

    def msg(self, message: str) -> None:
        """Write one line."""
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def configure_logging(*, is_plain: bool) -> None:
    """Set the process's logging up, once, at its start. Nothing personal may be passed to it."""
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if is_plain
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _trace,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )


def _trace(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The trace of an exception: where it went, and its class, never its message.

    A message may quote what a person typed: a database's names the row that was in the way.
    """
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["error"] = type(error).__name__
        event["trace"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event
