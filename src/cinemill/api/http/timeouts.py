"""How long a connection's client may take for each thing it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """How long a client is waited for, in seconds."""

    head: float = 15.0
    """For the whole request line and headers: from the connection's first moment, then from each
    next request's first byte. Honest ones come in one packet; 15 s allow for three lost ones."""
    body: float = 60.0
    """For the next byte of a body."""
    trickle: float = 300.0
    """In this time a body must bring ``trickle_bytes``: 218 bytes a second, less than any line."""
    trickle_bytes: int = 64 * 1024
    unread: float = 15.0
    """For the same, where every place is taken: the answer that has been unread the longest makes
    room then."""
    answer: float = 300.0
    """For the client to take the next byte of its answer. Players that pause longer ask again for
    the rest, and event streams resume."""
    linger: float = 2.0
    """For the rest of a request that was answered early, so that its sender reads the answer: a
    connection that is closed with unread bytes is reset, and many clients drop the answer then."""
    ping: float = 20.0
    """Between two pings of a WebSocket; proxies close connections that are silent for a minute."""
    pong: float = 20.0
    """For the answer to a ping. A client that does not read what it is sent does not answer."""
