"""Refusals of the server, and the lack of a response, as one error."""

from __future__ import annotations

import json
from typing import Any

import httpx

from cinemill.core.documents import JsonObject, quote
from cinemill.errors import CinemillError, TextUnstorable

START_IT = "Start it with 'cinemill up', or set CINEMILL_URL to another server."


class ClientError(CinemillError):
    """A problem that the server reported (RFC 9457), or the lack of a response.

    ``code``, ``message`` and ``hint`` are the server's; ``status`` is the HTTP status, 0 where
    no response came.
    """

    def __init__(
        self, message: str, *, code: str, hint: str, status: int = 0, log_tail: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.http_status = status or 503
        self._log_tail = log_tail

    @property
    def log_tail(self) -> str:
        return self._log_tail


def error_from_response(response: httpx.Response) -> ClientError:
    """Return the error that a response (its body read) describes, whatever it contains."""
    document = _parse(response)
    status = response.status_code
    return ClientError(
        _text(document, "detail")
        or f"The server responded with {status} {response.reason_phrase}.",
        code=_text(document, "code") or f"http_{status}",
        hint=_text(document, "hint") or "See the server's log for the cause.",
        status=status,
        log_tail=_text(document, "log_tail"),
    )


def error_from_transport(problem: httpx.TransportError, base_url: str) -> ClientError:
    """Return the error of a response that is missing or incomplete."""
    if isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout):
        message = f"No Cinemill server responds at {base_url}."
        return ClientError(message, code="mill_unreachable", hint=START_IT)
    if isinstance(problem, httpx.TimeoutException):
        message = f"The server at {base_url} did not respond in time."
        hint = "Try again, or run 'cinemill doctor' to check the server."
        return ClientError(message, code="mill_slow", hint=hint)
    message = f"The connection to {base_url} was lost: {problem}."
    return ClientError(message, code="connection_lost", hint="Try again.")


def error_from_text(text: str) -> ClientError:
    """Return the error of a request that was not sent, for HTTP or JSON has no such text."""
    return ClientError(
        f"A text of the request cannot be sent: {quote(text)}.",
        code=TextUnstorable.code,
        hint="Send Unicode text without control characters; in an idempotency key, ASCII.",
        status=TextUnstorable.http_status,
    )


def _parse(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(document: JsonObject, key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""
