"""A response whose start waits until its body shows whether it is sent in one piece."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.types import Message, Send


class HeldAnswer(ABC):
    """Passes a response on; one that comes in one piece is completed before its start is sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    @abstractmethod
    def begin(self, start: Message) -> bool:
        """Look at the start, which may be changed; return whether it is to be held."""

    @abstractmethod
    async def complete(self, start: Message, body: bytes) -> tuple[Message, bytes]:
        """Return the start and the body to send of a response in one piece that was held."""

    async def send(self, message: Message) -> None:
        """Take the application's messages, in place of the server's ``send``."""
        if message["type"] == "http.response.start":
            if self.begin(message):
                self._start = message
                return
        elif (start := self._start) is not None:
            self._start = None
            if message["type"] == "http.response.body" and not message.get("more_body"):
                start, body = await self.complete(start, message.get("body", b""))
                message = {**message, "body": body}
            await self._send(start)
        await self._send(message)
