"""A proxy between a client and a server whose connections can be cut or made half-open."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

READ_BYTES = 65536
_RESET = struct.pack("ii", 1, 0)


class CuttableProxy:
    """Listens on ``port`` and forwards to ``target``; both on 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._state = "open"
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, ...]] = []
        self._doomed: list[tuple[socket.socket, ...]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Reset every connection and refuse new ones."""
        with self._lock:
            self._state = "closed"
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _reset(pair)

    def silence(self) -> None:
        """Make connections half-open: they stay open and never receive another byte, even later."""
        with self._lock:
            self._state = "silent"
            self._doomed += self._pairs
            self._pairs = []

    def restore(self) -> None:
        """Accept new connections again."""
        with self._lock:
            self._state = "open"

    def redirect_to(self, target: int) -> None:
        """Send new connections to this port; existing ones stay as they are."""
        self._target = target

    def destroy(self) -> None:
        self.close()
        self._listener.close()
        for pair in self._doomed:
            _reset(pair)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        with self._lock:
            state = self._state
            if state == "silent":
                self._doomed.append((client,))
        if state == "closed":
            _reset((client,))
        elif state == "open":
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            _reset((client,))
            return
        server.settimeout(None)
        pair = (client, server)
        with self._lock:
            self._pairs.append(pair)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, ...]
    ) -> None:
        with suppress(OSError):
            while block := source.recv(READ_BYTES):
                if pair in self._doomed:
                    continue
                sink.sendall(block)
        with self._lock:
            if pair in self._pairs:
                self._pairs.remove(pair)
        if pair not in self._doomed:
            _reset(pair)


def _reset(pair: tuple[socket.socket, ...]) -> None:
    for end in pair:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            end.close()
