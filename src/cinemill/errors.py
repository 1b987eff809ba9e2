"""The one error tree.

::

    CinemillError                  code, message, hint
    ├── InputRejected              the input cannot be processed; never retried
    │   ├── MediaRejected          … because of what is in the file
    │   ├── Unauthorized · Forbidden · NotFound · Conflict · TooLarge
    │   └── SettingsInvalid        every problem at once
    ├── ValueUnstorable            a value that PostgreSQL refuses, such as a number too large
    │   └── TextUnstorable         … a text with a NUL or half of a surrogate pair
    ├── WorkFailed                 an attempt failed; another may succeed
    │   ├── CommandFailed          … with the command's last lines
    │   │   └── CommandStalled     … it stopped making progress
    │   ├── OutputInvalid          … exit code 0 and a wrong output
    │   ├── DiskFull
    │   └── FolderUnusable · StoredFileMissing
    ├── WorkStopped                this attempt must stop and publish nothing
    │   ├── LeaseLost
    │   ├── JobCancelled
    │   ├── WorkerStopping
    │   └── Postponed              … and is repeated later, when what it waits for may be ready
    └── DependencyUnavailable      a required server or program is unavailable
        ├── DatabaseUnavailable · DatabaseNewer
        │   ├── DatabasePooled     … a pooler that keeps no sessions is in between
        │   └── LockTimeout        … it responds, but another transaction holds the lock
        ├── RedisUnavailable
        ├── ToolMissing
        ├── CapabilityUnusable
        ├── SecretUnusable
        ├── SharedMemoryUnusable
        └── HomeLocked · PortInUse · AddressUnusable
"""

from __future__ import annotations

LONGEST_MESSAGE = 2000
LONGEST_LOG_TAIL = 16_000


class CinemillError(Exception):
    """Any error that may be shown to a person.

    ``code`` is stable and part of the public contract; ``message`` is a sentence; ``hint`` says
    what the reader can do; ``http_status`` is the status of the HTTP response; ``is_retryable``
    says whether the very same request may succeed at another time.
    """

    code = "internal_error"
    http_status = 500
    is_retryable = True
    hint = "See the log for the cause, then try again."

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        # Some quote what was given, whose size is anybody's.
        self.message = clip_text(message)
        super().__init__(self.message)
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = clip_text(hint)

    @property
    def log_tail(self) -> str:
        """The command's last lines, where a command was run; else empty."""
        return ""


def clip_text(text: str, most_characters: int = LONGEST_MESSAGE) -> str:
    """Return at most so many characters of a text that PostgreSQL and JSON can store.

    The middle is left out, and the rest made storable as :func:`make_storable` does.
    """
    if len(text) > most_characters:
        end = most_characters // 4
        text = f"{text[: most_characters - end - 1]}…{text[len(text) - end :]}"
    return make_storable(text)


def make_storable(text: str) -> str:
    """Return a text that PostgreSQL and JSON can store: one that no person sent, whoever wrote it.

    NUL is removed and half surrogate pairs become question marks. They occur in names of files that
    are not valid text, in what a video says of itself, and in the replies of services and models.
    """
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def clip_tail(text: str, most_characters: int = LONGEST_LOG_TAIL) -> str:
    """Return the last so many characters, made storable as :func:`clip_text` does."""
    return clip_text(text[max(0, len(text) - most_characters) :], most_characters)


class InputRejected(CinemillError):
    """What was given can never work; a retry would end the same way."""

    code = "input_rejected"
    http_status = 422
    is_retryable = False
    hint = "Correct the request and submit it again."


class MediaRejected(InputRejected):
    """The file itself is the reason. Codes are listed in ``media.rejections.REJECTION_CODES``."""

    code = "media_rejected"
    hint = "Check that the file plays in a video player, then export or upload it again."

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, log_tail: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self._log_tail = clip_tail(log_tail)

    @property
    def log_tail(self) -> str:
        """The last lines of what read the file, where it broke; else empty."""
        return self._log_tail


class Unauthorized(InputRejected):
    code = "unauthorized"
    http_status = 401
    hint = "Send the header 'Authorization: Bearer TOKEN'; the token is in CINEMILL_HOME/token."


class Forbidden(InputRejected):
    code = "forbidden"
    http_status = 403


class NotFound(InputRejected):
    code = "not_found"
    http_status = 404
    hint = "Check the ID; it may have been deleted by a cleanup."


class Conflict(InputRejected):
    code = "conflict"
    http_status = 409


class TooLarge(InputRejected):
    code = "too_large"
    http_status = 413
    hint = "Send a smaller file, or raise CINEMILL_MAX_UPLOAD_BYTES."


class SettingsInvalid(InputRejected):
    """Every wrong setting, named at once. ``problems`` is a list of (name, sentence)."""

    code = "settings_invalid"
    hint = "Correct these settings; 'cinemill config' shows the effective values."

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {what}" for name, what in problems))
        self.problems = problems


class ValueUnstorable(CinemillError):
    """PostgreSQL refuses a value: a number or time out of range, a text that is none.

    Not InputRejected, for a step's own result may be to blame; what people send is checked before.
    """

    code = "value_invalid"
    http_status = 422
    is_retryable = False
    hint = "Send smaller numbers, times within common years, and Unicode text."


class TextUnstorable(ValueUnstorable):
    """PostgreSQL cannot keep a text: it holds a NUL or half of a surrogate pair."""

    code = "text_invalid"
    hint = "Send Unicode text without NUL characters."


