"""HTTP to a language model's server: time limits, size limits, and repeated attempts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from cinemill import __version__
from cinemill.core.documents import JsonObject
from cinemill.errors import CinemillError
from cinemill.inference.language_models.errors import (
    LanguageModelBusy,
    LanguageModelRefused,
    LanguageModelUnavailable,
    ReplyInvalid,
    too_large_reply,
)
from cinemill.telemetry import get_logger

LONGEST_ERROR_BYTES = 4096
LONGEST_SHOWN_ERROR = 300
_BUSY = frozenset({httpx.codes.TOO_MANY_REQUESTS, 529})
"""529: Anthropic's word for an overloaded server."""
_OFTEN_TRANSIENT = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How long and how much is waited for and read."""

    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    """Longest silence, also before the first byte."""
    total_seconds: float = 180.0
    """Of one request, from its first attempt to the last byte."""
    most_bytes: int = 1_000_000
    """Of a reply."""
    attempts: int = 3
    longest_wait_seconds: float = 20.0
    """A server that asks for a longer wait is busy."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the connection sees it; tests have one of their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _TryAgain(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, error: LanguageModelUnavailable | LanguageModelBusy, wait: float | None):
        super().__init__(error.message)
        self.error = error
        self.wait_seconds = wait


BeforeRepeat = Callable[[CinemillError], None]
"""Called with the error of an attempt before another one is made; what it raises prevents that."""


class RequestRejected(LanguageModelRefused):
    """The server refuses this request (400, 422), maybe for a part of it that can be left out."""


@dataclass(slots=True)
class ServerConnection:
    """One server. ``headers`` hold the key, which no error or log line ever quotes."""

    base_url: str
    headers: Mapping[str, str]
    name: str
    """Of the model, for sentences."""
    limits: ServerLimits = field(default_factory=ServerLimits)
    clock: Clock = field(default_factory=Clock)
    sent: int = field(default=0, init=False)
    """Requests, also those that were repeated or refused. Exact where one thread sends them."""
    before_repeat: BeforeRepeat = field(default=lambda _failed: None, init=False)
    _http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the address. Raises LanguageModelRefused (``language_model_address``)."""
        self.base_url = self.base_url.rstrip("/")
        timeout = httpx.Timeout(self.limits.read_seconds, connect=self.limits.connect_seconds)
        headers = {"User-Agent": f"cinemill/{__version__}", **self.headers}
        try:
            # Redirects are not followed: they would carry the key to another server.
            self._http = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False)
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, ValueError, UnicodeError) as problem:
            raise _wrong_address(
                "it is not a valid address, or the key has other characters than a header may have"
            ) from problem
        if url.scheme not in ("http", "https") or not url.host:
            raise _wrong_address("it must begin with http:// or https://")

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """Return the JSON object of a reply.

        Raises LanguageModelUnavailable, LanguageModelBusy, LanguageModelRefused, ReplyInvalid.
        """
        with closing(self.open(path, body)) as reply:
            content = b"".join(reply)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as broken:
            raise ReplyInvalid(f"The reply of {self.name} is not JSON.") from broken
        if not isinstance(document, dict):
            raise ReplyInvalid(f"The reply of {self.name} is not a JSON object.")
        return document

    def open(self, path: str, body: JsonObject) -> ServerReply:
        """Return a successful reply, whose bytes are read as they arrive; close it afterwards.

        Attempts are repeated until a reply begins, never after: its beginning may have been used.
        Raises as :meth:`post` does.
        """
        ends_at = self.clock.now() + self.limits.total_seconds
        return ServerReply(self, self._send(path, body, ends_at), ends_at)

    def _send(self, path: str, body: JsonObject, ends_at: float) -> httpx.Response:
        """Return a response whose status is good and whose body is still to be read."""
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return self._attempt(path, body)
            except _TryAgain as failed:
                wait = 0.5 * 2**attempt if failed.wait_seconds is None else failed.wait_seconds
                is_late = self.clock.now() + wait > ends_at
                is_last = attempt == self.limits.attempts
                if is_last or is_late or wait > self.limits.longest_wait_seconds:
                    raise failed.error from failed.__cause__
                self.before_repeat(failed.error)
                log.warning("language model, another attempt", model=self.name, wait_seconds=wait)
                self.clock.sleep(wait)
        raise LanguageModelUnavailable(f"No attempt to reach {self.name} was allowed.")

    def _attempt(self, path: str, body: JsonObject) -> httpx.Response:
        request = self._http.build_request("POST", f"{self.base_url}{path}", json=body)
        self.sent += 1
        try:
            response = self._http.send(request, stream=True)
        except httpx.RequestError as error:
            raise _TryAgain(self.unreachable(error), None) from error
        if response.is_success:
            return response
        try:
            raise self._judge(response, self._read_error(response))
        finally:
            response.close()

    def _judge(self, response: httpx.Response, said: str) -> Exception:
        """Return what a status other than success means."""
        status = response.status_code
        sentence = f"{self.name}: the server responded with {status}{f' ({said})' if said else ''}."
        if status in _BUSY:
            return _TryAgain(LanguageModelBusy(sentence), read_retry_after(response.headers))
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _OFTEN_TRANSIENT:
            wait = read_retry_after(response.headers)
            return _TryAgain(LanguageModelUnavailable(sentence), wait)
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            return RequestRejected(sentence)
        return LanguageModelRefused(sentence)

    def _read_error(self, response: httpx.Response) -> str:
        """Return the beginning of what the server says, without the key."""
        content = b""
        try:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > LONGEST_ERROR_BYTES:
                    break
        except httpx.RequestError:
            return ""
        said = content[:LONGEST_ERROR_BYTES].decode("utf-8", "replace").replace("\x00", " ")
        text = " ".join(said.split())
        for value in self.headers.values():
            secret = value.removeprefix("Bearer ")
            text = text.replace(secret, "…") if secret else text
        return text[:LONGEST_SHOWN_ERROR]

    def unreachable(self, error: httpx.RequestError) -> LanguageModelUnavailable:
        """Return what an error of the transport means."""
        if isinstance(error, httpx.TimeoutException) and not isinstance(
            error, httpx.ConnectTimeout
        ):
            return LanguageModelUnavailable(
                f"{self.name} did not reply in time.", code="language_model_timeout"
            )
        return LanguageModelUnavailable(f"{self.name} cannot be reached: {error}.")


@dataclass(frozen=True, slots=True)
class ServerReply:
    """The bytes of a reply, within the limits of time and size."""

    connection: ServerConnection
    response: httpx.Response
    ends_at: float

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes. Raises ReplyInvalid, LanguageModelUnavailable."""
        limits, name = self.connection.limits, self.connection.name
        left = limits.most_bytes
        try:
            for chunk in self.response.iter_bytes():
                left -= len(chunk)
                if left < 0:
                    raise too_large_reply(name, limits.most_bytes)
                if self.connection.clock.now() > self.ends_at:
                    raise LanguageModelUnavailable(
                        f"{name} took more than {limits.total_seconds:g} s.",
                        code="language_model_timeout",
                    )
                yield chunk
        except httpx.RequestError as error:
            raise self.connection.unreachable(error) from error

    def close(self) -> None:
        """End the request, also in its middle."""
        self.response.close()


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a server asks to wait, 0 and up; None where it says nothing.

    Both forms of RFC 9110 are read: seconds, and a date.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _wrong_address(reason: str) -> LanguageModelRefused:
    return LanguageModelRefused(
        f"The address of the language model cannot be used: {reason}.",
        code="language_model_address",
    )
