"""What went wrong, as RFC 9457 problem documents (https://www.rfc-editor.org/rfc/rfc9457).

Members besides the standard ones: ``code`` (stable), ``hint`` (what the reader can do),
``retryable`` (whether the same request may succeed at another time), ``log_tail`` (the command's
last lines, where one was run), ``problems`` (each wrong field).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinemill import telemetry
from cinemill.api.middleware.methods import list_methods
from cinemill.api.middleware.validation import describe_error
from cinemill.api.socket_codes import close_failed
from cinemill.errors import (
    CinemillError,
    Conflict,
    InputRejected,
    NotFound,
    Unauthorized,
    ValueUnstorable,
)

log = telemetry.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_CODES_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 416: "range_not_satisfiable"}
_HINTS = {
    404: "Check the URL; /docs lists all endpoints.",
    405: "Check the method; /docs lists all endpoints.",
    416: "Request a range within the file.",
}


# Together 64 KB at most, however the characters are written (six bytes each, as \u0001), and
# whatever was sent.
LONGEST_DETAIL = 2000
LONGEST_HINT = 500
LONGEST_LOG_TAIL = 6000
MOST_PROBLEMS = 20
LONGEST_NAME = 100
LONGEST_PROBLEM = 250
LONGEST_LOGGED = 500
_STARTS = ("http.response.start", "websocket.http.response.start", "websocket.accept")


class ParametersInvalid(InputRejected):
    """Every wrong parameter of a request, named at once."""

    code = "parameters_invalid"

    def __init__(self, problems: Sequence[tuple[str, str]], *, omitted: int = 0) -> None:
        """``problems`` beyond the first ``MOST_PROBLEMS`` are counted, with those ``omitted``."""
        shown, omitted = problems[:MOST_PROBLEMS], omitted + len(problems[MOST_PROBLEMS:])
        self.problems = [
            {"name": clip(name, LONGEST_NAME), "what": clip(what, LONGEST_PROBLEM)}
            for name, what in shown
        ]
        said = [f"{one['name']}: {one['what']}" for one in self.problems]
        super().__init__("; ".join([*said, *([f"and {omitted} more"] if omitted else [])]))


def clip(text: str, characters: int) -> str:
    """Return a text of at most so many characters, in valid Unicode."""
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def to_problem(error: CinemillError) -> dict[str, Any]:
    """Return the problem document of an error, ready for JSON."""
    document: dict[str, Any] = {
        "type": f"urn:cinemill:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.http_status,
        "detail": clip(error.message, LONGEST_DETAIL),
        "code": error.code,
        "hint": clip(error.hint, LONGEST_HINT),
        "retryable": error.is_retryable,
    }
    if error.log_tail:
        document["log_tail"] = clip(error.log_tail[-LONGEST_LOG_TAIL:], LONGEST_LOG_TAIL)
    if isinstance(error, ParametersInvalid):
        document["problems"] = error.problems
    return document


def problem_response(
    error: CinemillError, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the HTTP response to an error."""
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if isinstance(error, Unauthorized):
        extra["WWW-Authenticate"] = "Bearer"
    if error.http_status == 503:
        extra["Retry-After"] = "5"
    return JSONResponse(
        to_problem(error), status_code=error.http_status, media_type=MEDIA_TYPE, headers=extra
    )


def install(app: FastAPI) -> None:
    """Make the application respond to every error with a problem document."""
    app.add_exception_handler(CinemillError, _on_cinemill_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


class UncaughtErrors:
    """Logs an unexpected exception in full, and responds without its details."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watch(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] in _STARTS
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as error:
            # A package's route that calls sys.exit() must not end the server.
            is_socket = scope["type"] == "websocket"
            if (scope["type"] != "http" or has_started) and not is_socket:
                if isinstance(error, Exception):
                    raise
                raise RuntimeError("A route tried to end the server.") from error
            log.exception(
                "uncaught_error",
                path=clip(scope["path"], LONGEST_LOGGED),
                error=type(error).__name__,
            )
            if is_socket and has_started:
                await close_failed(send)
            else:
                await problem_response(_internal_error())(scope, receive, send)


def _internal_error() -> CinemillError:
    return CinemillError("Internal server error; the log has the details.")


async def _on_cinemill_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CinemillError)  # noqa: S101 – registered for this class alone
    # Values are checked where they come in: one that only PostgreSQL refuses is a check we lack.
    if error.http_status >= 500 or isinstance(error, ValueUnstorable):
        texts = (request.scope["path"], error.message)
        path, detail = (clip(text, LONGEST_LOGGED) for text in texts)
        log.warning("request_failed", path=path, code=error.code, detail=detail)
    return problem_response(error)


async def _on_invalid_parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = error.errors()
    found = [(_field(entry["loc"]), describe_error(entry)) for entry in errors[:MOST_PROBLEMS]]
    return problem_response(ParametersInvalid(found, omitted=len(errors) - len(found)))


def _field(location: Sequence[Any]) -> str:
    """``('query', 'limit')`` as a person names it: ``limit``; a whole body is ``body``."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, CinemillError):
        return problem_response(error.__cause__)
    headers = {**(error.headers or {})}
    if error.status_code == 405:
        headers["Allow"] = ", ".join(list_methods(request.app.routes, request.scope))
    return problem_response(_translate(error), headers=headers)


def _translate(error: HTTPException) -> CinemillError:
    """Return the framework's own refusals (no such route, wrong method) as Cinemill's errors."""
    kinds = {404: NotFound, 405: Conflict}
    kind = kinds.get(error.status_code, InputRejected)
    translated = kind(
        f"{error.detail}.".replace("..", "."),
        code=_CODES_BY_STATUS.get(error.status_code, "request_refused"),
        hint=_HINTS.get(error.status_code),
    )
    translated.http_status = error.status_code
    return translated


async def _on_disconnect(request: Request, _: Exception) -> Response:
    log.info("client_left", path=clip(request.scope["path"], LONGEST_LOGGED))
    return Response(status_code=400)  # Nobody is there to read it.
