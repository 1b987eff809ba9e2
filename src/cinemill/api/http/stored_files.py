"""Files of the store as answers: in ranges, and not again to a client that has them."""

from __future__ import annotations

import os

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response
from starlette.types import Receive, Scope, Send

from cinemill.api.http.disposition import name_disposition
from cinemill.api.middleware.entity_tags import is_known
from cinemill.errors import NotFound
from cinemill.storage.media.files import LocalFiles

_OF_NO_CHANGE = ("ETag", "Cache-Control", "Vary")
"""What a 304 says, of what the whole answer would say (RFC 9110, section 15.4.5)."""


class StoredFile(FileResponse):
    """A file whose ETag is the hash of its content."""

    chunk_size = 1024 * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Before a range is looked at, and before the file is opened (RFC 9110, section 13.2.2).
        if is_known(self.headers["ETag"], Headers(scope=scope)):
            kept = {name: self.headers[name] for name in _OF_NO_CHANGE if name in self.headers}
            await Response(status_code=304, headers=kept)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        # Without Last-Modified: an address without a hash may return an older file than before,
        # so no condition on a date is understood, and none is invited.
        self.headers["Content-Length"] = str(stat_result.st_size)

    def _should_use_range(self, http_if_range: str) -> bool:
        return http_if_range == self.headers["ETag"]

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        unit, mark, _ = http_range.partition("=")
        if mark and unit.strip().lower() != "bytes":
            return []  # as if there were none (RFC 9110, section 14.2)
        # Starlette's own responses to these are plain text.
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader as error:
            raise HTTPException(400, error.content) from None
        except RangeNotSatisfiable as error:
            headers = {"Content-Range": f"bytes */{error.max_size}"}
            raise HTTPException(416, headers=headers) from None

    @classmethod
    def _parse_ranges(cls, range_: str, file_size: int) -> list[tuple[int, int]]:
        # Starlette refuses all of them if one begins beyond the end (RFC 9110, section 14.1.2).
        found = super()._parse_ranges(range_, file_size)
        return [one for one in found if 0 <= one[0] < file_size] or found


def open_stored_file(
    files: LocalFiles,
    sha256: str,
    filename: str,
    media_type: str,
    *,
    is_saved: bool,
    cache_rule: str,
) -> StoredFile:
    """Return the answer with a file of the store.

    ``is_saved``: a browser saves it instead of showing it. ``cache_rule``: ``Cache-Control``.
    Raises NotFound (``file_missing``).
    """
    if not files.exists(sha256):
        raise NotFound(
            f"The stored file of {filename} is missing.",
            code="file_missing",
            hint="Run 'cinemill verify' on the server's machine.",
        )
    return StoredFile(
        files.path(sha256),
        media_type=media_type,
        # The content's own hash: as strong as an ETag can be, and what a download is checked by.
        headers={
            "ETag": f'"{sha256}"',
            "Cache-Control": cache_rule,
            "Content-Disposition": name_disposition(filename, saved=is_saved),
        },
    )
