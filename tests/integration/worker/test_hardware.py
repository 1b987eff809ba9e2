"""``use_gpu``, end to end: the work goes to the worker that announced the encoder, and is done in
software, and said so, where there is none, where it fails, and where it rests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.films import make_film
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack, start_part, stop_part
from tests.integration.worker.standins import NODE, UNLUCKY_CRF
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.hardware import Offer
from cinemill.storage import hardware


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return make_film(films_folder / "for hardware.mp4", seconds=1, size=(64, 48))


@pytest.fixture(scope="module")
def worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """A second worker, which has something like hardware for h264."""
    process = start_part("tests.integration.worker.standins", stack)
    try:
        wait_until(lambda: list_offers(stack) != [])
        yield process
    finally:
        if process.poll() is None:
            stop_part(process)
        rows.change(stack.database, "DELETE FROM hardware_encoder")


@pytest.fixture(scope="module")
def shiny(stack: Stack, worker: subprocess.Popen[bytes]) -> Stack:
    """The mill with that worker."""
    return stack


def list_offers(stack: Stack) -> list[Offer]:
    with stack.database.begin() as connection:
        return hardware.list_offers(connection)


def transcode(stack: Stack, film: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """The rendition's facts, and the queue that its encoding waited in."""
    task = stack.app.tasks["transcode"].apply_async(args=[str(film), {"use_gpu": True, **options}])
    facts = task.get(timeout=PATIENCE_SECONDS)["rendition"]["facts"]
    return facts, find_queue(stack, task.id)


def find_queue(stack: Stack, job_id: str, kind: str = "encode_rendition") -> str:
    with stack.database.begin() as connection:
        query = text("SELECT queue FROM run WHERE job_id = :id AND kind = :kind")
        return str(connection.execute(query, {"id": job_id, "kind": kind}).scalar_one())


def test_without_any_hardware_it_is_done_in_software_and_said(stack: Stack, film: Path) -> None:
    facts, queue = transcode(stack, film, codec="h265", preset="mobile")
    assert queue == "transcode"
    assert (facts["encoder"], facts["hardware"]) == ("libx265", None)
    assert "encoded in software: no hardware encoder for h265 is available" in facts["changes"]


def test_the_work_goes_to_the_worker_that_has_the_hardware(shiny: Stack, film: Path) -> None:
    facts, queue = transcode(shiny, film)
    assert queue == "gpu_h264"
    assert facts["hardware"] == "stand-in"
    assert facts["changes"] == []


def test_the_pieces_of_a_render_go_there_too(shiny: Stack, film: Path) -> None:
    edit = {
        "scenes": [{"video_path": str(film), "start_time": 0, "end_time": 1}],
        "output_format": {"width": 64, "height": 48, "fps": 25},
        "use_gpu": True,
    }
    task = shiny.app.tasks["render_video"].apply_async(args=[edit])
    facts = task.get(timeout=PATIENCE_SECONDS)["render"]["facts"]
    assert find_queue(shiny, task.id, "render_pieces") == "gpu_h264"
    assert (facts["hardware"], facts["changes"]) == ("stand-in", [])


def test_who_does_not_wish_for_hardware_is_not_given_it(shiny: Stack, film: Path) -> None:
    facts, queue = transcode(shiny, film, use_gpu=False)
    assert queue == "transcode"
    assert facts["hardware"] is None
    assert facts["changes"] == []


def test_what_fails_in_hardware_is_done_in_software_at_once(shiny: Stack, film: Path) -> None:
    facts, queue = transcode(shiny, film, crf=UNLUCKY_CRF)
    assert queue == "gpu_h264"
    assert facts["hardware"] is None
    (change,) = facts["changes"]
    assert change.startswith("encoded in software: libx264 failed: ")
    assert "nonesuch" in change


def test_hardware_that_keeps_failing_rests_and_serves_again(shiny: Stack, film: Path) -> None:
    for height in (46, 44, 42):  # three times other work
        transcode(shiny, film, crf=UNLUCKY_CRF, height=height)
    (offer,) = list_offers(shiny)
    assert not offer.is_open
    assert offer.node == NODE

    facts, queue = transcode(shiny, film, height=40)
    assert queue == "transcode"
    assert f"libx264 of {NODE} failed repeatedly and is suspended" in facts["changes"][0]

    rows.change(shiny.database, "UPDATE hardware_encoder SET rests_until = now()")
    wait_until(lambda: list_offers(shiny)[0].is_open)
    facts, queue = transcode(shiny, film, height=38)
    assert (queue, facts["hardware"]) == ("gpu_h264", "stand-in")


def test_a_worker_that_was_told_to_stop_offers_nothing_any_more(
    shiny: Stack, worker: subprocess.Popen[bytes], film: Path
) -> None:
    assert list_offers(shiny)
    stop_part(worker)
    assert list_offers(shiny) == []
    facts, queue = transcode(shiny, film, height=36)
    assert queue == "transcode"
    assert "no hardware encoder for h264 is available" in facts["changes"][0]
