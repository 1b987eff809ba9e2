"""Parser of server-sent events, without network access.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html. It is written here because
httpx-sse bounds neither a line nor an event, so that a hostile server could fill the memory, and
its decoder neither starts with a given last id nor leaves out events without data.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_EVENT_CHARACTERS = 1024 * 1024
"""Longest line, and longest data of one event; far more than Cinemill sends."""

_END_OF_LINE = re.compile(r"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """A line or an event exceeds ``MAX_EVENT_CHARACTERS``."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    event: str
    data: str
    id: str
    """The last id seen on this stream, which may be of an earlier event."""


@dataclass
class EventDecoder:
    """Decode bytes, which may be split anywhere, into events; each is yielded once complete."""

    last_id: str = ""
    retry_seconds: float | None = None
    """The delay that the server requested before a reconnection."""
    _text: str = ""
    _event: str = ""
    _data: list[str] = field(default_factory=list)
    _data_characters: int = 0
    _utf8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """Yield the events that ``piece`` completes. Raises EventTooLarge."""
        self._text += self._utf8.decode(piece)
        position = 0
        for match in _END_OF_LINE.finditer(self._text):
            if match[0] == "\r" and match.end() == len(self._text):
                break  # Its \n may be on the way.
            event = self._take_line(self._text[position : match.start()])
            position = match.end()
            if event is not None:
                yield event
        self._text = self._text[position:]
        if len(self._text) > MAX_EVENT_CHARACTERS:
            raise EventTooLarge

    def _take_line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._append_data(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000
        return None

    def _append_data(self, value: str) -> None:
        self._data_characters += len(value) + 1
        if self._data_characters > MAX_EVENT_CHARACTERS:
            raise EventTooLarge
        self._data.append(value)

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._data_characters = "", [], 0
        return ServerEvent(event, "\n".join(data), self.last_id) if data else None
