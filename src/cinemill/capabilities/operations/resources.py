"""Resources of this machine: processor, memory, disk, GPUs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

MIB = 1024**2


def measure_resources(folder: Path) -> dict[str, Any]:
    """Measure processor, memory, disk and GPUs.

    Returns ``cpu.percent`` since the last call, ``memory.percent``, ``disk.percent`` of the disk
    that holds ``folder``, and ``gpu`` with ``available`` and ``gpus``: ``index``, ``name``,
    ``utilization`` in percent, ``memory_used`` and ``memory_total`` in MiB.
    """
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    gpus = list_gpus()
    return {
        "cpu": {"percent": psutil.cpu_percent(None), "count": psutil.cpu_count()},
        "memory": {"percent": memory.percent, "used": memory.used, "total": memory.total},
        "disk": {"percent": disk.percent, "used": disk.used, "total": disk.total},
        "gpu": {"available": bool(gpus), "gpus": gpus},
    }


def list_gpus() -> list[dict[str, Any]]:
    """Return NVIDIA's GPUs as reported by the driver's library (NVML); none without it."""
    import pynvml  # imported here: it loads the driver's library, which few machines have

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_describe_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _describe_gpu(nvml: Any, index: int) -> dict[str, Any]:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return {
        "index": index,
        "name": nvml.nvmlDeviceGetName(device),
        "utilization": nvml.nvmlDeviceGetUtilizationRates(device).gpu,
        "memory_used": memory.used // MIB,
        "memory_total": memory.total // MIB,
    }
