"""Files of a model from the Hugging Face hub, at the commit that its card pins.

The hub's client names the address and the token; the bytes are read here, so that a download can be
resumed, bounded, followed and stopped.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.cards import HubSource, ModelFile, hash_file
from cinemill.inference.models.transfer import Transfer

if TYPE_CHECKING:
    import httpx

STALL_SECONDS = 60.0
"""Longest time without a byte."""
FIRST_READ_SECONDS = 3.0
LONGEST_READ_SECONDS = 20.0
CONNECT_SECONDS = 10.0
PAUSE_SECONDS = 0.5
CHUNK_BYTES = 256 * 1024
PART_SUFFIX = ".part"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")


class _Interrupted(Exception):
    """The connection ended before the file did; the rest can be asked for."""


def download_files(
    source: HubSource,
    files: tuple[ModelFile, ...],
    folder: Path,
    *,
    transfer: Transfer | None = None,
    endpoint: str | None = None,
) -> tuple[ModelFile, ...]:
    """Download the files into ``folder``, and go on with what an earlier call left there.

    Returns the files, with the hash that the hub states where the card has none; the caller checks
    the others. ``endpoint`` is the hub's address, if not the usual one (``HF_ENDPOINT`` works too).

    Raises DependencyUnavailable (``model_unavailable``), and what the transfer's ``should_stop``
    returns. What has arrived stays in the folder then.
    """
    transfer = transfer or Transfer()
    transfer.total_bytes = transfer.total_bytes or sum(file.size_bytes for file in files)
    done_bytes, stated = 0, []
    for file in files:
        transfer.notify(f"{source.repository}: {file.name}")
        download = _Download(source, file, folder / file.name, transfer, done_bytes, endpoint)
        stated.append(download.run())
        done_bytes += (folder / file.name).stat().st_size
    return tuple(stated)


class _Download:
    """One file, over as many connections as it takes."""

    def __init__(
        self,
        source: HubSource,
        file: ModelFile,
        path: Path,
        transfer: Transfer,
        before_bytes: int,
        endpoint: str | None,
    ) -> None:
        self._source = source
        self._file = file
        self._path = path
        self._part = path.with_name(path.name + PART_SUFFIX)
        self._transfer = transfer
        self._before_bytes = before_bytes
        self._endpoint = endpoint
        self._stated_hash = ""

    def run(self) -> ModelFile:
        import httpx

        url, headers = self._address()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fruitless, alive_at, has_begun = 0, time.monotonic(), False
        with httpx.Client(follow_redirects=True, headers=headers) as client:
            while True:
                before_bytes = self._part_bytes()
                try:
                    self._read(client, url, _read_seconds(fruitless))
                    break
                except (httpx.TransportError, _Interrupted) as error:
                    if self._part_bytes() > before_bytes:
                        fruitless, alive_at, has_begun = 0, time.monotonic(), True
                    fruitless += 1
                    is_over = _is_hopeless(error) and not has_begun
                    if is_over or time.monotonic() - alive_at > STALL_SECONDS:
                        raise self._unavailable(_first_line(error)) from error
                    self._pause()
                except httpx.RequestError as error:  # such as redirects without end
                    raise self._unavailable(_first_line(error)) from error
        return self._conclude()

    def _address(self) -> tuple[str, dict[str, str]]:
        # Imported here to keep start-up cheap: only downloading a model needs the client.
        from huggingface_hub import constants, hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        if constants.HF_HUB_OFFLINE:
            raise self._unavailable("HF_HUB_OFFLINE is set")
        url = hf_hub_url(
            self._source.repository,
            self._source.locate(self._file),
            revision=self._source.revision,
            endpoint=self._endpoint,
        )
        return url, {**build_hf_headers(), "Accept-Encoding": "identity"}

    def _read(self, client: httpx.Client, url: str, read_seconds: float) -> None:
        """Append what is missing to the part file."""
        import httpx

        have_bytes = self._part_bytes()
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        headers = {"Range": f"bytes={have_bytes}-"} if have_bytes else {}
        with client.stream("GET", url, headers=headers, timeout=timeout) as response:
            self._note_hash(response)
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if have_bytes == _total_bytes(response):
                    return
                self._part.unlink()
                raise _Interrupted("the part that had arrived is longer than the file")
            self._require_success(response)
            is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
            total_bytes = _total_bytes(response)
            self._check_size(total_bytes)
            with self._part.open("ab" if is_rest else "wb") as part:
                self._copy(response, part, have_bytes if is_rest else 0)
        if total_bytes is not None and self._part_bytes() < total_bytes:
            raise _Interrupted("the connection ended before the file did")

    def _copy(self, response: httpx.Response, part: BinaryIO, have_bytes: int) -> None:
        # As it comes: what would be gathered into chunks is lost when a slow connection ends.
        for chunk in response.iter_raw():
            part.write(chunk)
            have_bytes += len(chunk)
            if have_bytes > self._file.size_bytes:
                raise self._too_large(have_bytes)
            self._transfer.advance(self._before_bytes + have_bytes)

    def _require_success(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        code = response.status_code
        if code in (401, 403):
            raise self._unavailable(
                f"the hub refuses it ({code}); if its terms must be accepted, do so on its page "
                "and set HF_TOKEN"
            )
        if code >= 500 or code == 429:
            raise _Interrupted(f"the hub answers {code}")
        raise self._unavailable(f"the hub answers {code}")

    def _note_hash(self, response: httpx.Response) -> None:
        """Remember the content's hash, which the hub states before it redirects to a store."""
        for one in (*response.history, response):
            stated = one.headers.get("X-Linked-ETag") or one.headers.get("ETag") or ""
            stated = stated.removeprefix("W/").strip('"')
            if not self._stated_hash and (_SHA256.fullmatch(stated) or _GIT_SHA1.fullmatch(stated)):
                self._stated_hash = stated

    def _check_size(self, total_bytes: int | None) -> None:
        if total_bytes is None:
            return
        if total_bytes > self._file.size_bytes:
            raise self._too_large(total_bytes)
        if self._file.is_size_exact and total_bytes != self._file.size_bytes:
            self._part.unlink(missing_ok=True)
            raise self._unavailable(
                f"it has {total_bytes} bytes instead of {self._file.size_bytes}"
            )

    def _too_large(self, found_bytes: int) -> DependencyUnavailable:
        self._part.unlink(missing_ok=True)
        return self._unavailable(
            f"it has {found_bytes} bytes or more, instead of {self._file.size_bytes}"
        )

    def _conclude(self) -> ModelFile:
        """Give the file its name, and return what is known of it."""
        file = self._file
        if not file.sha256:
            file = self._trust_stated_hash()
        self._part.replace(self._path)
        return file

    def _trust_stated_hash(self) -> ModelFile:
        found = hash_file(self._part)
        is_sha256 = _SHA256.fullmatch(self._stated_hash) is not None
        actual = found if is_sha256 else _git_hash(self._part)
        if self._stated_hash != actual:
            reason = (
                f"it does not have the hash that the hub states, {self._stated_hash}"
                if self._stated_hash
                else "the hub states no hash of it"
            )
            self._part.unlink()
            raise self._unavailable(reason)
        size_bytes = self._part.stat().st_size
        return replace(self._file, sha256=found, size_bytes=size_bytes, is_size_exact=True)

    def _pause(self) -> None:
        self._transfer.advance(self._before_bytes + self._part_bytes())
        time.sleep(PAUSE_SECONDS)
        self._transfer.check()

    def _part_bytes(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _unavailable(self, reason: str) -> DependencyUnavailable:
        return DependencyUnavailable(
            f"{self._file.name} could not be fetched: {reason}", code="model_unavailable"
        )


def _total_bytes(response: httpx.Response) -> int | None:
    """Return the size of the whole file, if the server says it."""
    _, _, total = response.headers.get("Content-Range", "").rpartition("/")
    if total.isdecimal():
        return int(total)
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else None


def _is_hopeless(error: Exception) -> bool:
    """Check whether there is no point in asking again: no such host, nobody listens, no network."""
    import httpx

    return isinstance(error, httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol)


def _read_seconds(fruitless: int) -> float:
    """Return how long to wait for bytes: short at first, since no stop is noticed meanwhile."""
    return min(LONGEST_READ_SECONDS, FIRST_READ_SECONDS * float(2 ** min(fruitless, 8)))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _git_hash(path: Path) -> str:
    """Return the hash under which git keeps the content: of small files, the hub states this."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
