"""A connection's transport: who may resume reading, how an answer is written, what is unsent."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import sys
import termios
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class OrderlyFlow(FlowControl):
    """Does not read on while earlier data waits, even where more is requested."""

    def __init__(self, transport: asyncio.Transport, held: bytearray) -> None:
        super().__init__(transport)
        self._held = held

    def resume_reading(self) -> None:
        if not self._held:
            super().resume_reading()


class AnswerTransport:
    """The transport as an answer sees it: its bytes are counted, and it closes with patience."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        write: Callable[[bytes], None],
        close: Callable[[], None],
    ) -> None:
        self.write = write
        self.close = close
        self.is_closing = transport.is_closing


def read_kernel_unsent_bytes(transport: asyncio.Transport) -> int:
    """Bytes that the other side has not acknowledged; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    try:
        file_number = transport.get_extra_info("socket").fileno()
        answer = fcntl.ioctl(file_number, termios.TIOCOUTQ, struct.pack("i", 0))
    except (OSError, ValueError):
        return 0  # As where the connection was lost just now.
    return int(struct.unpack("i", answer)[0])
