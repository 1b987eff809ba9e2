"""Refusals of the server or of a proxy in front, and the lack of a response, as one error."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from cinemill.core.documents import JsonObject, quote
from cinemill.errors import CinemillError, TextUnstorable, clip_text

_LONGEST_QUOTE = 200
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
"""https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""
_TRUST_IT = (
    "If it is your own, name the file of its authority (PEM) with --ca-file, CINEMILL_CA_FILE or "
    "SSL_CERT_FILE."
)
_SIGN_IN = (
    "If a proxy asks people to sign in, let it pass on requests for Cinemill with a bearer token."
)
START_IT = "Start it with 'cinemill up', or set CINEMILL_URL to another server."

LASTING_CODES = frozenset(
    {
        "certificate_expired",
        "certificate_untrusted",
        "certificate_wrong_name",
        "not_http",
        "tls_failed",
    }
)
"""Of connections that fail until somebody changes something."""


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
        # What is no answer of Cinemill's means that Cinemill is out of reach.
        self.http_status = status if 400 <= status < 520 else 503
        self._log_tail = log_tail

    @property
    def log_tail(self) -> str:
        return self._log_tail


def error_from_response(response: httpx.Response, base_url: str = "") -> ClientError:
    """Return the error that a response (its body read) describes, whatever it contains."""
    document = _parse(response)
    status = response.status_code
    if not _text(document, "code"):
        return _error_from_stranger(response, base_url)
    return ClientError(
        _text(document, "detail")
        or f"The server responded with {status} {response.reason_phrase}.",
        code=_text(document, "code"),
        hint=_text(document, "hint") or "See the server's log for the cause.",
        status=status,
        log_tail=_text(document, "log_tail"),
    )


_STRANGERS = {
    400: "Check the address: a port for TLS needs https:// in it, for instance.",
    401: _SIGN_IN,
    403: _SIGN_IN,
    404: "Check the address and its path: Cinemill is not served there.",
    407: _SIGN_IN,
    413: "Raise the size of requests that it accepts: client_max_body_size in nginx, for instance.",
    429: "It limits how often it may be asked; try again later.",
    502: "It does not reach Cinemill behind it: check there whether 'cinemill up' runs.",
    503: "It does not reach Cinemill behind it: check there whether 'cinemill up' runs.",
    504: "It did not wait long enough: raise proxy_read_timeout in nginx, for instance.",
}
"""Hints on what is not of Cinemill, by status."""


def _error_from_stranger(response: httpx.Response, base_url: str) -> ClientError:
    """Return the error of a response that Cinemill did not write: all of its own have a code."""
    status = response.status_code
    if response.has_redirect_location:
        return ClientError(
            f"The server at {base_url} redirects to {_clip(response.headers['Location'])}.",
            code="redirected",
            hint=f"If that is the same server, use its address. {_SIGN_IN}",
            status=status,
        )
    called = f"{status} {response.reason_phrase}".strip()
    named = _clip(response.headers.get("Server", ""))
    who = f"Something in front of Cinemill ({named})" if named else "Something in front of Cinemill"
    return ClientError(
        f"{who} responded with {called}.",
        code=f"http_{status}",
        hint=_STRANGERS.get(status, "Its own log has the cause; Cinemill did not respond."),
        status=status,
    )


def error_from_transport(problem: httpx.TransportError, base_url: str) -> ClientError:
    """Return the error of a response that is missing or incomplete."""
    if isinstance(problem, httpx.ProxyError):
        return ClientError(
            f"The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names refused the connection to "
            f"{base_url}: {_clip(str(problem))}.",
            code="proxy_refused",
            hint="Correct that variable, or name the server's host in NO_PROXY.",
        )
    if isinstance(problem, httpx.ConnectTimeout):
        return ClientError(
            f"Nothing at {base_url} accepted the connection in time.",
            code="connect_timed_out",
            hint="Check the host and the port in the address, and firewalls between.",
        )
    if isinstance(problem, httpx.ConnectError):
        return _error_from_connect(problem, base_url)
    if isinstance(problem, httpx.TimeoutException):
        message = f"The server at {base_url} did not respond in time."
        hint = "Try again, or run 'cinemill doctor' to check the server."
        return ClientError(message, code="mill_slow", hint=hint)
    if isinstance(problem, httpx.RemoteProtocolError) and "illegal status" in str(problem):
        return ClientError(
            f"What responds at {base_url} does not speak HTTP: {_clip(str(problem))}.",
            code="not_http",
            hint="Check the port and the scheme in the address: with TLS it begins with https://.",
        )
    message = f"The connection to {base_url} was lost: {str(problem).rstrip('.')}."
    return ClientError(message, code="connection_lost", hint="Try again.")


def _error_from_connect(problem: httpx.ConnectError, base_url: str) -> ClientError:
    causes = list(_causes_of(problem))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _error_from_certificate(cause, base_url)
        if isinstance(cause, ssl.SSLError):
            return ClientError(
                f"{base_url} does not speak TLS as it should: {cause.reason or cause}.",
                code="tls_failed",
                hint="Check the port: one without TLS needs http:// in the address.",
            )
        if isinstance(cause, socket.gaierror):
            return ClientError(
                f"The host name in {base_url} cannot be resolved: {cause.strerror}.",
                code="host_unknown",
                hint="Check the name in the address, and this machine's DNS.",
            )
        if isinstance(cause, ConnectionRefusedError):
            break
    else:
        reason = next((one.strerror for one in causes if isinstance(one, OSError)), None)
        return ClientError(
            f"{base_url} cannot be reached: {reason or problem}.",
            code="host_unreachable",
            hint="Check the host in the address, and this machine's network.",
        )
    message = f"No Cinemill server responds at {base_url}: the connection was refused."
    return ClientError(message, code="mill_unreachable", hint=START_IT)


def _error_from_certificate(problem: ssl.SSLCertVerificationError, address: str) -> ClientError:
    """Return the error of a server whose certificate was not accepted."""
    match problem.verify_code:
        case number if number in (_EXPIRED, _NOT_YET_VALID):
            state = "has expired" if number == _EXPIRED else "is not valid yet"
            return ClientError(
                f"The certificate of {address} {state}.",
                code="certificate_expired",
                hint="Renew it there; if it is valid, set the clock of this machine.",
            )
        case number if number in (_OTHER_NAME, _OTHER_ADDRESS):
            return ClientError(
                f"The certificate of {address} is for another name: {problem.verify_message}",
                code="certificate_wrong_name",
                hint="Use the name that the certificate is for, as it is in CINEMILL_PUBLIC_URL.",
            )
        case _:
            return ClientError(
                f"The certificate of {address} is not trusted: {problem.verify_message}.",
                code="certificate_untrusted",
                hint=_TRUST_IT,
            )


def _causes_of(problem: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from, the innermost last."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _clip(text: str) -> str:
    return clip_text(text, _LONGEST_QUOTE)


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
