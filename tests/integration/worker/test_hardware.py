"""``use_gpu``, end to end: the work goes to the worker that announced the encoder.

It is done in software, with a note in the result, if there is no hardware, or if that fails or is
suspended.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.films import make_film
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack, start_service, stop_service
from tests.integration.worker.fake_hardware import NODE, UNLUCKY_CRF
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.hardware import Offer
from cinemill.storage import hardware


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return make_film(films_folder / "for hardware.mp4", seconds=1, size=(64, 48))


@pytest.fixture(scope="module")
def worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a second worker, which has a stand-in for h264 hardware."""
    process = start_service("tests.integration.worker.fake_hardware", stack)
    try:
        wait_until(lambda: list_offers(stack) != [])
        yield process
    finally:
        if process.poll() is None:
            stop_service(process)
        rows.change(stack.database, "DELETE FROM hardware_encoder")


@pytest.fixture(scope="module")
def hardware_stack(stack: Stack, worker: subprocess.Popen[bytes]) -> Stack:
    """Return the instance with that worker."""
    return stack


def list_offers(stack: Stack) -> list[Offer]:
    with stack.database.begin() as connection:
        return hardware.list_offers(connection)


def is_withdrawn(stack: Stack) -> bool:
    """Return whether the only offer counts as seen long ago; one that expires is younger."""
    withdrawn = "SELECT seen_at < now() - interval '12 hours' FROM hardware_encoder"
    with stack.database.begin() as connection:
        return bool(connection.execute(text(withdrawn)).scalar_one())


def transcode(stack: Stack, film: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """Return the rendition's details and the queue of its encoding step."""
    task = stack.app.tasks["transcode"].apply_async(args=[str(film), {"use_gpu": True, **options}])
    facts = task.get(timeout=PATIENCE_SECONDS)["rendition"]["facts"]
    return facts, find_queue(stack, task.id)


def find_queue(stack: Stack, job_id: str, kind: str = "encode_rendition") -> str:
    with stack.database.begin() as connection:
        query = text("SELECT queue FROM run WHERE job_id = :id AND kind = :kind")
        return str(connection.execute(query, {"id": job_id, "kind": kind}).scalar_one())


def test_transcode_without_hardware_uses_software_and_says_so(stack: Stack, film: Path) -> None:
    facts, queue = transcode(stack, film, codec="h265", preset="mobile")
    assert queue == "transcode"
    assert (facts["encoder"], facts["hardware"]) == ("libx265", None)
    assert "encoded in software: no hardware encoder for h265 is available" in facts["changes"]


def test_hardware_transcode_goes_to_the_worker_with_the_encoder(
    hardware_stack: Stack, film: Path
) -> None:
    facts, queue = transcode(hardware_stack, film)
    assert queue == "gpu_h264"
    assert facts["hardware"] == "stand-in"
    assert facts["changes"] == []


def test_hardware_render_pieces_go_to_the_worker_with_the_encoder(
    hardware_stack: Stack, film: Path
) -> None:
    edit = {
        "scenes": [{"video_path": str(film), "start_time": 0, "end_time": 1}],
        "output_format": {"width": 64, "height": 48, "fps": 25},
        "use_gpu": True,
    }
    task = hardware_stack.app.tasks["render_video"].apply_async(args=[edit])
    facts = task.get(timeout=PATIENCE_SECONDS)["render"]["facts"]
    assert find_queue(hardware_stack, task.id, "render_pieces") == "gpu_h264"
    assert (facts["hardware"], facts["changes"]) == ("stand-in", [])


def test_transcode_without_a_hardware_request_uses_software(
    hardware_stack: Stack, film: Path
) -> None:
    facts, queue = transcode(hardware_stack, film, use_gpu=False)
    assert queue == "transcode"
    assert facts["hardware"] is None
    assert facts["changes"] == []


def test_failed_hardware_encode_falls_back_to_software(hardware_stack: Stack, film: Path) -> None:
    facts, queue = transcode(hardware_stack, film, crf=UNLUCKY_CRF)
    assert queue == "gpu_h264"
    assert facts["hardware"] is None
    (change,) = facts["changes"]
    assert change.startswith("encoded in software: libx264 failed: ")
    assert "nonesuch" in change


def test_failing_hardware_is_suspended_and_resumed(hardware_stack: Stack, film: Path) -> None:
    for height in (46, 44, 42):  # three different renditions
        transcode(hardware_stack, film, crf=UNLUCKY_CRF, height=height)
    (offer,) = list_offers(hardware_stack)
    assert not offer.is_open
    assert offer.node == NODE

    facts, queue = transcode(hardware_stack, film, height=40)
    assert queue == "transcode"
    assert f"libx264 of {NODE} failed repeatedly and is suspended" in facts["changes"][0]

    rows.change(hardware_stack.database, "UPDATE hardware_encoder SET rests_until = now()")
    wait_until(lambda: list_offers(hardware_stack)[0].is_open)
    facts, queue = transcode(hardware_stack, film, height=38)
    assert (queue, facts["hardware"]) == ("gpu_h264", "stand-in")


def test_stopped_worker_withdraws_its_hardware(
    hardware_stack: Stack, worker: subprocess.Popen[bytes], film: Path
) -> None:
    assert list_offers(hardware_stack)
    stop_service(worker)
    # At once, in a cold shutdown too, and not because it expired: the next step must not go there.
    assert list_offers(hardware_stack) == []
    assert is_withdrawn(hardware_stack)
    facts, queue = transcode(hardware_stack, film, height=36)
    assert queue == "transcode"
    assert "no hardware encoder for h264 is available" in facts["changes"][0]
