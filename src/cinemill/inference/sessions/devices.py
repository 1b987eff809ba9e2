"""GPUs and MIG instances, chosen before CUDA starts.

CUDA reads ``CUDA_VISIBLE_DEVICES`` once, when it is first used in a process. A worker process is
therefore given its device at its start: with MIG one instance each, by UUID, since CUDA uses only
the first MIG instance that it sees.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from cinemill.errors import WorkFailed
from cinemill.inference.sessions.driver import GpuDevice

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_NONE = ("", "-1", "none", "void")


@dataclass(frozen=True, slots=True)
class Assignment:
    """The device of one process."""

    visible: str
    """For ``CUDA_VISIBLE_DEVICES``; empty for the CPU."""
    reason: str = ""
    """Why there is no GPU, although one was asked for; else empty."""


def assign_device(
    devices: Sequence[GpuDevice], process_index: int, *, setting: str | None, mig_enabled: bool
) -> Assignment:
    """Return the device of the worker process with this index, from 0.

    ``setting`` is ``CUDA_VISIBLE_DEVICES``: ``None`` for all, empty for none, else indexes and
    UUIDs. Processes share the devices in turn; with ``mig_enabled`` each gets an instance of its
    own, and processes beyond the last instance get the CPU.
    """
    if setting is not None and setting.strip().lower() in _NONE:
        return Assignment("")
    allowed = _select(devices, setting)
    if mig_enabled:
        return _assign_instance(allowed, process_index)
    usable = [device for device in allowed if _is_usable(device, devices, setting or "")]
    if not usable:
        return Assignment("", _explain_none(devices, setting))
    return Assignment(usable[process_index % len(usable)].uuid)


def _assign_instance(allowed: Sequence[GpuDevice], process_index: int) -> Assignment:
    instances = [device for device in allowed if device.is_mig]
    if not instances:
        return Assignment("", "MIG_ENABLED is set, and no GPU has a MIG instance")
    if process_index >= len(instances):
        return Assignment("", f"there are {len(instances)} MIG instances, one for each process")
    return Assignment(instances[process_index].uuid)


def _is_usable(device: GpuDevice, devices: Sequence[GpuDevice], setting: str) -> bool:
    """Return whether it is a whole GPU, or an instance that the setting names itself.

    Of a GPU with MIG instances, CUDA can only use those.
    """
    if device.is_mig:
        return any(device.uuid.startswith(entry.strip()) for entry in setting.split(",") if entry)
    return not any(other.is_mig and other.index == device.index for other in devices)


def _select(devices: Sequence[GpuDevice], setting: str | None) -> list[GpuDevice]:
    """Return the devices that ``setting`` lists, in its order; a GPU brings its instances."""
    if setting is None or setting.strip().lower() == "all":
        return list(devices)
    chosen: list[GpuDevice] = []
    for entry in (part.strip() for part in setting.split(",")):
        found = [device for device in devices if _is_meant(device, entry, devices)]
        if not found:
            break  # CUDA ignores what follows an entry that it does not know
        chosen += [device for device in found if device not in chosen]
    return chosen


def _is_meant(device: GpuDevice, entry: str, devices: Sequence[GpuDevice]) -> bool:
    if entry.isdecimal():
        return device.index == int(entry)
    if not entry:
        return False
    if device.uuid.startswith(entry):
        return True
    # The instances of a GPU that is named by its UUID.
    parents = [d.index for d in devices if not d.is_mig and d.uuid.startswith(entry)]
    return device.is_mig and device.index in parents


def _explain_none(devices: Sequence[GpuDevice], setting: str | None) -> str:
    if not devices:
        return "there is no NVIDIA driver, or it reports no GPU" if setting else ""
    if setting is None:
        return "every GPU is divided into MIG instances: set MIG_ENABLED=1"
    return f"no GPU of this machine is in {VISIBLE}={setting}"


def apply_assignment(assignment: Assignment, environment: MutableMapping[str, str]) -> None:
    """Set ``CUDA_VISIBLE_DEVICES`` in ``environment`` for this process and its children.

    Raises WorkFailed (``cuda_already_started``) where it is too late.
    """
    torch = sys.modules.get("torch")
    changed = environment.get(VISIBLE) != assignment.visible
    if changed and torch is not None and torch.cuda.is_initialized():
        raise WorkFailed(
            "CUDA has already started in this process, so its device cannot be changed.",
            code="cuda_already_started",
        )
    environment[ORDER] = "PCI_BUS_ID"  # the driver's order; CUDA's own puts the fastest first
    environment[VISIBLE] = assignment.visible
