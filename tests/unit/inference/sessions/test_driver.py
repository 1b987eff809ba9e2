"""GPUs as the driver reports them, and forks while it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from tests.gpu_drivers import write_driver

from cinemill.capabilities.operations import gpus
from cinemill.inference.sessions import driver

MIB = 1024**2


class NotSupported(Exception):
    pass


def make_driver(*, has_mig: bool) -> Any:
    """Return NVML's functions over GPUs, with MIG one instance of two possible ones each.

    No machine that runs these tests needs to have one.
    """

    def refuse(*_: object) -> Any:
        raise NotSupported

    def find_instance(_device: str, number: int) -> str:
        return refuse() if number else f"MIG-{number}"

    return SimpleNamespace(
        NVMLError=NotSupported,
        NVML_DEVICE_MIG_ENABLE=1,
        nvmlDeviceGetHandleByIndex=lambda index: f"GPU-{index}",
        nvmlDeviceGetMigMode=(lambda _device: (1, 1)) if has_mig else refuse,
        nvmlDeviceGetMaxMigDeviceCount=lambda _device: 2,
        nvmlDeviceGetMigDeviceHandleByIndex=find_instance,
        nvmlDeviceGetMemoryInfo=lambda _device: SimpleNamespace(used=3 * MIB, total=80 * MIB),
        nvmlDeviceGetName=lambda _device: b"H200",
        nvmlDeviceGetUUID=lambda device: device,
        nvmlDeviceGetUtilizationRates=(
            refuse if has_mig else lambda _device: SimpleNamespace(gpu=42)
        ),
    )


def test_gpu_is_described() -> None:
    (gpu,) = driver._describe(make_driver(has_mig=False), 1)
    assert not gpu.is_mig
    assert gpus._describe(gpu) == {
        "index": 1,
        "name": "H200",
        "uuid": "GPU-1",
        "utilization": 42,
        "memory_used": 3,
        "memory_total": 80,
    }


def test_gpu_in_mig_mode_has_no_utilization_and_lists_its_instances() -> None:
    found = driver._describe(make_driver(has_mig=True), 0)
    assert [(gpu.uuid, gpu.utilization, gpu.is_mig) for gpu in found] == [
        ("GPU-0", None, False),
        ("MIG-0", None, True),
    ]


def test_gpu_that_does_not_answer_is_left_out() -> None:
    library = make_driver(has_mig=False)

    def fail(_device: str) -> Any:
        raise NotSupported

    library.nvmlDeviceGetMemoryInfo = fail
    assert list(driver._describe(library, 0)) == []


def test_driver_is_asked_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_driver(tmp_path, has_mig=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = driver.ask_driver()
    assert (found.silence, found.fault) == ("", "")
    assert [(device.uuid, device.is_mig) for device in found.devices] == [
        ("GPU-0", False),
        ("MIG-0", True),
        ("MIG-1", True),
    ]
    assert found.devices[0] == driver.GpuDevice("GPU-0", "H200", 80, 0, used_bytes=3)


def test_process_that_asks_a_driver_which_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_driver(tmp_path, hangs=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(driver, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(driver, "KILL_SECONDS", 120.0)
    before = psutil.Process().children()
    assert driver.ask_driver() == driver.DriverAnswer(
        silence="NVIDIA's driver did not answer within 0.5 seconds"
    )
    assert set(psutil.Process().children()) <= set(before)


def test_failure_to_list_gpus_is_not_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pynvml.py").write_text("raise SystemExit('no library')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert driver.ask_driver() == driver.DriverAnswer(fault="no library")


def test_process_forked_while_the_driver_is_asked_can_ask_it_too() -> None:
    script = """
import os, threading
from cinemill.inference.sessions import driver
from cinemill.inference.sessions import driver
driver.FORK_SECONDS = 0.2
inside, done = threading.Event(), threading.Event()
def hang():
    with driver._driver.lock:
        inside.set()
        done.wait()
thread = threading.Thread(target=hang)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    driver.list_devices()
    os._exit(7)
_, status = os.waitpid(child, 0)
done.set()
thread.join()
driver.list_devices()
child = os.fork()
if child == 0:
    driver.list_devices()
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
