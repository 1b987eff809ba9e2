"""Uploads and downloads, streamed: memory stays flat whatever the size."""

from __future__ import annotations

import hashlib
import io
import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote
from uuid import uuid4

import httpx

from cinemill.client.connection import Connection
from cinemill.client.errors import ClientError
from cinemill.core.text.file_names import (
    LONGEST_BYTES,
    PORTABLE_BYTES,
    cut,
    make_portable,
    shorten,
)

OnBytes = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all) as they move; 0 in all where it is not known."""
ATTEMPTS = 4
LONGEST_ENDING_BYTES = 60
_HEX_SHA256 = re.compile(r'(?:W/)?"?(?:sha256[:-])?([0-9a-f]{64})"?')
_DISPOSITION = re.compile(r'filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_ENCODED_DISPOSITION = re.compile(r"filename\*=utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


class ProgressFile(io.RawIOBase):
    """A file that reports how far it was read."""

    def __init__(self, file: BinaryIO, on_bytes: OnBytes | None) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._size = os.fstat(file.fileno()).st_size

    def fileno(self) -> int:
        """Lets httpx learn the size without reading."""
        return self._file.fileno()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size)
        if self._on_bytes is not None:
            self._on_bytes(self._file.tell(), self._size)
        return piece

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class Download:
    """One file on its way to ``target``: resumed when it breaks off, published when it is right."""

    def __init__(self, connection: Connection, path: str, on_bytes: OnBytes | None) -> None:
        self._connection = connection
        self._path = path
        self._on_bytes = on_bytes
        self._version = ""
        self._expected_sha256: str | None = None
        self._size = 0
        self.filename = ""

    def fetch(self, target: Path) -> Path:
        """Download the file; returns its path. In a folder it has the name that the server gave.

        Raises:
            ClientError: ``download_damaged`` when size or checksum are wrong; nothing is left then.
        """
        folder = target if target.is_dir() else target.parent
        draft = folder / f".{uuid4().hex}.part"
        try:
            with draft.open("w+b") as file:
                self._fill(file)
                self._verify(file)
                file.flush()
                os.fsync(file.fileno())
            final = target / fit_folder(self.filename, target) if target.is_dir() else target
            draft.replace(final)
        finally:
            draft.unlink(missing_ok=True)
        return final

    def _fill(self, file: io.BufferedRandom) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._receive(file)
            except ClientError as problem:
                if problem.status or attempt == ATTEMPTS:
                    raise
            else:
                return

    def _receive(self, file: io.BufferedRandom) -> None:
        """Receive the rest of the file, from where the last attempt was cut off."""
        headers = {"Accept-Encoding": "identity"}
        if file.tell() and self._version:
            headers |= {"Range": f"bytes={file.tell()}-", "If-Range": self._version}
        with self._connection.stream("GET", self._path, headers=headers) as response:
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                self._begin(file, response)
            for piece in response.iter_bytes():
                file.write(piece)
                if self._on_bytes is not None:
                    self._on_bytes(file.tell(), self._size)

    def _begin(self, file: io.BufferedRandom, response: httpx.Response) -> None:
        file.seek(0)
        file.truncate()
        self._version = response.headers.get("ETag", "")
        self._size = int(response.headers.get("Content-Length", 0))
        self._expected_sha256 = sha256_from_headers(response.headers)
        kind = PurePosixPath(self._path.partition("?")[0]).name
        self.filename = safe_name(response.headers, fallback=kind)

    def _verify(self, file: io.BufferedRandom) -> None:
        received = file.tell()
        if self._size and received != self._size:
            raise _damaged(f"{received} bytes were received of {self._size}")
        file.seek(0)
        if self._expected_sha256 and hash_file(file) != self._expected_sha256:
            raise _damaged("its checksum does not match the server's")


def hash_file(file: io.BufferedRandom) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_from_headers(headers: httpx.Headers) -> str | None:
    """From Repr-Digest (RFC 9530), else from an ETag that is one; None where neither says."""
    for digest in headers.get("Repr-Digest", "").split(","):
        name, _, value = digest.strip().partition("=:")
        if name.lower() == "sha-256":
            with suppress(Base64Error, ValueError):
                return b64decode(value.rstrip(":"), validate=True).hex()
    match = _HEX_SHA256.fullmatch(headers.get("ETag", ""))
    return match[1] if match else None


def safe_name(headers: httpx.Headers, *, fallback: str) -> str:
    """Return the server's name for the file, without any path out of the folder.

    Either form of RFC 6266; ``filename*`` goes first, as it can say every name.
    """
    named = _filename_from_header(headers.get("Content-Disposition", ""))
    return make_portable(named, default=fallback)


def fit_folder(name: str, folder: Path) -> str:
    """Return the name as long as names in this folder may be, with its ending.

    What is named after one video differs by what comes after the last hyphen.
    """
    try:
        longest = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows, or a disk that does not say
        longest = PORTABLE_BYTES
    longest = min(longest, LONGEST_BYTES)
    stem, hyphen, rest = name.rpartition("-")
    rest_bytes = len(f"{hyphen}{rest}".encode())
    if stem and rest_bytes <= LONGEST_ENDING_BYTES < longest:
        return cut(stem, longest - rest_bytes) + hyphen + rest
    return shorten(name, longest)


def _filename_from_header(disposition: str) -> str:
    if encoded := _ENCODED_DISPOSITION.search(disposition):
        return unquote(encoded[1])
    plain = _DISPOSITION.search(disposition)
    return plain[1] if plain else ""


def _damaged(how: str) -> ClientError:
    return ClientError(
        f"The download is incomplete or damaged: {how}.",
        code="download_damaged",
        hint="Try again; if it fails again, run 'cinemill verify' on the server.",
    )
