"""The processes of a worker's pool are given their GPUs when they start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, os, sys
from pathlib import Path
from billiard import Process
from celery.utils.log import current_process_index
from cinemill.config import load
from cinemill.inference.sessions import process_device
from cinemill.inference.sessions.driver import GpuDevice
from cinemill.worker.app_factory import build_app
from cinemill.worker.process import lifecycle

folder = Path(sys.argv[1])
settings = {"MIG_ENABLED": "1", "GPU_MEMORY_FRACTION": "0.3", "CINEMILL_HOME": str(folder)}
settings["DATABASE_URL"] = "postgresql://127.0.0.1:1/none"
lifecycle.remove_abandoned_work = lambda *_: None  # there is no database
process_device.list_devices = lambda: [
    GpuDevice("GPU-a", "A", 80, 0),
    *(GpuDevice(f"MIG-{number}", "A 1g", 10, 0, is_mig=True) for number in range(2)),
]
app = build_app(load(settings))
signals = lifecycle.ProcessSignals(app)

def start():
    signals.start_child()
    options = process_device.process_options()
    found = [os.environ["CUDA_VISIBLE_DEVICES"], options.gpu_memory_fraction, options.why_no_gpu]
    (folder / f"{current_process_index(base=0)}.json").write_text(json.dumps(found))

for index in range(3):
    process = Process(target=start)
    process.index = index  # as the pool of a worker numbers its processes
    process.start()
    process.join(60)
    assert process.exitcode == 0
"""


def test_each_process_of_the_pool_has_its_instance_and_its_share_of_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    found = [json.loads((tmp_path / f"{index}.json").read_text()) for index in range(3)]
    assert found[:2] == [["MIG-0", 0.3, ""], ["MIG-1", 0.3, ""]]
    assert found[2] == ["", 0.3, "there are 2 MIG instances, one for each process"]
