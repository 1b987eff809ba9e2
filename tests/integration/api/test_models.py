"""A model is downloaded by a job that the API queues."""

from __future__ import annotations

from .conftest import RunningApi


def test_download_of_a_model_is_queued_as_a_job(api: RunningApi) -> None:
    answer = api.http.post("/api/v1/models/base/fetch")
    assert answer.status_code == 201
    job = answer.json()
    assert (job["kind"], job["params"]) == ("fetch_model", {"name": "base"})
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"


def test_download_of_an_unknown_model_is_refused(api: RunningApi) -> None:
    answer = api.http.post("/api/v1/models/huge/fetch")
    assert answer.status_code == 404
    assert answer.json()["code"] == "model_unknown"
    assert "base" in answer.json()["hint"]


def test_download_of_a_model_needs_the_token(api: RunningApi) -> None:
    assert api.stranger.post("/api/v1/models/base/fetch").status_code == 401
