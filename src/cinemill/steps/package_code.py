"""Running code of packages so that its failure stays its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

LONGEST_CALL_SECONDS = 30.0
"""For the import of a package's module, and for building its command or its routes."""


class PackageExited(Exception):
    """A package tried to end this process; the cause says how."""


def describe(error: BaseException) -> str:
    """Return an exception as its type and its message, on one line."""
    if isinstance(error, PackageExited) and error.__cause__ is not None:
        error = error.__cause__
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the exception's class is the package's
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@contextmanager
def no_exit() -> Iterator[None]:
    """Raise PackageExited where the block would end the process, as ``sys.exit`` does.

    Not only SystemExit: a panic in a Rust extension is no Exception either.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PackageExited from error


@contextmanager
def contained(seconds: float | None = LONGEST_CALL_SECONDS) -> Iterator[None]:
    """Run a package's code while a process starts or a command runs.

    What it prints goes to stderr: it must not get into the output of a command. After ``seconds``
    TimeoutError is raised in it; None sets no limit. Raises PackageExited as :func:`no_exit` does.
    Changes ``sys.stdout`` meanwhile, so it is not for code that requests run in threads.
    """
    with no_exit(), redirect_stdout(sys.stderr), _time_limit(seconds):
        yield


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeoutError in the block after ``seconds``; never where the alarm is not ours."""
    if seconds is None or not _is_alarm_free():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"it takes longer than {seconds:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _is_alarm_free() -> bool:
    return (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    )
