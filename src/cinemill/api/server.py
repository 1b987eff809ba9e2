"""Uvicorn as this house runs it: our log, our streams told to end, stopped within two seconds."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from cinemill.errors import PortInUse

GRACE_SECONDS = 1
KEEP_ALIVE_SECONDS = 30


class MillServer(uvicorn.Server):
    """Ends open event streams first; otherwise a watcher would hold the stop up to its limit."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.mill.stopping.set()
        await super().shutdown(sockets)
        # A stop that was asked for is a success: without this Uvicorn would raise the signal again.
        self._captured_signals.clear()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortInUse(f"Nothing can listen on {host}:{port} ({error.strerror}).") from error
    listener.set_inheritable(True)
    return listener
