"""The device of this process, given to it at its start, and how it runs its models.

Without numpy, since every worker process does this whether it ever opens a model or not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cinemill.inference.sessions.devices import Assignment, apply_assignment, assign_device
from cinemill.inference.sessions.driver import list_devices
from cinemill.telemetry import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How the models of a process are run."""

    threads: int = 0
    """Threads of a layer; 0 for one for each processor that the process may use, at most 8."""
    use_gpu: bool = True
    """Use a GPU if this process has one and PyTorch is installed."""
    gpu_memory_fraction: float = 0.8
    why_no_gpu: str = ""
    """Why this process was given no GPU although one was asked for; else empty."""


DEFAULT_OPTIONS = SessionOptions()


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """What the settings say about GPUs."""

    visible: str | None
    """``CUDA_VISIBLE_DEVICES``; None where it is not set."""
    mig_enabled: bool
    memory_fraction: float
    """Of the device's memory, for this process at most."""


_options = DEFAULT_OPTIONS


def prepare_process(options: GpuOptions, process_index: int = 0) -> Assignment:
    """Give this process its device, and the models that it opens their options.

    ``process_index`` is that of the process in its worker, from 0. Call it before CUDA starts.
    Raises WorkFailed (``cuda_already_started``).
    """
    devices = list_devices()
    assignment = assign_device(
        devices, process_index, setting=options.visible, mig_enabled=options.mig_enabled
    )
    # A driver that reports nothing to NVML may still serve CUDA, so nothing is hidden unasked.
    if devices or options.visible is not None or options.mig_enabled:
        apply_assignment(assignment, os.environ)
    global _options
    _options = SessionOptions(
        gpu_memory_fraction=options.memory_fraction, why_no_gpu=assignment.reason
    )
    if assignment.reason:
        log.warning("this process has no GPU", process_index=process_index, why=assignment.reason)
    elif assignment.visible:
        log.info("this process has a GPU", process_index=process_index, device=assignment.visible)
    return assignment


def process_options() -> SessionOptions:
    """Return how this process runs its models."""
    return _options
