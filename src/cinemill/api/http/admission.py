"""How many connections there may be, and which is closed where there are too many.

A connection that waits (for its first request, or between two) costs its client nothing, and
strangers may open any number. So it is the longest waiting one that makes room, and after these the
one that has left its answer unread the longest, never another that is served. Where all are served,
newcomers get the response that the server is busy. A few places beyond the limit are kept for
them, so that ``/health`` is answered even then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from itertools import chain
from typing import Generic, TypeVar

MAX_CONNECTIONS = 4096
"""A connection that waits takes about 10 KB; this many are far more than one process can serve."""
RESERVE_CONNECTIONS = 64
"""Beyond the limit: for the response that it is reached, or for ``/health``."""
FILES_BESIDE = 256
"""File descriptors kept for everything else: servers, logs, libraries."""
FILES_EACH = 2
"""Its socket, and the file that is sent or written."""

Guest = TypeVar("Guest")


@dataclass(frozen=True, slots=True)
class Places:
    """How many connections may be served."""

    total: int = MAX_CONNECTIONS
    reserve: int = RESERVE_CONNECTIONS

    @property
    def per_address(self) -> int:
        """One address takes half at most, so that the others (this machine's own) get in."""
        return max(1, self.total // 2)


def places_within(file_limit: int) -> Places:
    """As many as this number of file descriptors carries, ``MAX_CONNECTIONS`` at most."""
    fitting = (file_limit - FILES_BESIDE) // FILES_EACH - RESERVE_CONNECTIONS
    return Places(total=max(16, min(MAX_CONNECTIONS, fitting)))


class Admission(Generic[Guest]):
    """Who is here. Guests that are returned are to be closed; they are no longer counted."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._addresses: dict[Guest, str | None] = {}
        """None for those that come by a trusted proxy, which may bring anybody's requests."""
        self._waiting: dict[Guest, None] = {}
        self._unread: dict[Guest, None] = {}
        """Those that do not take their answers, the longest first."""
        self._counts: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._addresses)

    def arrive(self, guest: Guest, address: str | None) -> Guest | None:
        """Count one that waits, and choose who leaves for it: the newcomer where all are served.

        ``address`` None: of a trusted proxy, which may take any number of the places.
        """
        share = None if address is None else _share_of(address)
        self._addresses[guest] = share
        self._counts[share] += 1
        self._waiting[guest] = None
        evicted = self._make_room(guest, self._places.reserve)
        if evicted is None and self._is_over(share, self._places.reserve):
            self.leave(guest)
            return guest
        return evicted

    def attribute(self, guest: Guest, address: str) -> None:
        """Count a guest as of this address: a proxy brings a request of it."""
        if guest in self._addresses:
            self._forget(self._addresses[guest])
            self._addresses[guest] = share = _share_of(address)
            self._counts[share] += 1

    def serve(self, guest: Guest) -> tuple[bool, Guest | None]:
        """Serve a guest with a request; returns whether it has a place, and who leaves for it."""
        if guest not in self._addresses:
            return False, None
        self._waiting.pop(guest, None)
        evicted = self._make_room(guest, 0)
        return not self._is_over(self._addresses[guest], 0), evicted

    def wait(self, guest: Guest) -> None:
        """Count a guest that has been served, and may send another request, as waiting."""
        if guest in self._addresses:
            self._waiting[guest] = None

    def mark(self, guest: Guest, *, is_unread: bool) -> None:
        """Record whether a guest leaves its answer unread."""
        if not is_unread:
            self._unread.pop(guest, None)
        elif guest in self._addresses:
            self._unread.setdefault(guest)

    def replace(self, guest: Guest, successor: Guest) -> None:
        """Give the place of a served guest to another one: its connection changes its protocol."""
        self._unread.pop(guest, None)
        if guest in self._addresses:
            self._addresses[successor] = self._addresses.pop(guest)

    def leave(self, guest: Guest) -> None:
        """Forget a guest that is gone; one that is not counted may be gone too."""
        self._waiting.pop(guest, None)
        self._unread.pop(guest, None)
        if guest in self._addresses:
            self._forget(self._addresses.pop(guest))

    def _forget(self, address: str | None) -> None:
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def _make_room(self, guest: Guest, reserve: int) -> Guest | None:
        address = self._addresses[guest]
        if not self._is_over(address, reserve):
            return None
        # An address over its share loses connections of its own, not of others.
        is_greedy = self._is_greedy(address, reserve)
        for other in chain(self._waiting, self._unread):
            if other != guest and (not is_greedy or self._addresses[other] == address):
                self.leave(other)
                return other
        return None

    def _is_over(self, address: str | None, reserve: int) -> bool:
        is_full = len(self._addresses) > self._places.total + reserve
        return is_full or self._is_greedy(address, reserve)

    def _is_greedy(self, address: str | None, reserve: int) -> bool:
        return address is not None and self._counts[address] > self._places.per_address + reserve


@lru_cache(maxsize=1024)
def _share_of(address: str) -> str:
    """Return what counts as one address: of IPv6 a /64, the least that a customer is given."""
    try:
        number = IPv6Address(address)
    except ValueError:
        return address
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return f"{IPv6Address(int(number) >> 64 << 64)}/64"
