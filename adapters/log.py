"""The log: one line an event on standard error, for people (text) or for machines (json). No key, no message text, ever."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(style: str, *, stream: Any = None) -> Any:
    """The logger that everything is handed; `style` is text or json."""
    stream = stream or sys.stderr
    chain: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        chain.append(structlog.processors.JSONRenderer())
    else:
        chain.append(structlog.dev.ConsoleRenderer(colors=stream.isatty()))
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()
