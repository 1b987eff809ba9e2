"""Resources of this machine: processor, memory, disk, GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from cinemill.capabilities.operations.gpus import list_gpus
from cinemill.machine import read_capacity


def measure_resources(folder: Path) -> dict[str, Any]:
    """Measure processor, memory, disk and GPUs; the memory is a container's, if that has a limit.

    Returns ``cpu.percent`` since the last call, ``memory.percent``, ``disk.percent`` of the disk
    that holds ``folder``, and ``gpu`` with ``available`` and ``gpus``: those of ``list_gpus``.
    """
    disk, gpus, capacity = psutil.disk_usage(str(folder)), list_gpus(), read_capacity()
    memory = psutil.virtual_memory()
    total, used, percent = memory.total, memory.used, memory.percent
    if capacity.memory_limit_bytes is not None and capacity.memory_used_bytes is not None:
        total, used = capacity.memory_limit_bytes, capacity.memory_used_bytes
        percent = round(100 * used / total, 1)
    return {
        "cpu": {"percent": psutil.cpu_percent(None), "count": capacity.cpus},
        "memory": {"percent": percent, "used": used, "total": total},
        "disk": {"percent": disk.percent, "used": disk.used, "total": disk.total},
        "gpu": {"available": bool(gpus), "gpus": gpus},
    }
