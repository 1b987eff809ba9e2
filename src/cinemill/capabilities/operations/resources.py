"""Resources of this machine: processor, memory, disk, GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from cinemill.capabilities.operations.gpus import list_gpus


def measure_resources(folder: Path) -> dict[str, Any]:
    """Measure processor, memory, disk and GPUs.

    Returns ``cpu.percent`` since the last call, ``memory.percent``, ``disk.percent`` of the disk
    that holds ``folder``, and ``gpu`` with ``available`` and ``gpus``: those of ``list_gpus``.
    """
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    gpus = list_gpus()
    return {
        "cpu": {"percent": psutil.cpu_percent(None), "count": psutil.cpu_count()},
        "memory": {"percent": memory.percent, "used": memory.used, "total": memory.total},
        "disk": {"percent": disk.percent, "used": disk.used, "total": disk.total},
        "gpu": {"available": bool(gpus), "gpus": gpus},
    }
