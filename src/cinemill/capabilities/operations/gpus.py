"""NVIDIA's GPUs of this machine, as their driver's library (NVML) reports them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

MIB = 1024**2

FORK_SECONDS = 1.0
"""How long a fork waits for the driver, which may hang."""


class _Driver:
    """Keeps the driver's library from being in use while this process is forked.

    The new process would inherit the library's locks, and nobody there would ever release them.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._forking = threading.local()
        os.register_at_fork(
            before=self._wait, after_in_parent=self._go_on, after_in_child=self._start_again
        )

    def _wait(self) -> None:
        self._forking.has_lock = self.lock.acquire(timeout=FORK_SECONDS)

    def _go_on(self) -> None:
        if self._forking.has_lock:
            self.lock.release()

    def _start_again(self) -> None:
        self.lock = threading.Lock()


_driver = _Driver()


def list_gpus() -> list[dict[str, Any]]:
    """Return the GPUs, each followed by its MIG instances; none without a driver.

    Each has ``index``, ``name``, ``uuid``, ``utilization`` in percent (None where the driver does
    not say, as for MIG), ``memory_used`` and ``memory_total`` in MiB.
    """
    import pynvml  # imported here: it loads the driver's library, which few machines have

    with _driver.lock:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return []
        try:
            count = pynvml.nvmlDeviceGetCount()
            return [gpu for index in range(count) for gpu in _list_devices(pynvml, index)]
        except pynvml.NVMLError:
            return []
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _list_devices(nvml: Any, index: int) -> Iterator[dict[str, Any]]:
    """Yield a GPU and its instances. One that does not answer is left out, not the others."""
    with suppress(nvml.NVMLError):
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        yield _describe_device(nvml, gpu, index)
        with suppress(nvml.NVMLError):  # not every GPU knows MIG
            if nvml.nvmlDeviceGetMigMode(gpu)[0] == nvml.NVML_DEVICE_MIG_ENABLE:
                for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
                    with suppress(nvml.NVMLError):  # a free place for an instance
                        instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, number)
                        yield _describe_device(nvml, instance, index)


def _describe_device(nvml: Any, device: Any, index: int) -> dict[str, Any]:
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return {
        "index": index,
        "name": _text(nvml.nvmlDeviceGetName(device)),
        "uuid": _text(nvml.nvmlDeviceGetUUID(device)),
        "utilization": _read_utilization(nvml, device),
        "memory_used": memory.used // MIB,
        "memory_total": memory.total // MIB,
    }


def _read_utilization(nvml: Any, device: Any) -> int | None:
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
