"""A Celery message before it is processed: its envelope and body, parsed within limits.

Nothing here depends on kinds of jobs or on a broker's connection. ``MessageGuard`` checks the
result.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from kombu.utils.json import loads as load_celery_json

from cinemill.core.documents import LONGEST_NAME_BYTES
from cinemill.errors import InputRejected

BODY_BYTES = 8 * 1024**2
"""A timeline of 10,000 clips, each with every option, was measured at 3.1 MB."""
ENVELOPE_BYTES = 12 * 1024**2
"""The limit for the body in base64, which is a third longer, plus the headers."""
MAX_VALUES = 500_000
"""Values in a message. The timeline above has 150,000; each takes up to 100 bytes of memory."""
MAX_DEPTH = 32
"""Nesting levels of a job's parameters, the same limit as everywhere."""
BODY_DEPTH = MAX_DEPTH + 1
"""The body is a list that contains the parameters."""
MAX_NAME_CHARACTERS = 155
"""Characters of an id, as in Celery's own result tables."""
EXCERPT_CHARACTERS = 1000

UNREADABLE_HEADER = "cinemill_unreadable"
"""Header of an envelope that replaces an unreadable item: why it could not be read."""
INTERRUPTED_HEADER = "cinemill_interrupted"
"""How many times in a row a worker took the message and neither finished nor returned it."""
MAX_INTERRUPTIONS = 3

SEND_JSON = "Send it with Celery's JSON serializer and without custom content encodings."
SEND_LESS = "Send less in one message, such as paths instead of data, or submit several jobs."

_TEXT_ENCODINGS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "binary"})
_COMMAND_MEMBERS = {
    "arguments": dict,
    "destination": list,
    "reply_to": dict,
    "ticket": str,
    "pattern": str,
}
_JSON_TYPES = frozenset({"application/json", "json"})


def read_envelope(item: bytes | str, queue: str) -> dict[str, Any]:
    """Return the envelope in a broker's item in a form valid for kombu: complete and well-typed.

    An unreadable item becomes an envelope that says so, and is delivered like any other: the broker
    keeps it until it has been moved to the dead letters. A message that is requeued goes back to
    ``queue``, whatever its own headers say, and gets a unique delivery tag.
    """
    try:
        document = parse_json(item, most_bytes=ENVELOPE_BYTES, what="envelope")
    except InputRejected as error:
        return _address(_replace_unreadable(item, error), queue)
    return _complete(document, item, queue)


def read_held(entry: bytes | str, fallback_queue: str) -> tuple[dict[str, Any], str]:
    """Return (envelope, queue) of a message that a worker held unacknowledged; never raises."""
    try:
        document, _, queue = parse_json(entry, most_bytes=2 * ENVELOPE_BYTES)
        if not isinstance(queue, str) or not queue:
            queue = fallback_queue
    except (InputRejected, TypeError, ValueError):
        return read_envelope(entry, fallback_queue), fallback_queue
    return _complete(document, entry, queue), queue


def _complete(document: Any, item: bytes | str, queue: str) -> dict[str, Any]:
    try:
        envelope = _check_structure(document)
    except InputRejected as error:
        envelope = _replace_unreadable(item, error, document)
    return _address(envelope, queue)


def _address(envelope: dict[str, Any], queue: str) -> dict[str, Any]:
    properties = envelope["properties"]
    info = properties.get("delivery_info")
    redelivered = isinstance(info, Mapping) and info.get("redelivered") is True
    properties["delivery_info"] = {"exchange": "", "routing_key": queue, "redelivered": redelivered}
    properties["delivery_tag"] = str(uuid4())
    return envelope


def check_broadcast(document: Any) -> dict[str, Any]:
    """Return a control message or event in a form valid for kombu. Raises InputRejected."""
    envelope = _check_members(document)
    properties = envelope["properties"]
    if not isinstance(properties.get("delivery_info"), dict):
        raise _malformed("delivery_info is missing")
    if envelope["headers"].get("compression"):
        raise _malformed("broadcasts are not compressed")
    if (envelope["content-encoding"] or "").lower() not in _TEXT_ENCODINGS:
        raise _malformed("its content-encoding is no text")
    if len(_decode_body(envelope)) > BODY_BYTES:
        raise _too_large(f"The body has more than {BODY_BYTES:,} bytes.")
    if not is_name(properties.get("delivery_tag")):
        properties["delivery_tag"] = str(uuid4())
    return envelope


