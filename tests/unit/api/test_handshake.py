"""Which requests open a WebSocket."""

from __future__ import annotations

import pytest

from cinemill.api.http.handshake import is_handshake

TARGET = b"/api/v1/analyses/5f/ws?last_event_id=1-0"
WHOLE = {
    b"connection": b"keep-alive, UPGRADE",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def test_whole_handshake_opens_a_socket() -> None:
    assert is_handshake(TARGET, b"WebSocket", list(WHOLE.items()))


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [None, b"", b"8", b"x y"])
def test_handshake_with_a_header_missing_or_wrong_opens_none(
    name: bytes, value: bytes | None
) -> None:
    headers = {**WHOLE, name: value}
    assert not is_handshake(
        TARGET, b"websocket", [(key, one) for key, one in headers.items() if one is not None]
    )


def test_handshake_with_two_keys_opens_none() -> None:
    twice = [*WHOLE.items(), (b"sec-websocket-key", WHOLE[b"sec-websocket-key"])]
    assert not is_handshake(TARGET, b"websocket", twice)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/api/v1/analyses/ws",
        b"/api/v1/analyses/a/b/ws",
        b"/api/v1/jobs/a/ws",
        b"/analyses/a/ws",
        b"/api/v1/analyses/a/ws/",
        b"/x?/api/v1/analyses/a/ws",
        b"/api/v1/analyses/a/ws?last_event_id=\xff",
    ],
)
def test_other_targets_open_none(target: bytes) -> None:
    assert not is_handshake(target, b"websocket", list(WHOLE.items()))
