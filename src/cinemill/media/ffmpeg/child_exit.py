"""How a process that reads an untrusted file says whose fault its end is.

Reading a file may end in anything: a crash of native code, the end of the stack, of the memory or
of the processor time, an error that nobody thought of. All of it is the file's doing, for the same
file ends the same way each time. What fails before the file is opened, or because the machine
cannot read it, is not.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

FILE_EXIT_CODE = 70
"""Exit code of a reader that could not go on with its file (EX_SOFTWARE in sysexits)."""
SHELL_SIGNAL_BASE = 128
"""bwrap exits with this and the number of the signal that ended its command."""
CRASHES = frozenset(
    {
        *(signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE),
        *(signal.SIGSYS, signal.SIGTRAP),
    }
)
LIMITS = frozenset({signal.SIGKILL, signal.SIGXCPU, signal.SIGXFSZ})
"""What the kernel sends to a process that uses too much; others (SIGTERM) come from people."""
_MACHINE_ERRORS = frozenset(
    {
        *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV),
        *(errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EPIPE, errno.ENOTCONN),
    }
)
_TRACEBACK_ENTRIES = 10


@contextmanager
def blame_file() -> Iterator[None]:
    """In the reader: end the process with FILE_EXIT_CODE at any error that the file may cause."""
    try:
        yield
    except BaseException as error:
        if not _is_the_files(error):
            raise
        with suppress(BaseException):
            traceback.print_exc(_TRACEBACK_ENTRIES)
            sys.stderr.flush()
        # At once, with nothing of an answer that was begun.
        os._exit(FILE_EXIT_CODE)


def _is_the_files(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return False
    # FFmpeg's errors are OSErrors too: there, a file that does not exist is one that this file
    # names.
    is_decoder = any(kind.__name__ == "FFmpegError" for kind in type(error).__mro__)
    return not isinstance(error, OSError) or is_decoder or error.errno not in _MACHINE_ERRORS


def is_files_fault(exit_code: int) -> bool:
    """In the parent: return whether a short reader with tight limits ended because of its file."""
    return exit_code == FILE_EXIT_CODE or signal_of(exit_code) in CRASHES | LIMITS


def signal_of(exit_code: int) -> int:
    """Return the signal that ended a process or the one that bwrap ran; 0 if none did."""
    number = exit_code - SHELL_SIGNAL_BASE if exit_code > SHELL_SIGNAL_BASE else -exit_code
    return max(0, number)
