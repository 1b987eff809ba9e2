"""The hardware queues that a worker consumes: those for which it has encoders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cinemill.catalog import COMMON_QUEUES
from cinemill.config import Settings, load
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.media.encoding.hardware import NVENC, Hardware, HardwareEncoder
from cinemill.worker.app_factory import build_app
from cinemill.worker.hardware.monitor import HardwareMonitor

FOUND = Hardware((HardwareEncoder("h264_nvenc", VideoCodec.H264, NVENC),))
NODE = "celery@one"


def choose(home: Path, found: Hardware | None, queues: list[str] | None = None) -> set[str]:
    """Return what the worker consumes; with None found, it must not look for hardware at all."""

    def find_hardware(_settings: Settings) -> Hardware:
        assert found is not None
        return found

    app = build_app(load({"CINEMILL_HOME": str(home)}), find_hardware=find_hardware)
    app.amqp.queues.select(queues or [])
    HardwareMonitor(app.context).find(SimpleNamespace(app=app, hostname=NODE))
    assert app.context.node == ("" if found is None else NODE)
    return set(app.amqp.queues.consume_from)


def test_stock_celery_worker_without_options_consumes_the_common_queues(tmp_path: Path) -> None:
    assert choose(tmp_path, Hardware()) == set(COMMON_QUEUES)


def test_worker_consumes_the_queues_of_its_hardware(tmp_path: Path) -> None:
    assert choose(tmp_path, FOUND) == {*COMMON_QUEUES, "gpu_h264"}


@pytest.mark.parametrize("queue", ["transcode", "render"])
def test_encoding_workers_look_for_hardware(tmp_path: Path, queue: str) -> None:
    assert choose(tmp_path, FOUND, [queue]) == {queue, "gpu_h264"}


def test_other_workers_do_not_look_for_hardware(tmp_path: Path) -> None:
    assert choose(tmp_path, None, ["ingestion", "caption"]) == {"ingestion", "caption"}


def test_worker_may_consume_hardware_queues_only(tmp_path: Path) -> None:
    assert choose(tmp_path, FOUND, ["gpu_h264", "gpu_av1"]) == {"gpu_h264"}


def test_worker_ignores_queues_of_hardware_that_it_lacks(tmp_path: Path) -> None:
    assert choose(tmp_path, Hardware(), ["gpu_h264", "transcode"]) == {"transcode"}
