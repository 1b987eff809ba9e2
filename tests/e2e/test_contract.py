"""The upload application's contract, to the letter, against the whole mill and a real film."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance


@pytest.fixture
def http(instance: Instance) -> Iterator[httpx.Client]:
    bearer = {"Authorization": f"Bearer {instance.token}"}
    with httpx.Client(
        base_url=instance.address, headers=bearer, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


def wait_for_end(http: httpx.Client, task_id: str) -> list[dict[str, object]]:
    """Every answer on the way, as a script gets them that polls."""
    answers = []
    for _ in range(int(10 * PATIENCE_SECONDS)):
        answers.append(http.get(f"/task/{task_id}").json())
        if answers[-1]["state"] in {"SUCCESS", "FAILURE"}:
            return answers
        time.sleep(0.1)
    pytest.fail(f"the task does not end: {answers[-1]}")


def test_upload_task_result_cleanup(http: httpx.Client, films: Path) -> None:
    with (films / "short.mp4").open("rb") as film:
        accepted = http.post("/upload", files={"file": ("My film.mp4", film)}).json()
    assert set(accepted) == {"message", "task_id", "status", "filename"}
    assert (accepted["status"], accepted["filename"]) == ("PROCESSING", "My film.mp4")
    task = f"/task/{accepted['task_id']}"

    answers = wait_for_end(http, accepted["task_id"])
    assert all(set(answer) == {"state", "status", "progress"} for answer in answers)
    states = [str(answer["state"]) for answer in answers]
    assert states == sorted(states, key=["PENDING", "PROGRESS", "SUCCESS"].index)
    assert answers[-1]["progress"] == 100

    result = http.get(f"{task}/result").json()
    assert set(result) == {"status", "output_filename", "message"}
    assert result["status"] == "SUCCESS"
    assert result["output_filename"].endswith(".mp4")
    assert set(http.post(f"{task}/cleanup").json()) == {"message"}
    assert http.get(task).status_code == 404


def test_a_film_without_a_picture_fails_in_words(http: httpx.Client, films: Path) -> None:
    with (films / "sound only.mkv").open("rb") as film:
        accepted = http.post("/upload", files={"file": film}).json()
    last = wait_for_end(http, accepted["task_id"])[-1]
    assert last["state"] == "FAILURE"
    assert "picture" in str(last["status"])
    result = http.get(f"/task/{accepted['task_id']}/result").json()
    assert (result["status"], result["output_filename"]) == ("FAILURE", "")
