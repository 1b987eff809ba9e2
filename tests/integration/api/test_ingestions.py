"""Ingestions through the API: requested, and listed with what is known of a video."""

from __future__ import annotations

import os
from typing import Any

import pytest

from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.storage.database import Database
from cinemill.storage.findings import sets
from cinemill.storage.findings.gaps import Gap, save_gap

from .conftest import FILM_HEAD, RunningApi

V1 = "/api/v1"


@pytest.fixture
def asset_id(api: RunningApi) -> str:
    film = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
    return str(api.http.post(f"{V1}/upload", files=film).json()["asset_id"])


def list_known(api: RunningApi, asset_id: str, **params: Any) -> dict[str, Any]:
    answer = api.http.get(f"{V1}/assets/{asset_id}/ingestions", params=params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_ingestion_is_a_job_with_its_profile(api: RunningApi, asset_id: str) -> None:
    answer = api.http.post(
        f"{V1}/assets/{asset_id}/ingestions", json={"profile": "full", "priority": 7}
    )
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert answer.headers["Location"] == f"{V1}/jobs/{job['id']}"
    assert (job["kind"], job["asset_id"], job["priority"]) == ("process_video", asset_id, 7)
    assert job["params"]["profile"] == "full"
    without_body = api.http.post(f"{V1}/assets/{asset_id}/ingestions")
    assert without_body.json()["params"]["profile"] == "standard"


@pytest.mark.parametrize("body", [{"profile": "deep"}, {"priority": 11}, {"profile": None}, []])
def test_request_that_means_nothing_is_refused(
    api: RunningApi, asset_id: str, body: object
) -> None:
    answer = api.http.post(f"{V1}/assets/{asset_id}/ingestions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameters_invalid")


def test_video_that_is_not_there_is_not_found(api: RunningApi) -> None:
    path = f"{V1}/assets/none/ingestions"
    for answer in (api.http.post(path), api.http.get(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "asset_not_found")


def test_list_has_ingestions_newest_first_page_by_page(api: RunningApi, asset_id: str) -> None:
    """The upload's own job, which only prepares the video, is none."""
    path = f"{V1}/assets/{asset_id}/ingestions"
    assert list_known(api, asset_id)["ingestions"] == []
    made = [api.http.post(path).json()["id"] for _ in range(3)]
    first = list_known(api, asset_id, limit=2)
    second = list_known(api, asset_id, limit=2, cursor=first["next"])
    found = [job["id"] for page in (first, second) for job in page["ingestions"]]
    assert found == made[::-1]
    assert second["next"] is None


def test_list_says_what_is_known_and_what_is_missing(api: RunningApi, asset_id: str) -> None:
    database = Database(api.database_url)
    with database.begin() as connection:
        model = FindingModel("local", "cuts", "1")
        opened = sets.open_set(connection, asset_id, FindingKind.SHOT, model, "digest")
        shots = [Finding(0, 1000, "shot"), Finding(1000, 2000, "shot")]
        sets.save_part(connection, opened.id, 0, shots)
        sets.activate_set(connection, opened.id)
        gap = Gap("face", "model_missing", "The model is not there.", "Fetch it.")
        save_gap(connection, asset_id, gap)
    database.close()
    known = list_known(api, asset_id)
    assert known["findings"] == {"shot": 2}
    assert known["passages"] == {}
    assert known["gaps"] == [
        {
            "subject": "face",
            "code": "model_missing",
            "message": "The model is not there.",
            "hint": "Fetch it.",
        }
    ]
