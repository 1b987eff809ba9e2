"""Request bodies that are read whole: as large as their route allows, and JSON without tricks.

Routes of these routers are :class:`BoundedRoute`; :func:`body_at_most` gives one another limit
than the ordinary. Uploads stream their bodies and are bounded in ``intake`` and ``forms``.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope

from cinemill.api.http.query_names import check_query, list_query_names
from cinemill.errors import CinemillError, InputRejected, TooLarge

ORDINARY_BYTES = 1024 * 1024
"""Far more than any body that is no timeline: a cancellation's reason is 500 characters."""
TIMELINE_BYTES = 16 * 1024 * 1024 + 64 * 1024
"""10,000 clips, the most there may be, are 3.5 MB with a title and a transition each; the
parameters themselves may be 16 MiB."""
MOST_VALUES = 1_000_000
"""Commas and brackets of a body, and so about its values: 10,000 such clips have 300,000. Small
lists take a hundred times their text in memory."""
DEEPEST = 33
"""Objects and lists within each other: the 32 that parameters may have, and the one around them."""
MOST_DIGITS = 20
"""Of a whole number: more than 64 bits have, and far from where reading them takes long."""
THREAD_BYTES = 64 * 1024
"""A larger body is parsed in a thread, so that nobody waits for it: 16 MB take half a second."""

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class JsonInvalid(InputRejected):
    """The body is JSON that means different things to different readers, or nothing at all."""

    code = "json_invalid"
    hint = "Send valid JSON (RFC 8259) in UTF-8, without duplicate names in an object."


class JsonTooDeep(InputRejected):
    """The body has too many lists or objects within each other."""

    code = "json_too_deep"
    hint = f"Send lists and objects nested {DEEPEST} deep at most."


class NumberOutOfRange(InputRejected):
    """A number that cannot be stored."""

    code = "number_out_of_range"
    hint = "Send numbers that fit into 64 bits."


def body_at_most(size_bytes: int) -> Callable[[_Endpoint], _Endpoint]:
    """Mark an endpoint: its body may have so many bytes."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        endpoint.most_body_bytes = size_bytes  # type: ignore[attr-defined]
        return endpoint

    return mark


class BoundedRequest(Request):
    """A request whose body cannot be read beyond a limit.

    What it refuses is raised as an HTTPException *from* the error that says so: FastAPI takes any
    other exception while it reads a body for one of its own.
    """

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int) -> None:
        super().__init__(scope, receive)
        self._most_bytes = most_bytes

    async def stream(self) -> AsyncGenerator[bytes, None]:
        announced = self.headers.get("content-length", "")
        # The parser of HTTP has seen to it that these are digits, and not too many.
        if announced.isdecimal() and int(announced) > self._most_bytes:
            self._refuse_size()
        size_bytes = 0
        async for block in super().stream():
            size_bytes += len(block)
            if size_bytes > self._most_bytes:
                self._refuse_size()
            yield block

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            content = await self.body()
            try:
                if len(content) > THREAD_BYTES:
                    self._json = await run_in_threadpool(read_json, content)
                else:
                    self._json = read_json(content)
            except CinemillError as error:
                raise HTTPException(error.http_status) from error
        return self._json

    def _refuse_size(self) -> NoReturn:
        error = TooLarge(
            f"The request's body is larger than {self._most_bytes / 1024**2:.3g} MiB.",
            hint="Send a smaller request.",
        )
        raise HTTPException(error.http_status) from error


class BoundedRoute(APIRoute):
    """A route whose endpoint is given a :class:`BoundedRequest`, with no unknown parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        most_bytes = getattr(self.endpoint, "most_body_bytes", ORDINARY_BYTES)
        query_names = list_query_names(self.dependant)

        async def handle_bounded(request: Request) -> Response:
            check_query(request, query_names)
            return await handle(BoundedRequest(request.scope, request.receive, most_bytes))

        return handle_bounded


def read_json(content: bytes) -> Any:
    """Return the value of a JSON text.

    Raises JsonInvalid, JsonTooDeep or NumberOutOfRange; json.JSONDecodeError where it is no JSON.
    """
    if content.count(b",") + content.count(b"[") + content.count(b"{") > MOST_VALUES:
        raise JsonInvalid(f"The body has more than {MOST_VALUES:,} values.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise JsonInvalid("The body is not UTF-8.") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_read_object,
            parse_constant=_refuse_constant,
            parse_float=_read_float,
            parse_int=_read_whole,
        )
    except RecursionError:
        raise _too_deep() from None
    _check_depth(value)
    return value


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonInvalid("An object in the body has a duplicate name.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise JsonInvalid(f"{name} is not valid JSON.")


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NumberOutOfRange("A number of the body is too large.")
    return number


def _read_whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise NumberOutOfRange("A number of the body is too large.")
    return int(text)


def _check_depth(value: Any) -> None:
    """By levels, without calls that nest."""
    level = [value]
    for _ in range(DEEPEST):
        level = [one for each in level for one in _members(each) if isinstance(one, dict | list)]
        if not level:
            return
    raise _too_deep()


def _members(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep() -> JsonTooDeep:
    return JsonTooDeep(f"The body has lists or objects nested more than {DEEPEST} deep.")
