"""Stand-ins for NVIDIA's driver: no machine that runs the tests needs to have one.

Each is a module in the place of NVML's bindings, for the programs that a test starts.
"""

from __future__ import annotations

from pathlib import Path

FUNCTIONS = """
import time
from pathlib import Path
from types import SimpleNamespace

NVML_DEVICE_MIG_ENABLE = 1

class NVMLError(Exception):
    pass

def nvmlInit():
    with Path({asked!r}).open("a") as file:
        file.write("asked\\n")
    while {hangs}:
        time.sleep(3600)

def nvmlShutdown():
    pass

def nvmlDeviceGetCount():
    return 1

def nvmlDeviceGetHandleByIndex(index):
    return f"GPU-{{index}}"

def nvmlDeviceGetMigMode(gpu):
    return (int({has_mig}), 0)

def nvmlDeviceGetMaxMigDeviceCount(gpu):
    return 2

def nvmlDeviceGetMigDeviceHandleByIndex(gpu, number):
    return f"MIG-{{number}}"

def nvmlDeviceGetMemoryInfo(device):
    return SimpleNamespace(total=80, used=3)

def nvmlDeviceGetName(device):
    return "H200"

def nvmlDeviceGetUUID(device):
    return device

def nvmlDeviceGetUtilizationRates(device):
    raise NVMLError
"""


def write_driver(folder: Path, *, has_mig: bool = False, hangs: bool = False) -> Path:
    """Write a driver with one GPU, or with two instances of it, for the PYTHONPATH of a program.

    Returns a file that has a line for each time that the driver was asked.
    """
    asked = folder / "asked"
    asked.touch()
    text = FUNCTIONS.format(asked=str(asked), has_mig=has_mig, hangs=hangs)
    (folder / "pynvml.py").write_text(text)
    return asked
