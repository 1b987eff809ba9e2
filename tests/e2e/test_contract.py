"""The upload application's contract, with a real server and a real video."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.waiting import PATIENCE_SECONDS

from .conftest import Instance, make_own_film


@pytest.fixture
def http(instance: Instance) -> Iterator[httpx.Client]:
    bearer = {"Authorization": f"Bearer {instance.token}"}
    with httpx.Client(
        base_url=instance.address, headers=bearer, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


def wait_for_end(http: httpx.Client, task_id: str) -> list[dict[str, object]]:
    """Poll the task until it ends, and return all responses."""
    responses = []
    for _ in range(int(10 * PATIENCE_SECONDS)):
        responses.append(http.get(f"/task/{task_id}").json())
        if responses[-1]["state"] in {"SUCCESS", "FAILURE"}:
            return responses
        time.sleep(0.1)
    pytest.fail(f"the task does not end: {responses[-1]}")


def test_contract_upload_task_result_cleanup(http: httpx.Client, tmp_path: Path) -> None:
    path = make_own_film(tmp_path / "upload.mp4")
    with path.open("rb") as film:
        accepted = http.post("/upload", files={"file": ("My film.mp4", film)}).json()
    assert set(accepted) == {"message", "task_id", "status", "filename"}
    assert (accepted["status"], accepted["filename"]) == ("PROCESSING", "My film.mp4")
    task = f"/task/{accepted['task_id']}"

    responses = wait_for_end(http, accepted["task_id"])
    assert all(set(response) == {"state", "status", "progress"} for response in responses)
    states = [str(response["state"]) for response in responses]
    assert states == sorted(states, key=["PENDING", "PROGRESS", "SUCCESS"].index)
    assert responses[-1]["progress"] == 100

    result = http.get(f"{task}/result").json()
    assert set(result) == {"status", "output_filename", "message"}
    assert result["status"] == "SUCCESS"
    assert result["output_filename"].endswith(".mp4")
    assert set(http.post(f"{task}/cleanup").json()) == {"message"}
    assert http.get(task).status_code == 404


def test_contract_file_without_picture_and_sound_fails_with_a_message(
    http: httpx.Client, films: Path
) -> None:
    with (films / "text only.mkv").open("rb") as film:
        accepted = http.post("/upload", files={"file": film}).json()
    last = wait_for_end(http, accepted["task_id"])[-1]
    assert last["state"] == "FAILURE"
    assert "neither picture nor sound" in str(last["status"])
    result = http.get(f"/task/{accepted['task_id']}/result").json()
    assert (result["status"], result["output_filename"]) == ("FAILURE", "")
