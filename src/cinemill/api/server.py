"""Uvicorn with Cinemill's log, streams that end at a stop, and a stop within two seconds."""

from __future__ import annotations

import resource
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from cinemill.api.http.admission import Places, places_within
from cinemill.api.http.connections import BoundedHttpProtocol
from cinemill.api.http.server_state import BoundedServerState
from cinemill.api.http.sockets import MAX_RECEIVED_BYTES
from cinemill.api.http.timeouts import HttpTimeouts
from cinemill.listening import listen

GRACE_SECONDS = 1
KEEP_ALIVE_SECONDS = 30
STOP_SIGNALS = (signal.SIGQUIT, signal.SIGHUP)
"""Of terminals, besides those that Uvicorn knows."""
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
"""What tools for log files send to have them opened again; by default they end a process."""


class UvicornServer(uvicorn.Server):
    """Ends open event streams first; otherwise a watcher would hold the stop up to its limit."""

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        patience: HttpTimeouts | None = None,
        places: Places | None = None,
    ) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http=BoundedHttpProtocol,
                ws="none",  # The connection itself opens those that there are.
                ws_max_size=MAX_RECEIVED_BYTES,
                ws_per_message_deflate=False,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # Uvicorn believes whatever comes from loopback.
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        front = app.state.cinemill.front
        self._state = BoundedServerState(patience or HttpTimeouts(), places or Places(), front)
        self.server_state = self._state

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop in order at the end of the terminal, unless that is under nohup."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread():
                yield  # No other thread may listen to signals.
                return
            before = {number: signal.getsignal(number) for number in STOP_SIGNALS + IGNORED_SIGNALS}
            for number, handler in before.items():
                if number in IGNORED_SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
                elif handler is not signal.SIG_IGN:
                    signal.signal(number, self.handle_exit)
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        self._state.renew_drops()
        self._state.check_connections()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.cinemill.stopping.set()
        await super().shutdown(sockets)
        # A stop that was asked for is a success: without this Uvicorn would raise the signal again.
        self._captured_signals.clear()


def raise_file_limit() -> Places:
    """Take all file descriptors that the system allows, and answer how many clients they carry."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (ValueError, OSError):
        pass  # As where the hard limit is above the kernel's own: what there is must do.
    return Places() if soft == resource.RLIM_INFINITY else places_within(soft)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket for Uvicorn. Raises PortInUse, AddressUnusable."""
    listener = listen(host, port)
    listener.set_inheritable(True)
    return listener
