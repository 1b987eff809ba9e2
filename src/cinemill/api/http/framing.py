"""Where the parts of HTTP/1.1 requests begin and end, so that each is bounded before it is parsed.

The parser itself (llhttp) accepts headers, trailers and chunk extensions of any size, and joins a
header that arrives in many segments again with each of them. So it gets what a client sends in
pieces cut here: whole lines, and stretches of body. It remains the judge of what is valid; this
module only counts, and never needs more of a line than its limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

MAX_HEAD_BYTES = 64 * 1024
"""Request line, headers and trailers in all. Apache and nginx allow 32 to 100 KiB by default."""
MAX_HEADERS = 100
"""Headers and trailers in all, as Apache allows: a browser behind two proxies sends about 30."""
MAX_CHUNK_LINE_BYTES = 1024
"""The line before each chunk: its size and extensions, of which nobody sends any today."""
MAX_BLANK_LINES = 8
"""Ignored before a request line (RFC 9112, 2.2): some clients send one behind a body."""
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
"""What 64 bits take, leading zeros included. int() alone would take signs and underscores."""


class Part(Enum):
    """What comes next in a connection's bytes."""

    HEAD = auto()
    BODY = auto()
    CHUNK_SIZE = auto()
    CHUNK_DATA = auto()
    CHUNK_END = auto()
    TRAILER = auto()


class FramingError(Exception):
    """The bytes cannot be a request, whatever follows."""


class HeadTooLarge(FramingError):
    """The request line, headers or trailers exceed their limit."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What the parser gets at once: a line with its end, or a stretch of body."""

    part: Part
    data: bytes


class Framing:
    """Cuts the bytes of one connection.

    Call :meth:`cut` until the input is used up, and between calls report what the parser found
    about the request: :meth:`begin_body` after its headers, :meth:`end_message` after its end.
    """

    def __init__(self) -> None:
        self.part = Part.HEAD
        self.remaining_bytes = 0
        """Still to come of the body, where it has a length, or else of the chunk."""
        self._line = bytearray()
        self._head_bytes = 0
        self._blank_lines = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a next request has come."""
        return self.part is Part.HEAD and self._head_bytes == 0

    def begin_body(self, *, length_bytes: int | None) -> None:
        """Begin the body, after the headers. ``length_bytes`` None: it comes in chunks."""
        self.part = Part.CHUNK_SIZE if length_bytes is None else Part.BODY
        self.remaining_bytes = length_bytes or 0

    def end_message(self) -> None:
        """Begin another request: the present one is complete."""
        self.part = Part.HEAD
        self.remaining_bytes = 0
        self._head_bytes = 0
        self._blank_lines = 0

    def cut(self, data: bytes, start: int) -> tuple[Piece | None, int]:
        """Return the next piece of ``data`` from ``start`` on, and where the following one starts.

        None where a line is not complete yet. Raises HeadTooLarge or FramingError.
        """
        if self.part in (Part.BODY, Part.CHUNK_DATA):
            return self._cut_data(data, start)
        found = data.find(b"\n", start)
        end = len(data) if found < 0 else found + 1
        self._count(end - start)
        if found < 0:
            self._line += data[start:end]
            self._check_beginning()
            return None, end
        line = bytes(self._line) + data[start:end]
        self._line.clear()
        if self.part is Part.HEAD and self._head_bytes == len(line) <= 2 and not line.strip():
            self._ignore_blank_line()
        return self._take_line(line), end

    def _cut_data(self, data: bytes, start: int) -> tuple[Piece, int]:
        end = min(len(data), start + self.remaining_bytes)
        piece = Piece(self.part, data if end - start == len(data) else data[start:end])
        self.remaining_bytes -= end - start
        if self.part is Part.CHUNK_DATA and self.remaining_bytes == 0:
            self.part = Part.CHUNK_END
        return piece, end

    def _count(self, size_bytes: int) -> None:
        if self.part in (Part.HEAD, Part.TRAILER):
            self._head_bytes += size_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                raise HeadTooLarge
        elif len(self._line) + size_bytes > MAX_CHUNK_LINE_BYTES:
            raise FramingError("the line before a chunk is too long")

    def _check_beginning(self) -> None:
        # A client of another protocol (mostly TLS) is refused now, not when its time is over.
        if self.part is Part.HEAD and self._head_bytes == len(self._line):
            first = bytes(self._line[:1])
            if first and first != b"\r" and not first.isalpha():
                raise FramingError("a request begins with a method")

    def _ignore_blank_line(self) -> None:
        self._head_bytes = 0
        self._blank_lines += 1
        if self._blank_lines > MAX_BLANK_LINES:
            raise HeadTooLarge

    def _take_line(self, line: bytes) -> Piece:
        piece = Piece(self.part, line)
        if self.part is Part.CHUNK_SIZE:
            self.remaining_bytes = _read_chunk_size(line)
            self.part = Part.CHUNK_DATA if self.remaining_bytes else Part.TRAILER
        elif self.part is Part.CHUNK_END:
            self.part = Part.CHUNK_SIZE
        return piece


def _read_chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b"\r\n")
    if not _CHUNK_SIZE.fullmatch(digits):
        raise FramingError("the size of a chunk is no number")
    return int(digits, 16)
