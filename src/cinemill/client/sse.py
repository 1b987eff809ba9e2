"""Server-sent events out of bytes, as https://html.spec.whatwg.org/multipage/server-sent-events.html
has them: the parser only, no network."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_END_OF_LINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    event: str
    data: str
    id: str
    """The last id seen on this stream, which may be of an earlier event."""


@dataclass
class EventDecoder:
    """Feed it bytes as they come, cut anywhere; it yields each event once it is whole."""

    last_id: str = ""
    retry_seconds: float | None = None
    """What the server asked to wait before reconnecting."""
    _text: str = ""
    _event: str = ""
    _data: list[str] = field(default_factory=list)
    _utf8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
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

    def _take_line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000
        return None

    def _dispatch(self) -> ServerEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return ServerEvent(event, "\n".join(data), self.last_id) if data else None
