"""NVIDIA's GPUs of this machine, as their driver's library (NVML) reports them.

Run as a program, it prints them as JSON: see :func:`ask_driver`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

FORK_SECONDS = 1.0
"""How long a fork waits for the driver, which may hang."""
ANSWER_SECONDS = 20.0
"""How long a worker waits for the driver at its start. One that wakes several GPUs needs seconds,
unless NVIDIA's persistence daemon runs."""
KILL_SECONDS = 1.0
"""A process that hangs inside the kernel does not die until the driver answers."""
OWN_LIMIT_SECONDS = 60
"""After that the process that asks ends by itself: nobody kills it if its parent has died."""


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


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """A GPU, or an instance of one (MIG)."""

    uuid: str
    """``GPU-…`` or ``MIG-…``."""
    name: str
    memory_bytes: int
    index: int
    """Position of the GPU in the order of the bus."""
    is_mig: bool = False
    used_bytes: int = 0
    utilization: int | None = None
    """In percent; None where the driver does not say, as for MIG instances."""


@dataclass(frozen=True, slots=True)
class DriverAnswer:
    """What the driver reports about this machine."""

    devices: tuple[GpuDevice, ...] = ()
    """The GPUs, each followed by its MIG instances; none without a driver."""
    silence: str = ""
    """Why there is no answer, so that no GPU should be used; empty if there is one."""
    fault: str = ""
    """How asking failed, so that no GPU is known; else empty."""


def ask_driver() -> DriverAnswer:
    """Return what the driver reports, or why it did not answer within ANSWER_SECONDS.

    It is asked in a process of its own, which is killed after that time: a call that hangs in the
    driver cannot be interrupted. This process loads neither NVML nor CUDA.
    """
    try:
        query = _start_query()
    except OSError as error:  # this machine can start no process just now
        return DriverAnswer(fault=str(error))
    try:
        output, errors = query.communicate(timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(query)
        return DriverAnswer(
            silence=f"NVIDIA's driver did not answer within {ANSWER_SECONDS:g} seconds"
        )
    if query.returncode:
        # Not a silent driver: CUDA may work where NVML does not.
        return DriverAnswer(fault=errors.strip() or f"exit code {query.returncode}")
    return DriverAnswer(tuple(GpuDevice(**device) for device in json.loads(output)))


def _start_query() -> subprocess.Popen[str]:
    # Without its current folder among the places from which it imports (-P).
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _kill(query: subprocess.Popen[str]) -> None:
    query.kill()
    for pipe in (query.stdout, query.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        query.wait(KILL_SECONDS)


def list_devices() -> list[GpuDevice]:
    """Return the GPUs that the driver reports, each followed by its MIG instances.

    Empty without a driver. Does not start CUDA. Never returns while the driver hangs: use
    :func:`ask_driver` where that matters.
    """
    import pynvml  # imported here: it loads the driver's library, which few machines have

    with _driver.lock:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return []
        try:
            count = pynvml.nvmlDeviceGetCount()
            return [device for index in range(count) for device in _describe(pynvml, index)]
        except pynvml.NVMLError:
            return []
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _describe(nvml: Any, index: int) -> Iterator[GpuDevice]:
    """Yield a GPU and its instances. One that does not answer is left out, not the others."""
    with suppress(nvml.NVMLError):
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        yield _read(nvml, gpu, index, is_mig=False)
        with suppress(nvml.NVMLError):  # not every GPU knows MIG
            if nvml.nvmlDeviceGetMigMode(gpu)[0] == nvml.NVML_DEVICE_MIG_ENABLE:
                for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
                    with suppress(nvml.NVMLError):  # a free place for an instance
                        instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, number)
                        yield _read(nvml, instance, index, is_mig=True)


def _read(nvml: Any, handle: Any, index: int, *, is_mig: bool) -> GpuDevice:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return GpuDevice(
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        name=_text(nvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(memory.total),
        index=index,
        is_mig=is_mig,
        used_bytes=int(memory.used),
        utilization=_read_utilization(nvml, handle),
    )


def _read_utilization(nvml: Any, device: Any) -> int | None:
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _print_devices() -> None:
    signal.alarm(OWN_LIMIT_SECONDS)  # nothing handles it, so the kernel ends this process
    json.dump([asdict(device) for device in list_devices()], sys.stdout)


if __name__ == "__main__":
    _print_devices()
