"""Server-sent events, as far as language models use them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from cinemill.core.documents import JsonObject
from cinemill.inference.language_models.errors import ReplyInvalid

DONE = "[DONE]"


def read_events(chunks: Iterable[bytes], name: str) -> Iterator[JsonObject]:
    """Yield the JSON object of each event, up to the end or to ``[DONE]``.

    ``name`` is the model's, for errors. The number of bytes is limited by who reads them. Raises
    ReplyInvalid (``language_model_reply_invalid``).
    """
    for data in _read_data(chunks):
        if data == DONE:
            return
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as broken:
            raise ReplyInvalid(f"An event of {name} is not JSON.") from broken
        if not isinstance(document, dict):
            raise ReplyInvalid(f"An event of {name} is not a JSON object.")
        yield document


def _read_data(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the data of each event; comments and other fields are passed over."""
    data: list[str] = []
    for line in _read_lines(chunks):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    if data:
        yield "\n".join(data)


def _read_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield lines without their ends, which may be CR LF, LF or CR."""
    rest = b""
    for chunk in chunks:
        # A CR at the end may be the first half of CR LF.
        content = rest + chunk
        held = b"\r" if content.endswith(b"\r") else b""
        lines = content.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *whole, last = lines.split(b"\n")
        rest = last + held
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", "replace")
