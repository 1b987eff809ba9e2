"""Errors by which a command ends that no other part of Cinemill has."""

from __future__ import annotations

import traceback

from cinemill.errors import CinemillError, DependencyUnavailable


class EnvironmentFailure(DependencyUnavailable):
    """An error of the operating system, such as a full disk or a missing permission."""

    code = "machine_problem"
    hint = "Fix this problem on this machine, then try again."

    def __init__(self, error: OSError) -> None:
        about = f"{error.filename}: " if error.filename else ""
        super().__init__(f"{about}{error.strerror or error}.")


class Interrupted(CinemillError):
    """Ctrl-C."""

    code = "interrupted"
    hint = "Run the command again to go on; jobs that were accepted keep running."

    def __init__(self, message: str = "Stopped by Ctrl-C.", *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class InternalFault(CinemillError):
    """An error of Cinemill itself, with the end of its traceback."""

    code = "internal_error"
    hint = "This is a fault of Cinemill. Please report it with these lines."

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self._log_tail = "".join(traceback.format_exception(error))

    @property
    def log_tail(self) -> str:
        """The end of the traceback."""
        return self._log_tail
