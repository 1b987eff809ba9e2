"""Open a model on the best device that this process has."""

from __future__ import annotations

import os
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from cinemill.errors import CinemillError
from cinemill.inference.export.prepared import find_or_export
from cinemill.inference.models.cards import ModelCard, check_model, find_model
from cinemill.inference.models.held_file import changed, hold_file
from cinemill.inference.sessions.devices import VISIBLE
from cinemill.inference.sessions.onnx_session import OnnxSession
from cinemill.inference.sessions.process_device import DEFAULT_OPTIONS, SessionOptions
from cinemill.inference.sessions.protocol import ImageSession
from cinemill.machine import usable_cpus
from cinemill.telemetry import get_logger

MAX_THREADS = 8

_GPU_ERRORS = (
    CinemillError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What PyTorch, a driver and the nodes of an unusual graph may raise: the CPU is used instead."""

log = get_logger(__name__)


def open_session(
    card: ModelCard, folder: Path, options: SessionOptions = DEFAULT_OPTIONS
) -> ImageSession:
    """Load the model, on the GPU if possible.

    ``folder`` holds the models. Weights that are not an ONNX graph are exported first, once. If the
    GPU cannot be used, the session says why in ``fallback_reason``.

    Raises ToolMissing (``model_missing``, ``model_damaged``, ``model_unusable``, ``file_changed``),
    WeightsInvalid.
    """
    if card.path is not None:
        return _open_named(card, card.path, options)
    return _open(card, find_or_export(card, find_model(card, folder), folder), options)


def _open_named(card: ModelCard, path: Path, options: SessionOptions) -> ImageSession:
    """Load the file that a setting names, which somebody may replace at any moment.

    It is opened once, so that the bytes that are hashed are those that are loaded.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(hold_file(path))
            is_expected = file.hash() == card.revision
        except OSError:
            is_expected = False
        if not is_expected:
            check_model(card, path.parent)
            raise changed(path)  # back to what it was, just now
        session = _open(card, file.loadable, options)
        file.require_unchanged()
        return session


def _open(card: ModelCard, model: Path, options: SessionOptions) -> ImageSession:
    reason = options.why_no_gpu
    if options.use_gpu and may_have_gpu():
        try:
            return _open_on_gpu(card, model, options)
        except _GPU_ERRORS as error:
            reason = error.message if isinstance(error, CinemillError) else _describe(error)
            log.warning("the GPU cannot be used", model=card.name, why=reason)
    threads = options.threads or min(MAX_THREADS, usable_cpus())
    return OnnxSession(card, model, threads=threads, fallback_reason=reason)


def _open_on_gpu(card: ModelCard, model: Path, options: SessionOptions) -> ImageSession:
    from cinemill.inference.sessions.torch_session import TorchSession

    return TorchSession(card, model, device="cuda:0", memory_fraction=options.gpu_memory_fraction)


def _describe(error: Exception) -> str:
    """Return the error with its kind: the text of a KeyError alone is only the key."""
    return f"{type(error).__name__}: {error}"


def may_have_gpu() -> bool:
    """Return whether PyTorch is installed and NVIDIA's driver offers a device to this process.

    PyTorch is not imported to find out: on a CPU that would take seconds and 400 MB.
    """
    if os.environ.get(VISIBLE, "all").strip() in ("", "-1"):
        return False
    return Path("/proc/driver/nvidia/version").exists() and find_spec("torch") is not None
