"""Requests that the methods of a client are made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from cinemill.client.connection import API, Connection
from cinemill.client.errors import error_from_text
from cinemill.core.documents import JsonObject

MOST_OF_A_PAGE = 500
"""The most entries that the server returns at once."""


class Calls:
    """The requests of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _iterate(
        self, path: str, member: str, limit: int | None, wanted: JsonObject | None = None
    ) -> Iterator[Any]:
        """Yield the entries of as many pages as ``limit`` needs; None for all."""
        left = sys.maxsize if limit is None else limit
        query: dict[str, object] = {**(wanted or {}), "limit": min(left, MOST_OF_A_PAGE)}
        while True:
            page = self._get(f"{API}/{path}", query)
            yield from page[member]
            left -= len(page[member])
            # An empty page that names another would never end.
            if left <= 0 or not (page.get("next") and page[member]):
                return
            query.update(cursor=page["next"], limit=min(left, MOST_OF_A_PAGE))

    def _list(
        self, path: str, member: str, limit: int | None, wanted: JsonObject | None = None
    ) -> list[Any]:
        return list(self._iterate(path, member, limit, wanted))

    def _get(self, path: str, params: Any = None) -> Any:
        return self._connection.call("GET", path, params=params)

    def _post(self, path: str, body: JsonObject | None = None) -> Any:
        return self._connection.call("POST", path, json=body)


def part_of(text: str) -> str:
    """Return one segment of a path, in which slashes and question marks are escaped.

    Raises ClientError (``text_invalid``).
    """
    try:
        return quote(str(text), safe="")
    except UnicodeEncodeError as problem:
        raise error_from_text(str(text)) from problem
