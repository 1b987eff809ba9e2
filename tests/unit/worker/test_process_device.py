"""A worker asks the driver once, and its processes are given their GPUs when they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.gpu_drivers import write_driver

from cinemill.inference.sessions import process_device
from cinemill.inference.sessions.driver import DriverAnswer
from cinemill.worker.process import reporter

SCRIPT = """
import json, os, sys
from pathlib import Path
import psutil
from billiard import Event, Process
from celery.utils.log import current_process_index
from cinemill.config import load
from cinemill.inference.sessions import driver, process_device
from cinemill.worker.app_factory import build_app
from cinemill.worker.process import lifecycle

folder, pool, mig, limit_seconds = Path(sys.argv[1]), *sys.argv[2:]
settings = {"MIG_ENABLED": mig, "GPU_MEMORY_FRACTION": "0.3", "CINEMILL_HOME": str(folder)}
settings |= {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "CELERY_WORKER_POOL": pool}
lifecycle.remove_abandoned_work = lambda *_: None  # there is no database
driver.ANSWER_SECONDS = float(limit_seconds)
driver.KILL_SECONDS = 120.0
app = build_app(load(settings))
app.context.slots = 3 if pool == "prefork" else 1
app.context.preload_handlers = lambda: None  # takes seconds, and is tested elsewhere
signals = lifecycle.ProcessSignals(app)
signals._hardware.find = lambda *_: None

def describe():
    options = process_device.process_options()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [visible, round(options.gpu_memory_fraction, 6), options.why_no_gpu]

def start(ready, done):
    signals.start_child()
    (folder / f"{current_process_index(base=0)}.json").write_text(json.dumps(describe()))
    ready.set()
    done.wait(120)

signals.start_main(sender=None)
assert psutil.Process().children() == []
assert "pynvml" not in sys.modules and "torch" not in sys.modules
(folder / "main.json").write_text(json.dumps(describe()))
done, processes = Event(), []
for index in range(3 if pool == "prefork" else 0):
    ready = Event()
    processes.append(Process(target=start, args=(ready, done), daemon=True))
    processes[-1].index = index  # as the pool of a worker numbers its processes
    processes[-1].start()
    assert ready.wait(120)
done.set()
for process in processes:
    process.join(60)
    assert process.exitcode == 0
"""
PATIENT = "120"
SILENT = ["", 0.3, "NVIDIA's driver did not answer within 0.5 seconds"]


def run_worker(folder: Path, pool: str, mig: str, limit_seconds: str = PATIENT) -> list[Any]:
    """Return what the main process has, and then each pool process."""
    environment = {name: value for name, value in os.environ.items() if name[:5] != "CUDA_"}
    environment["PYTHONPATH"] = str(folder)
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), pool, mig, limit_seconds]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    names = ["main", *(["0", "1", "2"] if pool == "prefork" else [])]
    return [json.loads((folder / f"{name}.json").read_text()) for name in names]


def test_driver_is_asked_once_for_all_processes_of_a_worker(tmp_path: Path) -> None:
    asked = write_driver(tmp_path, has_mig=True)
    _, *found = run_worker(tmp_path, "prefork", "1")
    assert found[:2] == [["MIG-0", 0.3, ""], ["MIG-1", 0.3, ""]]
    assert found[2] == ["", 0.3, "other processes have all MIG instances (2)"]
    assert asked.read_text() == "asked\n"


def test_processes_that_share_a_gpu_share_the_memory_of_their_worker(tmp_path: Path) -> None:
    asked = write_driver(tmp_path)
    _, *found = run_worker(tmp_path, "prefork", "0")
    assert found == [["GPU-0", 0.1, ""]] * 3
    assert asked.read_text() == "asked\n"


def test_process_of_a_solo_pool_has_the_gpu_alone(tmp_path: Path) -> None:
    asked = write_driver(tmp_path)
    assert run_worker(tmp_path, "solo", "0") == [["GPU-0", 0.3, ""]]
    assert asked.read_text() == "asked\n"


@pytest.mark.parametrize("mig", ["0", "1"])
def test_driver_that_hangs_leaves_a_worker_that_uses_the_cpu(tmp_path: Path, mig: str) -> None:
    write_driver(tmp_path, hangs=True)
    _, *found = run_worker(tmp_path, "prefork", mig, "0.5")
    assert found == [SILENT] * 3


def test_driver_that_hangs_leaves_a_solo_pool_that_uses_the_cpu(tmp_path: Path) -> None:
    write_driver(tmp_path, hangs=True)
    assert run_worker(tmp_path, "solo", "0", "0.5") == [SILENT]


def test_reports_do_not_ask_a_driver_that_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> Any:
        pytest.fail("it was asked again")

    monkeypatch.setattr(reporter, "list_gpus", hang)
    monkeypatch.setattr(process_device, "_answer", DriverAnswer(silence="it hung"))
    assert reporter._read_gpus() == ()
