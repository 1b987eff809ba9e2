"""What is said of a port at which nothing can listen, of the API or of Flower."""

from __future__ import annotations

import asyncio
import socket

import pytest

from cinemill.errors import AddressUnusable
from cinemill.local.instance import check_port


@pytest.mark.parametrize(
    ("hint", "said"), [(None, "CINEMILL_PORT"), ("Set FLOWER_PORT.", "Set FLOWER_PORT.")]
)
def test_hint_is_about_the_setting_of_the_port(
    hint: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may listen on any port: the kernel's refusal is made here.
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(AddressUnusable, match="below 1024") as caught:
        asyncio.run(check_port("127.0.0.1", 443, hint=hint))
    assert said in caught.value.hint
