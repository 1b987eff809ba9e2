"""A multipart form as it arrives: parts as events, the bytes of a file never copied or kept.

The scanning for boundaries is python-multipart's; it hands over slices of what the socket gave.
"""

from __future__ import annotations

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cinemill.errors import InputRejected

MAX_PARTS = 16
MAX_PART_HEADERS = 8
MAX_PART_HEADER_BYTES = 4096
"""Of one header. A file's name may have 255 characters, which browsers write with up to nine bytes
each where they are no ASCII."""
MAX_FORM_BYTES = 1 << 50
"""Of a whole form: the file's own limit is lower, and is enforced where the file is received."""
MAX_BOUNDARY_LENGTH = 70
"""As RFC 2046 has it."""
_UPLOAD_HINT = (
    "Send the video as multipart/form-data in a part called 'file': "
    "curl -F file=@video.mp4 ADDRESS/upload"
)
# What browsers do to quotes and line ends in names:
# https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
_BROWSER_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


class FormInvalid(InputRejected):
    """The body is not a form that this route can read."""

    code = "form_invalid"
    http_status = 400
    hint = _UPLOAD_HINT


@dataclass(frozen=True, slots=True)
class PartBegin:
    name: str
    filename: str | None
    """As sent; None for a plain field."""


@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    pass


FormEvent = PartBegin | PartData | PartEnd


def parse_boundary(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names. Raises FormInvalid (status 415 or 400)."""
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        refusal = FormInvalid(
            "The upload must be multipart/form-data.", code="media_type_unsupported"
        )
        refusal.http_status = 415
        raise refusal
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise FormInvalid("The Content-Type header has no boundary.")
    if len(boundary) > MAX_BOUNDARY_LENGTH:
        raise FormInvalid(f"The boundary is longer than {MAX_BOUNDARY_LENGTH} characters.")
    return boundary


class MultipartReader:
    """Feed it the body in pieces of any size; it answers what each piece held.

    Slices at the edges of a file are copied (a few kilobytes in all); a piece that lies wholly
    inside a file is passed on as the object that came in.
    """

    def __init__(self, boundary: bytes) -> None:
        self._events: list[FormEvent] = []
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._value = b""
        self._parts = 0
        self.is_complete = False
        """Whether the closing boundary has been seen."""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_part_data": self._on_part_data,
                    "on_part_end": lambda: self._events.append(PartEnd()),
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_end": self._on_end,
                },
                max_size=MAX_FORM_BYTES,
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_PART_HEADER_BYTES,
            )
        except FormParserError as error:
            raise FormInvalid(f"The form cannot be read: {error}.") from error

    def feed(self, piece: bytes) -> list[FormEvent]:
        """Yield what this piece holds, in order. Raises FormInvalid."""
        self._events = []
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise FormInvalid(f"The form cannot be read: {error}.") from error
        return self._events

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormInvalid(f"The form has more than {MAX_PARTS} parts.")
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise FormInvalid("A part of the form has no name.")
        filename = options.get(b"filename")
        self._events.append(
            PartBegin(_decode(options[b"name"]), None if filename is None else _decode(filename))
        )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        is_whole = start == 0 and end == len(data)
        self._events.append(PartData(data if is_whole else data[start:end]))

    def _on_end(self) -> None:
        self.is_complete = True


def _decode(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    for escaped, plain in _BROWSER_ESCAPES:
        text = text.replace(escaped, plain)
    return text