def check_command(envelope: Mapping[str, object]) -> None:
    """Check the body of a control message. Raises InputRejected.

    When Celery cannot handle a command, it closes and reopens its channel, and leaves commands that
    have arrived meanwhile unread.
    """
    command = parse_body(_decode_body(dict(envelope)))
    if not isinstance(command, dict) or not isinstance(command.get("method"), str):
        raise _malformed("it is no control command")
    for name, kind in _COMMAND_MEMBERS.items():
        if not isinstance(command.get(name), kind | None):
            raise _malformed(f"'{name}' of a control command is of the wrong type")
    reply_to = command.get("reply_to")
    names = ("exchange", "routing_key")
    if reply_to and not all(isinstance(reply_to.get(name), str) for name in names):
        raise _malformed("a control command's answer goes nowhere")
    if command.get("matcher") not in (None, "glob"):
        # A regular expression may take forever, in the worker's loop.
        raise _malformed("a control command's matcher is not 'glob'")


def parse_json(text: bytes | str, *, most_bytes: int, what: str = "message") -> Any:
    """Parse plain JSON within limits. Raises InputRejected."""
    return _parse(text, json.loads, most_bytes=most_bytes, what=what)


def parse_body(body: bytes) -> Any:
    """Parse a body as Celery does, with its own types for dates etc. Raises InputRejected."""
    document = _parse(body, load_celery_json, most_bytes=BODY_BYTES, what="body")
    if exceeds_depth(document, BODY_DEPTH):
        raise InputRejected(
            f"The arguments are nested more than {MAX_DEPTH} levels deep.",
            code="message_too_deep",
            hint="Send flatter arguments.",
        )
    return document


def _parse(text: bytes | str, load: Callable[[str], Any], *, most_bytes: int, what: str) -> Any:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    if len(data) > most_bytes:
        raise _too_large(f"The {what} has {len(data):,} bytes, more than {most_bytes:,}.")
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > MAX_VALUES:
        raise _too_large(f"The {what} has about {values:,} values, more than {MAX_VALUES:,}.")
    try:
        return load(data.decode("utf-8"))
    except RecursionError:
        raise InputRejected(
            f"The {what} is nested too deep to be read.",
            code="message_too_deep",
            hint="Send flatter arguments.",
        ) from None
    except Exception as error:  # Celery's own types may raise anything from their text.
        raise InputRejected(
            f"The {what} is not JSON: {clip(excerpt(str(error)), 200)}.",
            code="message_not_json",
            hint=SEND_JSON,
        ) from error


def exceeds_depth(document: Any, limit: int) -> bool:
    """Return whether lists and dictionaries are nested more than ``limit`` levels deep."""
    level: list[Any] = [document]
    for _ in range(limit):
        level = [value for one in level for value in _list_containers(one)]
        if not level:
            return False
    return True


