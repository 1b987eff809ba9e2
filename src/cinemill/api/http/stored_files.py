"""Files of the store as answers: in ranges, and not again to a client that has them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response
from starlette.types import Receive, Scope, Send

from cinemill.api.http.disposition import name_disposition
from cinemill.api.middleware.cache_rules import ASKED_EACH_TIME, NEVER_CHANGES
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

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        # Starlette's own responses to these are plain text.
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader as error:
            raise HTTPException(400, error.content) from None
        except RangeNotSatisfiable as error:
            headers = {"Content-Range": f"bytes */{error.max_size}"}
            raise HTTPException(416, headers=headers) from None


def open_stored_file(
    files: LocalFiles,
    sha256: str,
    filename: str,
    media_type: str,
    *,
    is_saved: bool,
    never_changes: bool,
) -> StoredFile:
    """Return the answer with a file of the store.

    ``is_saved``: a browser saves it instead of showing it. ``never_changes``: the address that was
    asked can never return another file. Raises NotFound (``file_missing``).
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
            "Cache-Control": NEVER_CHANGES if never_changes else ASKED_EACH_TIME,
            "Content-Disposition": name_disposition(filename, saved=is_saved),
        },
    )
