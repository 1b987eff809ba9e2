"""``python -m tests.integration.worker.fake_hardware``: a worker of the hardware queues only.

A software encoder stands in for the hardware. At a crf of 50 it fails, as a driver may. It is
withdrawn slowly, as by a database on a busy disk.
"""

from __future__ import annotations

import sys
import time

from cinemill.config import Settings, load
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.media.encoding.hardware import Hardware, HardwareEncoder, HardwareVendor
from cinemill.storage import hardware
from cinemill.storage.database import Connection
from cinemill.worker.__main__ import plan_worker
from cinemill.worker.app_factory import build_app
from cinemill.worker.hardware import monitor

NODE = "standin@hardware"
UNLUCKY_CRF = 50
WITHDRAWAL_SECONDS = 1.0

withdraw = hardware.withdraw


def quality_arguments(_codec: VideoCodec, crf: int) -> list[str]:
    preset = "nonesuch" if crf == UNLUCKY_CRF else "veryfast"
    return ["-preset", preset, "-crf", str(crf)]


STAND_IN = HardwareVendor("stand-in", (VideoCodec.H264,), quality_arguments)


def find_hardware(_settings: Settings) -> Hardware:
    return Hardware((HardwareEncoder("libx264", VideoCodec.H264, STAND_IN),))


def withdraw_slowly(connection: Connection, node: str) -> None:
    time.sleep(WITHDRAWAL_SECONDS)
    withdraw(connection, node)


def main() -> int:
    monitor.ANNOUNCE_SECONDS = 0.5
    hardware.withdraw = withdraw_slowly
    app = build_app(load(), find_hardware=find_hardware)
    worker = app.Worker(**plan_worker("gpu_h264", 1, app.context), hostname=NODE)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