def _list_containers(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return ()
    return [one for one in value if isinstance(one, Mapping | list | tuple)]


def _check_structure(document: Any) -> dict[str, Any]:
    envelope = _check_members(document)
    headers, properties = envelope["headers"], envelope["properties"]
    body = _decode_body(envelope)
    compression = headers.pop("compression", None)
    if compression:
        body = _decompress(body, compression)
        envelope["body"] = base64.b64encode(body).decode()
        properties["body_encoding"] = "base64"
    if len(body) > BODY_BYTES:
        raise _too_large(f"The body has {len(body):,} bytes, more than {BODY_BYTES:,}.")
    properties["priority"] = _sanitize_priority(properties.get("priority"))
    return envelope


def _check_members(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise _malformed("it is no JSON object")
    if exceeds_depth(document, BODY_DEPTH):
        raise _malformed("its headers are nested too deep")
    envelope = {
        **document,
        "headers": document.get("headers") or {},
        "properties": document.get("properties") or {},
        "body": document.get("body") or "",
    }
    for name, kind in (("headers", dict), ("properties", dict), ("body", str)):
        if not isinstance(envelope[name], kind):
            raise _malformed(f"'{name}' is of the wrong type")
    for name in ("content-type", "content-encoding"):
        if not isinstance(envelope.setdefault(name, None), str | None):
            raise _malformed(f"'{name}' is no text")
    return envelope


def _decode_body(envelope: dict[str, Any]) -> bytes:
    body, encoding = envelope["body"], envelope["properties"].get("body_encoding")
    try:
        if encoding == "base64":
            return base64.b64decode(body)
        if encoding in (None, "", "utf-8"):
            return bytes(body.encode())
    except (binascii.Error, ValueError) as error:
        raise _malformed(f"the body is not {encoding or 'utf-8'}") from error
    raise _malformed("its body_encoding is unknown")


def _decompress(body: bytes, compression: Any) -> bytes:
    """Decompress at most as many bytes as a body may have. Raises InputRejected."""
    try:
        data = _decompress_some(body, compression)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise _malformed(f"the body is not {compression}") from error
    if len(data) > BODY_BYTES:
        raise _too_large(f"The body has more than {BODY_BYTES:,} bytes once decompressed.")
    return data


def _decompress_some(body: bytes, compression: Any) -> bytes:
    if compression in ("application/x-gzip", "gzip", "zlib"):
        return zlib.decompressobj().decompress(body, BODY_BYTES + 1)
    if compression in ("application/x-bz2", "bzip2", "bzip"):
        return bz2.BZ2Decompressor().decompress(body, BODY_BYTES + 1)
    if compression in ("application/x-lzma", "lzma", "xz"):
        return lzma.LZMADecompressor(memlimit=BODY_BYTES * 16).decompress(body, BODY_BYTES + 1)
    raise InputRejected(
        f"The compression {clip(repr(compression), 60)} is not supported.",
        code="message_malformed",
        hint="Send it uncompressed, or with gzip, bzip2 or lzma.",
    )


def _sanitize_priority(priority: Any) -> Any:
    """Keep a number; turn anything else into text, with which no broker does arithmetic."""
    if priority is None or (isinstance(priority, int) and abs(priority) < 2**31):
        return priority
    return clip(repr(priority), 60)


def _replace_unreadable(
    item: bytes | str, error: InputRejected, document: Any = None
) -> dict[str, Any]:
    reason = {"code": error.code, "message": error.message, "hint": error.hint}
    headers = _as_mapping(_as_mapping(document).get("headers"))
    # With these, the job of a message that is JSON but not valid can fail with the reason.
    identity = {name: headers[name] for name in ("task", "id") if is_name(headers.get(name))}
    return {
        "body": excerpt(item),
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {UNREADABLE_HEADER: {**reason, "size_bytes": len(item)}, **identity},
        "properties": {"priority": 0},
    }


def is_name(value: Any) -> bool:
    """Return whether this is a text that may be an id.

    An id has 1 to 155 printable characters, and at most 255 bytes of UTF-8, as a job's id may.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_CHARACTERS
        and value.isprintable()
        and value.strip() == value
        and len(value.encode()) <= LONGEST_NAME_BYTES
    )


def is_json(content_type: str | None, content_encoding: str | None) -> bool:
    """Return whether a body with these headers is JSON in UTF-8."""
    media_type, _, parameters = (content_type or "").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    encodings = {charset, (content_encoding or "").lower()}
    return media_type.strip() in _JSON_TYPES and encodings <= _TEXT_ENCODINGS


def clip(text: str, length: int) -> str:
    """Return at most ``length`` characters of the text, ending in an ellipsis if it was cut."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def excerpt(item: bytes | str) -> str:
    """Return the beginning of a broken message as printable text."""
    if isinstance(item, str):
        item = item[:EXCERPT_CHARACTERS].encode("utf-8", "backslashreplace")
    text = item[:EXCERPT_CHARACTERS].decode("utf-8", "backslashreplace")
    plain = "".join(one if one.isprintable() else "·" for one in text)
    return clip(plain, EXCERPT_CHARACTERS)


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _malformed(why: str) -> InputRejected:
    return InputRejected(
        f"This is not a Celery message: {why}.",
        code="message_malformed",
        hint="Send it with a Celery client, protocol 2.",
    )


def _too_large(message: str) -> InputRejected:
    return InputRejected(message, code="message_too_large", hint=SEND_LESS)


def read_size(headers: Any) -> int | None:
    """Return the size of an item of which a message holds only the beginning; else None."""
    reason = headers.get(UNREADABLE_HEADER) if isinstance(headers, Mapping) else None
    size = reason.get("size_bytes") if isinstance(reason, Mapping) else None
    return size if isinstance(size, int) and 0 <= size < 2**62 else None
