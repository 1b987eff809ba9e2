"""Two buffers in pinned memory, through which pictures reach a GPU while it works."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

BUFFERS = 2
"""One is filled while the other is copied."""


class PinnedBuffers:
    """Copies arrays to a GPU on a stream of their own.

    The GPU reads pinned memory itself, so neither the process nor the work on the GPU waits for a
    copy. Not safe to share between threads.
    """

    def __init__(self, device: str) -> None:
        """Reserve nothing yet."""
        self._device = torch.device(device)
        self._stream = torch.cuda.Stream(self._device)
        self._buffers: list[Any] = [None] * BUFFERS
        self._copied: list[Any] = [None] * BUFFERS
        self._next = 0

    def upload(self, array: np.ndarray[Any, Any]) -> Any:
        """Return a tensor of this array on the GPU.

        The copy may not be done yet; work that the caller's stream gets from now on waits for it.
        """
        place, self._next = self._next, (self._next + 1) % BUFFERS
        if self._copied[place] is not None:
            self._copied[place].synchronize()  # else the last copy would read these pictures
        host = self._find_buffer(place, array)
        host.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        with torch.cuda.stream(self._stream):
            tensor = host.to(self._device, non_blocking=True)
            self._copied[place] = self._stream.record_event()
        working = torch.cuda.current_stream(self._device)
        working.wait_event(self._copied[place])
        tensor.record_stream(working)  # its memory is not given away while that stream uses it
        return tensor

    def release(self) -> None:
        """Give the pinned memory back."""
        self._stream.synchronize()
        self._buffers, self._copied = [None] * BUFFERS, [None] * BUFFERS

    def _find_buffer(self, place: int, array: np.ndarray[Any, Any]) -> Any:
        """Return the pinned memory of this place, shaped as the array."""
        size = array.nbytes
        buffer = self._buffers[place]
        if buffer is None or buffer.numel() < size:
            buffer = torch.empty(size, dtype=torch.uint8, pin_memory=True)
            self._buffers[place] = buffer
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        return buffer[:size].view(dtype).reshape(array.shape)
