"""The GPUs of this machine, as results and reports name them."""

from __future__ import annotations

from typing import Any

from cinemill.inference.sessions.driver import GpuDevice, list_devices

MIB = 1024**2


def list_gpus() -> list[dict[str, Any]]:
    """Return the GPUs, each followed by its MIG instances; none without a driver.

    Each has ``index``, ``name``, ``uuid``, ``utilization`` in percent (None where the driver does
    not say, as for MIG), ``memory_used`` and ``memory_total`` in MiB.
    """
    return [_describe(device) for device in list_devices()]


def _describe(device: GpuDevice) -> dict[str, Any]:
    return {
        "index": device.index,
        "name": device.name,
        "uuid": device.uuid,
        "utilization": device.utilization,
        "memory_used": device.used_bytes // MIB,
        "memory_total": device.memory_bytes // MIB,
    }
