"""Files that only their owner may read: tokens, passwords, addresses with passwords in them."""

from __future__ import annotations

import math
import os
import secrets
import stat
import string
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cinemill.errors import SecretUnusable

SECRET_BYTES = 32
LEAST_SECRET_BITS = 128
LARGEST_FILE_BYTES = 4096
LEAST_DISTINCT_CHARACTERS = 8
"""Random secrets of 128 bits have more, but for one in millions; a key that was held down fewer."""
_ALPHABETS = (string.digits, string.hexdigits, string.ascii_lowercase, string.ascii_uppercase)
"""What is written in one of these has fewer bits in each character than base64 has."""
_BASE64_BITS = 6.0
DELETE_IT = "Delete the file; the next start creates a new one with 256 random bits."


def read_or_make_secret(path: Path, *, hint: str = DELETE_IT) -> str:
    """Return the secret in the file, which is created at first (256 bits, URL-safe, mode 0600).

    Several processes may create it at once: each writes its own draft, and only one draft can be
    linked to the final name, so all of them read the same and none reads half of one.

    Raises SecretUnusable, with ``hint``, where there is a file that holds no secret of at least 128
    bits. It is never replaced: something may rely on it.
    """
    if not os.path.lexists(path):
        draft = _write_draft(path, secrets.token_urlsafe(SECRET_BYTES) + "\n")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return read_secret(path, hint=hint)


def read_secret(path: Path, *, hint: str = DELETE_IT) -> str:
    """Return the secret in an existing file, without trailing blanks. Raises SecretUnusable."""
    try:
        # Not at its beginning: initdb takes the first line, whatever it is.
        text = _read_regular_file(path).decode("ascii").rstrip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _unusable(path, _describe(error), hint) from error
    if problem := find_weakness(text):
        raise _unusable(path, problem, hint)
    return text


def find_weakness(secret: str) -> str | None:
    """Return why a secret is worth fewer than 128 bits, to follow "it"; None where it is strong."""
    if not secret:
        return "is empty"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return "contains invalid characters"
    is_repetitive = len(set(secret)) < LEAST_DISTINCT_CHARACTERS
    if is_repetitive or _count_bits(_find_repeated(secret)) < LEAST_SECRET_BITS:
        return f"holds a secret of less than {LEAST_SECRET_BITS} bits"
    return None


def is_open_to_others(path: Path) -> bool:
    """Check whether anybody but the file's owner may read or change it."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def _find_repeated(secret: str) -> str:
    """Return what the secret repeats at least twice, the last time maybe in part; else all."""
    for length in range(1, len(secret) // 2 + 1):
        if secret.startswith(secret[length:]):
            return secret[:length]
    return secret


def _count_bits(secret: str) -> float:
    """Return as many bits as a random text of this length and alphabet has."""
    used = set(secret)
    sizes = [len(alphabet) for alphabet in _ALPHABETS if used <= set(alphabet)]
    return len(secret) * (math.log2(min(sizes)) if sizes else _BASE64_BITS)


def _read_regular_file(path: Path) -> bytes:
    """Read a file of a secret's size.

    Raises OSError; ValueError for anything else, such as a pipe, which would block, or a device
    that never ends.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise ValueError(f"is larger than {LARGEST_FILE_BYTES} bytes")
    return content


def _describe(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return "contains invalid characters"
    return str(error)


def _unusable(path: Path, problem: str, hint: str) -> SecretUnusable:
    return SecretUnusable(f"The secret in {path} cannot be used: the file {problem}.", hint=hint)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    _write_draft(path, text).replace(path)


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft
