"""GPUs as the driver reports them, and forks while it is asked."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cinemill.capabilities.operations import gpus

MIB = 1024**2


class NotSupported(Exception):
    pass


class Driver:
    """NVML's functions over one GPU that is divided into two instances; the second place is free.

    No machine that runs these tests needs to have one.
    """

    NVMLError = NotSupported
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, *, has_mig: bool) -> None:
        self.has_mig = has_mig

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"GPU-{index}"

    def nvmlDeviceGetMigMode(self, device: str) -> tuple[int, int]:
        if not self.has_mig:
            raise NotSupported
        return 1, 1

    def nvmlDeviceGetMaxMigDeviceCount(self, device: str) -> int:
        return 2

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: str, number: int) -> str:
        if number:
            raise NotSupported
        return f"MIG-{number}"

    def nvmlDeviceGetMemoryInfo(self, device: str) -> Any:
        return SimpleNamespace(used=3 * MIB, total=80 * MIB)

    def nvmlDeviceGetName(self, device: str) -> bytes:
        return b"H200"

    def nvmlDeviceGetUUID(self, device: str) -> str:
        return device

    def nvmlDeviceGetUtilizationRates(self, device: str) -> Any:
        if self.has_mig:
            raise NotSupported
        return SimpleNamespace(gpu=42)


def test_gpu_is_described() -> None:
    (gpu,) = gpus._list_devices(Driver(has_mig=False), 1)
    assert gpu == {
        "index": 1,
        "name": "H200",
        "uuid": "GPU-1",
        "utilization": 42,
        "memory_used": 3,
        "memory_total": 80,
    }


def test_gpu_in_mig_mode_has_no_utilization_and_lists_its_instances() -> None:
    found = list(gpus._list_devices(Driver(has_mig=True), 0))
    assert [(gpu["uuid"], gpu["utilization"]) for gpu in found] == [
        ("GPU-0", None),
        ("MIG-0", None),
    ]


def test_gpu_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(has_mig=False)

    def fail(device: str) -> Any:
        raise NotSupported

    monkeypatch.setattr(driver, "nvmlDeviceGetMemoryInfo", fail)
    assert list(gpus._list_devices(driver, 0)) == []


def test_process_forked_while_the_driver_is_asked_can_ask_it_too() -> None:
    script = """
import os, threading
from cinemill.capabilities.operations import gpus
gpus.FORK_SECONDS = 0.2
inside, done = threading.Event(), threading.Event()
def hang():
    with gpus._driver.lock:
        inside.set()
        done.wait()
thread = threading.Thread(target=hang)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    gpus.list_gpus()
    os._exit(7)
_, status = os.waitpid(child, 0)
done.set()
thread.join()
gpus.list_gpus()
child = os.fork()
if child == 0:
    gpus.list_gpus()
    os._exit(8)
_, later = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), os.waitstatus_to_exitcode(later))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert done.stdout.split() == ["7", "8"]
