"""The device of this process, given to it at its start, and how it runs its models.

The driver is asked once: processes that are forked afterwards inherit its answer, and start at
once whatever the driver does by then.

Without numpy, since every worker process does this whether it ever opens a model or not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cinemill.inference.sessions.devices import (
    ONLY_PROCESS,
    Assignment,
    ProcessPlace,
    apply_assignment,
    assign_device,
    hides_all,
)
from cinemill.inference.sessions.driver import DriverAnswer, ask_driver
from cinemill.inference.sessions.instance_locks import LOCKS_FOLDER, take_instance
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
    """What to say about a model on the CPU although a GPU was asked for; else empty."""


DEFAULT_OPTIONS = SessionOptions()


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """What the settings say about GPUs."""

    visible: str | None
    """``CUDA_VISIBLE_DEVICES``; None where it is not set."""
    mig_enabled: bool
    memory_fraction: float
    """Of the memory of each GPU, 0 to 1, for all processes of the worker that share it."""
    home: Path
    """Where processes of this machine lock the MIG instances that they use."""


_options = DEFAULT_OPTIONS
_answer: DriverAnswer | None = None


def learn_devices(options: GpuOptions) -> DriverAnswer:
    """Return what the driver reports, asking it if this process and its parents have not yet.

    Call it before processes are forked that need the answer. It takes 20 s if the driver hangs.
    """
    global _answer
    if _answer is None:
        _answer = DriverAnswer() if hides_all(options.visible) else ask_driver()
        if _answer.silence:
            log.warning("no GPU is used", why=_answer.silence)
        if _answer.fault:
            log.warning("the GPUs cannot be listed", why=_answer.fault)
    return _answer


def is_driver_silent() -> bool:
    """Return whether the driver was asked and did not answer: asking again may take forever."""
    return _answer is not None and bool(_answer.silence)


def prepare_process(options: GpuOptions, place: ProcessPlace = ONLY_PROCESS) -> Assignment:
    """Give this process its device, and the models that it opens their options.

    Call it once in a process, before CUDA starts; a MIG instance is then taken for as long as the
    process lives. Raises WorkFailed (``cuda_already_started``).
    """
    answer = learn_devices(options)
    assignment = _assign(answer, options, place)
    # A driver that reports nothing to NVML may still serve CUDA, so nothing is hidden unasked.
    is_asked = options.visible is not None or options.mig_enabled
    if answer.devices or answer.silence or is_asked:
        apply_assignment(assignment, os.environ)
    global _options
    _options = SessionOptions(
        gpu_memory_fraction=options.memory_fraction / assignment.sharers,
        why_no_gpu=assignment.reason,
    )
    if assignment.visible:
        log.info("this process has a GPU", process_index=place.index, device=assignment.visible)
    elif assignment.reason:
        log.warning("this process has no GPU", process_index=place.index, why=assignment.reason)
    return assignment


def _assign(answer: DriverAnswer, options: GpuOptions, place: ProcessPlace) -> Assignment:
    if answer.silence:
        return Assignment("", answer.silence)
    take = partial(take_instance, folder=options.home / LOCKS_FOLDER)
    try:
        return assign_device(
            answer.devices,
            place,
            setting=options.visible,
            take_instance=take if options.mig_enabled else None,
        )
    except OSError as error:
        return Assignment("", f"MIG instances cannot be locked ({error})")


def process_options() -> SessionOptions:
    """Return how this process runs its models."""
    return _options
