"""Responses whose start waits until their body shows whether they are sent in one piece."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeldAnswer(ABC):
    """Passes a response on; one that comes in one piece is completed before its start is sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
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


class HoldingLayer:
    """Lets every response of an application pass through a :class:`HeldAnswer` of its own."""

    answer: type[HeldAnswer]

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        await self._app(scope, receive, self.answer(scope, send).send if is_http else send)
