"""Requests over HTTP, bounded in time and size, and what their statuses mean."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from cinemill.core.documents import JsonObject
from cinemill.errors import CinemillError
from cinemill.inference.providers.backoff import choose_delay_seconds, read_retry_after
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.text import clean_text

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
"""Longest wait for the next byte: a model writes nothing before it has seen the whole clip."""
LONGEST_CALL_SECONDS = 300.0
MOST_REPLY_BYTES = 1024 * 1024
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply that was read as a whole."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes


class HttpCaller:
    """A connection to services; redirects are not followed, so that keys stay where they are.

    Use it in one thread, and as a context manager.
    """

    def __init__(
        self,
        *,
        read_seconds: float = READ_SECONDS,
        longest_call_seconds: float = LONGEST_CALL_SECONDS,
        most_reply_bytes: int = MOST_REPLY_BYTES,
    ) -> None:
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)
        self._longest_call_seconds = longest_call_seconds
        self._most_reply_bytes = most_reply_bytes

    def __enter__(self) -> HttpCaller:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        api_key: str | None = None,
        document: JsonObject | None = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = 0,
    ) -> HttpReply:
        """Return a reply with a status of success (200 to 299).

        ``document`` is sent as JSON; ``content`` as it is. ``attempts`` chooses the pause after a
        throttled request. Raises ProviderThrottled, ProviderUnavailable (also
        ``provider_timeout``), ProviderDenied, ProviderRejected (also ``provider_address_unknown``),
        ProviderReplyInvalid (``provider_reply_too_large``).
        """
        sent = {"Accept": "application/json", **(headers or {})}
        if api_key:
            sent["Authorization"] = f"Bearer {api_key}"
        deadline = time.monotonic() + self._longest_call_seconds
        try:
            with self._client.stream(
                method, url, headers=sent, json=document, content=content
            ) as response:
                body = self._read(response, deadline)
        except httpx.TimeoutException as error:
            raise _timeout() from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(
                f"The server cannot be reached: {type(error).__name__}."
            ) from error
        received = {name.lower(): value for name, value in response.headers.items()}
        reply = HttpReply(response.status_code, received, body)
        if not 200 <= reply.status < 300:
            raise _translate(reply, attempts, url)
        return reply

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > self._most_reply_bytes:
                raise ProviderReplyInvalid(
                    f"The server's reply has more than {self._most_reply_bytes} bytes.",
                    code="provider_reply_too_large",
                )
            if time.monotonic() > deadline:  # a byte now and then would hold the worker
                raise _timeout()
        return bytes(body)


def read_json(reply: HttpReply) -> JsonObject:
    """Return the object that a reply holds. Raises ProviderReplyInvalid."""
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise ProviderReplyInvalid("The server's reply is no JSON, or only half of it.") from error
    if not isinstance(document, dict):
        raise ProviderReplyInvalid("The server's reply is no JSON object.")
    return document


def _timeout() -> ProviderUnavailable:
    return ProviderUnavailable("The server did not reply in time.", code="provider_timeout")


def _translate(reply: HttpReply, attempts: int, key: str) -> CinemillError:
    reason = clean_text(
        reply.body[: 4 * LONGEST_REASON].decode("utf-8", "replace"), most_characters=LONGEST_REASON
    )
    sentence = f"The server answers {reply.status}: {reason or 'without a reason'}"
    if reply.status == 429:
        asked = read_retry_after(
            reply.headers.get("retry-after"), longest_seconds=LONGEST_PAUSE_SECONDS
        )
        pause = choose_delay_seconds(
            attempts, key, first_seconds=FIRST_PAUSE_SECONDS, longest_seconds=LONGEST_PAUSE_SECONDS
        )
        return ProviderThrottled(sentence, delay_seconds=max(asked or 0.0, pause))
    if reply.status >= 500 or reply.status == 408:
        return ProviderUnavailable(sentence)
    if reply.status in (401, 402, 403):
        return ProviderDenied(sentence)
    if reply.status == 404:
        return ProviderRejected(sentence, code="provider_address_unknown")
    if 300 <= reply.status < 400:
        return ProviderReplyInvalid(
            f"The server redirects ({reply.status}), which is not followed."
        )
    return ProviderRejected(sentence)
