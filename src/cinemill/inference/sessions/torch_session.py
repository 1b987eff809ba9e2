"""Models run by PyTorch on a GPU; a process without a GPU never imports this module.

The session runs the same ONNX graph as the CPU does, node by node, in half precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cinemill.inference.models.cards import ModelCard
from cinemill.inference.sessions.batches import (
    BATCH_SIZE,
    GPU_BATCH_SIZE,
    BatchRunner,
    FetchRows,
)
from cinemill.inference.sessions.pinned_buffers import PinnedBuffers
from cinemill.inference.sessions.pixels import normalize
from cinemill.inference.sessions.protocol import (
    Images,
    OutOfMemory,
    Rows,
    check_images,
    make_empty_rows,
    require_image,
)
from cinemill.inference.sessions.signature import match_signature, unusable
from cinemill.inference.sessions.torch_graph import Tensor, TorchGraph, UnsupportedGraph


class TorchSession:
    """A graph on a GPU, or on the CPU for tests; see :class:`~.protocol.ImageSession`."""

    fallback_reason = ""

    def __init__(
        self, card: ModelCard, model: Path, *, device: str, memory_fraction: float = 1.0
    ) -> None:
        """Load ``model`` on ``device``.

        ``memory_fraction`` limits what this process may take of the GPU's memory. Raises
        ToolMissing (``model_unusable``), RuntimeError if the device cannot be used.
        """
        self.card = card
        self.device = device
        self._image = require_image(card)
        self._is_cuda = device.startswith("cuda")
        if self._is_cuda:
            torch.cuda.set_per_process_memory_fraction(memory_fraction, torch.device(device))
        self._buffers = PinnedBuffers(device) if self._is_cuda else None
        before = self._allocated_bytes()
        dtype = torch.float16 if self._is_cuda else torch.float32
        try:
            self._graph: TorchGraph | None = TorchGraph.load(model, device, dtype)
        except UnsupportedGraph as error:
            raise unusable(card, str(error)) from error
        self._signature = match_signature(card, self._graph.inputs, self._graph.outputs)
        size = GPU_BATCH_SIZE if self._is_cuda else BATCH_SIZE
        if self._signature.image.takes_one:
            size = 1
        self._batches = BatchRunner(self._start_batch, size)
        self._start_batch(np.zeros((1, self._image.height, self._image.width, 3), np.uint8))()
        self.memory_bytes = max(self._allocated_bytes() - before, self._graph.size_bytes)

    def run(self, images: Images) -> Rows:
        check_images(self.card, images)
        return self._batches.run(images) if len(images) else make_empty_rows(self.card)

    def close(self) -> None:
        self._graph = None
        if self._buffers is not None:
            self._buffers.release()
        self.release_memory()

    def release_memory(self) -> None:
        """Return memory that PyTorch keeps for later batches to the GPU, for other processes."""
        if self._is_cuda:
            torch.cuda.empty_cache()

    def _allocated_bytes(self) -> int:
        return int(torch.cuda.memory_allocated(self.device)) if self._is_cuda else 0

    def _start_batch(self, images: Images) -> FetchRows:
        """Start a batch, and return how to fetch its rows: a GPU works on while others come."""
        if self._graph is None:
            raise ValueError(f"the session of {self.card.name} is closed")
        with self._as_our_errors(), torch.inference_mode():
            values = self._graph.run({self._signature.image.name: self._upload(images)})

        def fetch() -> Rows:
            with self._as_our_errors(), torch.inference_mode():
                return self._download(values, len(images))

        return fetch

    @contextmanager
    def _as_our_errors(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            self.release_memory()
            raise OutOfMemory(
                f"The memory of {self.device} does not suffice to run {self.card.name}."
            ) from error
        except UnsupportedGraph as error:
            raise unusable(self.card, str(error)) from error

    def _upload(self, images: Images) -> Any:
        pixels = images if self._signature.image.takes_pixels else normalize(images, self._image)
        if self._buffers is None:
            return torch.from_numpy(np.ascontiguousarray(pixels))
        return self._buffers.upload(pixels)

    def _download(self, values: Mapping[str, Tensor], count: int) -> Rows:
        return {name: rows.reshape(count, -1) for name, rows in self._list_rows(values)}

    def _list_rows(self, values: Mapping[str, Tensor]) -> Iterator[tuple[str, Any]]:
        for output, name in zip(self.card.outputs, self._signature.outputs, strict=True):
            yield output.name, values[name].float().cpu().numpy()
