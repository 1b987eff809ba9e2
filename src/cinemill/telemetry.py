"""One way to log: structlog over the standard library, to the console and to a file."""

from __future__ import annotations

import logging
import logging.handlers
import os
import reprlib
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import structlog

from cinemill.errors import clip_tail, clip_text

LOG_FILE_BYTES = 10 * 1024 * 1024
LOG_FILES_KEPT = 5

COMPLAINT_SECONDS = 60.0
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


class _Complaint:
    """Says on standard error, once a minute at most, that the log cannot be written."""

    def __init__(self) -> None:
        self._next = 0.0

    def say(self, error: BaseException, target: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + COMPLAINT_SECONDS
        with suppress(OSError, ValueError):  # it may be on the same full disk, or closed
            reason = getattr(error, "strerror", None) or str(error)
            sys.stderr.write(f"{target} cannot be written: {reason}. Work goes on without it.\n")
            sys.stderr.flush()


class _EnduringHandler(logging.StreamHandler[Any]):
    """Writes to a stream that may be on a full disk: lines are lost, and nothing else."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class _EnduringFileHandler(logging.handlers.WatchedFileHandler):
    """The same for a file, which may be removed, or out of reach for a while."""

    def __init__(self, log_file: Path) -> None:
        # Opened with the first line: a disk that is read-only must not keep a service from
        # starting.
        super().__init__(log_file, encoding="utf-8", delay=True)
        self._complaint = _Complaint()

    def _open(self) -> Any:
        """Open the file, created for its owner alone."""
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # from looking for the file, which logging does not guard
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._complaint.say(error, f"The log {self.baseFilename}")
        # What is still buffered would fail again, with the next line or where Python ends.
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()


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
    handler = _EnduringHandler(sys.stderr)
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler.setFormatter(_formatter(renderer))
    return handler


def _file_handler(log_file: Path) -> logging.Handler:
    with suppress(OSError):
        log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Watched, not rotating: several processes write the same file, the supervisor rotates it.
    handler = _EnduringFileHandler(log_file)
    handler.setFormatter(_formatter(structlog.processors.JSONRenderer()))
    return handler


def _formatter(renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
