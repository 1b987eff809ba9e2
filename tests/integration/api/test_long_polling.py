"""A script that polls ``GET /task/{id}`` every two seconds for an hour: 1800 answers, one shape."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from .conftest import RunningApi

POLLS_OF_AN_HOUR = 1800
MORE_BYTES = 16 * 1024**2


def count_files(api: RunningApi) -> int:
    return len(list(Path(f"/proc/{api.process.pid}/fd").iterdir()))


def read_resident_bytes(api: RunningApi) -> int:
    lines = Path(f"/proc/{api.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def poll(api: RunningApi, client: httpx.Client, task_id: str) -> dict[str, object]:
    answer = client.get(f"{api.address}/task/{task_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, object] = answer.json()
    return document


def test_poll_of_an_hour_costs_nothing_that_stays(api: RunningApi) -> None:
    task_id = api.submit()
    headers = {"Authorization": f"Bearer {api.token}"}
    with httpx.Client(headers=headers) as client:
        for _ in range(100):
            poll(api, client, task_id)
        files, resident = count_files(api), read_resident_bytes(api)
        for _ in range(POLLS_OF_AN_HOUR):
            document = poll(api, client, task_id)
            assert document.keys() == {"state", "status", "progress"}
            assert document["state"] == "PENDING"
        assert count_files(api) <= files + 2
        assert read_resident_bytes(api) <= resident + MORE_BYTES


def test_poll_with_a_connection_each_as_curl_does(api: RunningApi) -> None:
    task_id = api.submit()
    headers = {"Authorization": f"Bearer {api.token}"}
    before = count_files(api)
    for _ in range(200):
        with httpx.Client(headers=headers) as client:
            assert poll(api, client, task_id)["state"] == "PENDING"
    assert count_files(api) <= before + 2


@pytest.mark.parametrize(
    ("state", "word"),
    [("completed", "SUCCESS"), ("failed", "FAILURE"), ("cancelled", "FAILURE")],
)
def test_poll_sees_the_end_and_goes_on_to_see_it(api: RunningApi, state: str, word: str) -> None:
    task_id = api.submit()
    assert poll(api, api.http, task_id)["state"] == "PENDING"
    api.settle(task_id, state, finished_at="now()")
    for _ in range(20):
        assert poll(api, api.http, task_id)["state"] == word