class WorkFailed(CinemillError):
    """One attempt failed; the engine retries it until its attempts are used up."""

    code = "work_failed"
    hint = "Read the last lines of the command, then retry the job."


class CommandFailed(WorkFailed):
    """A command ended with a non-zero exit code, or by a signal (negative ``exit_code``).

    ``evidence`` identifies the command and its end: where two attempts have the same, a third would
    have it too. Empty where another attempt may end otherwise.
    """

    code = "command_failed"
    evidence = ""

    def __init__(
        self, message: str, *, exit_code: int, log_tail: str, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.exit_code = exit_code
        self._log_tail = clip_tail(log_tail)

    @property
    def log_tail(self) -> str:
        return self._log_tail


class CommandStalled(CommandFailed):
    code = "command_stalled"
    hint = "The encoder stopped making progress and was killed; retry the job."


class OutputInvalid(WorkFailed):
    code = "output_invalid"
    hint = (
        "The command reported success, but its output is wrong; nothing was published. "
        "Retry the job."
    )


class DiskFull(WorkFailed):
    code = "disk_full"
    http_status = 507
    hint = "Free space in CINEMILL_HOME, or move it to a larger disk; work then resumes."


class FolderUnusable(WorkFailed):
    """A folder that Cinemill needs is missing, read-only, forbidden, or out of reach."""

    code = "folder_unusable"
    http_status = 503
    hint = (
        "Check that the folder is mounted and belongs to Cinemill's user on the machine named, and "
        "that all machines share one CINEMILL_HOME; then retry the job."
    )


class StoredFileMissing(WorkFailed):
    """A row names a file that the store on this machine does not have."""

    code = "file_missing"
    http_status = 404
    hint = (
        "All machines must share the folder CINEMILL_HOME; check that it is mounted on the one "
        "named, then retry the job. 'cinemill verify' lists files that are missing everywhere."
    )


class WorkStopped(CinemillError):
    """This attempt must end at once and publish nothing. Not a failure of the work."""

    code = "work_stopped"


class LeaseLost(WorkStopped):
    code = "lease_lost"


class JobCancelled(WorkStopped):
    code = "cancelled"
    hint = "Retry the job if it was cancelled by mistake."


class WorkerStopping(WorkStopped):
    code = "worker_stopping"


class Postponed(WorkStopped):
    """What this step waits for is not there yet: it gives up its slot and is run again later."""

    code = "not_yet"
    hint = "No action is needed; it is retried automatically."

    def __init__(self, message: str, *, delay_seconds: float) -> None:
        super().__init__(message)
        self.delay_seconds = delay_seconds


class DependencyUnavailable(CinemillError):
    """A server or a program that Cinemill depends on is missing or does not answer."""

    code = "part_unavailable"
    http_status = 503
    hint = "Run 'cinemill doctor' to see which dependency is unavailable."


class DatabaseUnavailable(DependencyUnavailable):
    code = "database_unavailable"


class DatabasePooled(DatabaseUnavailable):
    """A pooler is in between that does not keep sessions, and no setting says so."""

    code = "database_pooled"
    hint = (
        "Set DATABASE_DIRECT_URL to the address of PostgreSQL itself, or of a pool in session "
        "mode; DATABASE_URL may then lead to this pooler."
    )


class LockTimeout(DatabaseUnavailable):
    """Another transaction holds a lock on a row or table that this request needs.

    Nothing was written. Callers that retry while PostgreSQL is away do the same here; callers
    that serve many jobs skip this one and go on with the others.
    """

    code = "lock_timeout"
    hint = (
        "Try again in a few seconds. If it stays, look in pg_stat_activity for a transaction that "
        "was left open, in psql for instance, and end it."
    )


class DatabaseNewer(DependencyUnavailable):
    code = "database_newer"
    hint = "Install the newer Cinemill version that wrote this data, or use another CINEMILL_HOME."


class RedisUnavailable(DependencyUnavailable):
    code = "redis_unavailable"


class ToolMissing(DependencyUnavailable):
    code = "tool_missing"


class CapabilityUnusable(DependencyUnavailable):
    """A package's capability is installed and cannot be used, or is used and not installed."""

    code = "capability_unusable"
    hint = "Run 'cinemill doctor' where the worker runs: it says which package, and what to do."


class SecretUnusable(DependencyUnavailable):
    """A file that should hold a secret is empty, too short, or cannot be read."""

    code = "secret_unusable"


class HomeLocked(DependencyUnavailable):
    code = "home_locked"
    hint = "Stop the other instance, or choose another folder with CINEMILL_HOME."


class PortInUse(DependencyUnavailable):
    code = "port_in_use"
    hint = "Choose another port with CINEMILL_PORT, or stop the program that uses this one."


class SharedMemoryUnusable(DependencyUnavailable):
    """This machine's shared memory is missing or cannot be written."""

    code = "shared_memory_unusable"
    hint = (
        "Mount a tmpfs on /dev/shm (in Docker: --shm-size=256m), or set CELERY_WORKER_POOL=solo, "
        "which runs one task at a time."
    )


class AddressUnusable(DependencyUnavailable):
    """No server can listen at a configured address, whatever else runs on this machine."""

    code = "address_unusable"
    hint = (
        "Set CINEMILL_HOST to an address of this machine, such as 127.0.0.1, or to 0.0.0.0 for all."
    )
