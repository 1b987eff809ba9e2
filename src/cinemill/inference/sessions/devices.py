"""GPUs and MIG instances, chosen before CUDA starts.

CUDA reads ``CUDA_VISIBLE_DEVICES`` once, when it is first used in a process. A worker process is
therefore given its device at its start: with MIG one instance each, by UUID, since CUDA uses only
the first MIG instance that it sees.

NVML may list no GPU although CUDA works, as in a container without the driver's ``utility`` part.
The devices in ``CUDA_VISIBLE_DEVICES`` are then used unchecked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace

from cinemill.errors import WorkFailed
from cinemill.inference.sessions.driver import GpuDevice

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
_NONE = ("", "-1", "none", "void")
_NO_GPU = "there is no NVIDIA driver, or it reports no GPU"

TakeInstance = Callable[[Sequence[str]], str | None]
"""Takes the first free one of these MIG instances for this process, and returns its UUID; None if
others have them all. Raises OSError."""


@dataclass(frozen=True, slots=True)
class ProcessPlace:
    """Which of its worker's processes a process is."""

    index: int = 0
    count: int = 1
    """How many the worker has, or may have if it scales them."""

    def count_sharers(self, devices: int) -> int:
        """Return how many processes have this one's device, if they share so many in turn."""
        count = max(self.count, self.index + 1)  # a control command may have added some
        return len(range(self.index % devices, count, devices))


ONLY_PROCESS = ProcessPlace()


@dataclass(frozen=True, slots=True)
class Assignment:
    """The device of one process."""

    visible: str
    """For ``CUDA_VISIBLE_DEVICES``; empty for the CPU."""
    reason: str = ""
    """Why there is no GPU, although one was asked for, or may be none; else empty."""
    sharers: int = 1
    """Processes of the worker that have this device, with this one."""


def assign_device(
    devices: Sequence[GpuDevice],
    place: ProcessPlace,
    *,
    setting: str | None,
    take_instance: TakeInstance | None,
) -> Assignment:
    """Return the device of the worker process at ``place``.

    ``setting`` is ``CUDA_VISIBLE_DEVICES``: ``None`` for all, empty for none, else indexes and
    UUIDs. Processes share the devices in turn. With ``take_instance``, which is called at most
    once, each process has a MIG instance to itself, and the CPU if none is free. Raises what
    ``take_instance`` raises.
    """
    if hides_all(setting):
        return Assignment("")
    if not devices and (names := _list_names(setting)):
        return _assign_unlisted(names, place, take_instance)
    allowed = _select(devices, setting)
    if take_instance is not None:
        instances = [device.uuid for device in allowed if device.is_mig]
        if not instances:
            return Assignment("", "MIG_ENABLED is set, and no GPU has a MIG instance")
        return _assign_instance(instances, place, take_instance)
    usable = [device for device in allowed if _is_usable(device, devices, setting or "")]
    if usable:
        uuid = usable[place.index % len(usable)].uuid
        return Assignment(uuid, sharers=place.count_sharers(len(usable)))
    # If CUDA finds a GPU all the same, every process uses its first one.
    return Assignment("", _explain_none(devices, setting), sharers=place.count_sharers(1))


def hides_all(setting: str | None) -> bool:
    """Return whether this ``CUDA_VISIBLE_DEVICES`` asks for no GPU."""
    return setting is not None and setting.strip().lower() in _NONE


def _list_names(setting: str | None) -> list[str]:
    """Return the indexes and UUIDs in ``setting`` up to the first that CUDA does not know."""
    names: list[str] = []
    for entry in (part.strip() for part in (setting or "").split(",")):
        if entry.lower() in (*_NONE, "all"):
            break
        names.append(entry)
    return names


def _assign_unlisted(
    names: Sequence[str], place: ProcessPlace, take_instance: TakeInstance | None
) -> Assignment:
    """Return a device by the name that a person gave, since NVML lists none.

    The reason is for a process that then finds no GPU.
    """
    if take_instance is None:
        name = names[place.index % len(names)]
        return Assignment(name, _NO_GPU, place.count_sharers(len(names)))
    instances = [name for name in names if name.startswith("MIG-")]
    if not instances:
        return Assignment("", f"{_NO_GPU}, and {VISIBLE} names no MIG instance")
    found = _assign_instance(instances, place, take_instance)
    return replace(found, reason=found.reason or _NO_GPU)


def _assign_instance(
    uuids: Sequence[str], place: ProcessPlace, take_instance: TakeInstance
) -> Assignment:
    # Each process tries its own first, so that they seldom look at the same one.
    first = place.index % len(uuids)
    taken = take_instance([*uuids[first:], *uuids[:first]])
    if taken is None:
        return Assignment("", f"other processes have all MIG instances ({len(uuids)})")
    return Assignment(taken)


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
        return _NO_GPU if setting else ""
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
