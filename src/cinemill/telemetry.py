"""One way to log: structlog over the standard library, to the console and to a file."""

from __future__ import annotations

import logging
import logging.handlers
import os
import reprlib
import sys
from pathlib import Path
from typing import Any, cast

import structlog

from cinemill.errors import clip_tail, clip_text

LOG_FILE_BYTES = 10 * 1024 * 1024
LOG_FILES_KEPT = 5

LONGEST_VALUE = 4000
LONGEST_TRACEBACK = 20_000


def clip_values(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Shorten the values of a log line, which may quote input of any length."""
    return {name: _clip(name, value) for name, value in event.items()}


def _clip(name: str, value: Any) -> Any:
    if name.startswith("_") or value is None or isinstance(value, bool | float):
        return value  # with an underscore: structlog's own, which no line shows
    if name == "exception" and isinstance(value, str):
        return clip_tail(value, LONGEST_TRACEBACK)
    if isinstance(value, str):
        return clip_text(value, LONGEST_VALUE)
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else "a number too long to write"
    return value if _is_short(value) else _REPR.repr(value)


def _is_short(value: Any) -> bool:
    try:
        return len(repr(value)) <= LONGEST_VALUE
    except (ValueError, RecursionError):
        return False


_REPR = reprlib.Repr()

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    clip_values,
]


def configure_logging(service: str, *, level: str = "info", log_file: Path | None = None) -> None:
    """Send this process' log to stderr, and as JSON lines to ``log_file`` where one is given.

    ``service`` names the process in every line (api, worker, beat, supervisor).
    """
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handlers = [_console_handler()]
    if log_file is not None:
        handlers.append(_file_handler(log_file))
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level.upper())


def log_warnings_only() -> None:
    """Send warnings to stderr and drop the rest, unless this process logs in its own way already.

    For a command that works in its own process: its stdout holds the result.
    """
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            # Not the stderr of now, which a caller may have replaced for a while.
            logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr),
        )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def _console_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler.setFormatter(_formatter(renderer))
    return handler


def _file_handler(log_file: Path) -> logging.Handler:
    log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created first, since the handler would create it for every user to read.
    os.close(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # Watched, not rotating: several processes write the same file, the supervisor rotates it.
    handler = logging.handlers.WatchedFileHandler(log_file, encoding="utf-8")
    handler.setFormatter(_formatter(structlog.processors.JSONRenderer()))
    return handler


def _formatter(renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
