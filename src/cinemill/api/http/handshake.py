"""Which requests open a WebSocket; others that ask for another protocol are answered as HTTP."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import httptools

SOCKET_PATH = re.compile(rb"/api/v1/analyses/[^/]+/ws")
_VERSION = b"13"
_KEY_BYTES = 16

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as they came."""


def is_handshake(
    target: bytes, upgrade: bytes, headers: RawHeaders, public_paths: Sequence[str] = ()
) -> bool:
    """Check whether a GET without a body is a whole WebSocket handshake (RFC 6455, 4.2.1).

    ``upgrade`` is the protocol that the request asks for, which is not among the headers. The
    target may be below one of ``public_paths``.
    """
    if upgrade.lower() != b"websocket" or not target.isascii():
        return False
    path = httptools.parse_url(target).path or b""
    below = (one.encode() for one in public_paths if path.startswith(f"{one}/".encode()))
    if not SOCKET_PATH.fullmatch(path.removeprefix(next(below, b""))):
        return False
    tokens = b",".join(_values(headers, b"connection")).lower().split(b",")
    return (
        b"upgrade" in (token.strip() for token in tokens)
        and _values(headers, b"sec-websocket-version") == [_VERSION]
        and _is_key(_values(headers, b"sec-websocket-key"))
    )


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value.strip() for found, value in headers if found == name]


def _is_key(values: Sequence[bytes]) -> bool:
    try:
        return len(values) == 1 and len(base64.b64decode(values[0], validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
