"""Models run by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cinemill.inference.models.cards import ModelCard
from cinemill.inference.models.tensors import UINT8
from cinemill.inference.sessions.batches import BATCH_SIZE, BatchRunner, run_at_once
from cinemill.inference.sessions.memory import measure_opening
from cinemill.inference.sessions.pixels import normalize
from cinemill.inference.sessions.protocol import (
    Images,
    OutOfMemory,
    Rows,
    check_images,
    make_empty_rows,
    require_image,
)
from cinemill.inference.sessions.signature import (
    GraphInput,
    Signature,
    match_signature,
    unusable,
)

_NO_MEMORY = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory")


class OnnxSession:
    """A loaded ONNX graph; see :class:`~.protocol.ImageSession`.

    Graphs that Cinemill exported take the pixels and normalise them inside; others get them
    normalised as their card says.
    """

    device = "cpu"

    def __init__(
        self, card: ModelCard, model: Path, *, threads: int, fallback_reason: str = ""
    ) -> None:
        """Load ``model``. Raises ToolMissing (``model_unusable``)."""
        self.card = card
        self.fallback_reason = fallback_reason
        self._image = require_image(card)
        self._batches = BatchRunner(run_at_once(self._run_batch), BATCH_SIZE)
        self._session, self.memory_bytes = measure_opening(
            lambda: self._open(model, threads), least_bytes=_size_of(model)
        )

    def run(self, images: Images) -> Rows:
        check_images(self.card, images)
        return self._batches.run(images) if len(images) else make_empty_rows(self.card)

    def release_memory(self) -> None:
        """Release nothing: a batch on the CPU leaves little behind."""

    def close(self) -> None:
        self._session = None

    def _open(self, model: Path, threads: int) -> Any:
        session = load_graph(self.card, model, threads=threads)
        self._signature = read_signature(self.card, session)
        if self._signature.image.takes_one:
            self._batches.size = 1
        self._session = session
        self._run_batch(np.zeros((1, self._image.height, self._image.width, 3), np.uint8))
        return session

    def _run_batch(self, images: Images) -> Rows:
        if self._session is None:
            raise ValueError(f"the session of {self.card.name} is closed")
        signature = self._signature
        pixels = images if signature.image.takes_pixels else normalize(images, self._image)
        try:
            results = self._session.run(signature.outputs, {signature.image.name: pixels})
        except Exception as error:  # its exceptions have no common parent but this
            raise _translate(self.card, error) from error
        return {
            output.name: np.asarray(result, np.float32).reshape(len(images), output.dimension)
            for output, result in zip(self.card.outputs, results, strict=True)
        }


def _size_of(model: Path) -> int:
    """Return the size in bytes; 0 if it is missing, which opening it will report."""
    return model.stat().st_size if model.is_file() else 0


def load_graph(card: ModelCard, model: Path, *, threads: int) -> Any:
    """Return ONNX Runtime's session of this file, on the CPU.

    Raises ToolMissing (``model_unusable``).
    """
    import onnxruntime  # imported here: a process without a model does not need it

    onnxruntime.set_default_logger_severity(3)  # its warnings are about its own optimisations
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next layer must not burn the processor time of FFmpeg next to it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise unusable(card, str(error)) from error


def read_signature(card: ModelCard, session: Any) -> Signature:
    """Return what ONNX Runtime's session takes and returns.

    Raises ToolMissing (``model_unusable``) if that is not what the card says.
    """
    inputs = [
        GraphInput(one.name, one.type == UINT8, bool(one.shape) and one.shape[0] == 1)
        for one in session.get_inputs()
    ]
    return match_signature(card, inputs, [one.name for one in session.get_outputs()])


def _translate(card: ModelCard, error: Exception) -> Exception:
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
        return OutOfMemory(f"The memory does not suffice to run {card.name}.")
    return unusable(card, str(error))
