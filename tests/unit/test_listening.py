"""Why a server cannot listen: each cause is named as what it is."""

from __future__ import annotations

import socket

import pytest

from cinemill.errors import AddressUnusable, PortInUse
from cinemill.listening import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_free_port_is_listened_on(host: str) -> None:
    with listen(host, 0) as listener:
        assert listener.getsockname()[1] > 0


def test_taken_port_is_in_use() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            listen("127.0.0.1", port)
    assert "CINEMILL_PORT" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no-such-host.invalid", "does not resolve"),
        ("ex..ample", "is no host name"),
        ("media." + "a" * 64 + ".example", "is no host name"),
        ("192.0.2.1", "this machine does not have that address"),
        ("2001:db8::1", "does not (have|support)"),
    ],
)
def test_address_of_another_machine_is_not_in_use(host: str, reason: str) -> None:
    with pytest.raises(AddressUnusable, match=reason) as caught:
        listen(host, 0)
    assert "CINEMILL_HOST" in caught.value.hint


def test_port_that_needs_a_privilege_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may listen on any port, and containers on all of them: the kernel's refusal is made here.
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(AddressUnusable, match="below 1024") as caught:
        listen("127.0.0.1", 443)
    assert "reverse proxy" in caught.value.hint


@pytest.mark.parametrize("other", ["::1", "192.0.2.1", "2001:db8::1"])
def test_name_with_several_addresses_is_listened_on_at_ours(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systems list IPv6 first for localhost; a proxy before it asks 127.0.0.1."""
    listed = [
        one
        for address in (other, "127.0.0.1")
        for one in socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: listed)
    with listen("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_socket_is_closed_after_a_failure() -> None:
    # An open one would be a ResourceWarning, which fails tests.
    for _ in range(3):
        with pytest.raises(AddressUnusable):
            listen("192.0.2.1", 0)
