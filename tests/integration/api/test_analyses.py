"""Analyses through the API: requested one by one and in batches, read, listed, and reviewed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from tests.integration.storage.intelligence_rows import register

from cinemill.client import Client, ClientError
from cinemill.storage.analyses.records import Box, FrameScore, Metrics, Result, SuspiciousRegion
from cinemill.storage.analyses.results import Findings, save_findings
from cinemill.storage.database import Database

from .conftest import FILM_HEAD, RunningApi

V1 = "/api/v1"
BOX = Box(10.0, 20.0, 100.0, 120.0)


@pytest.fixture
def asset_id(api: RunningApi) -> str:
    return upload(api)


@pytest.fixture(scope="module")
def database(api: RunningApi) -> Iterator[Database]:
    opened = Database(api.database_url)
    yield opened
    opened.close()


def upload(api: RunningApi) -> str:
    film = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
    return str(api.http.post(f"{V1}/upload", files=film).json()["asset_id"])


def create(api: RunningApi, asset_id: str, **body: Any) -> dict[str, Any]:
    answer = api.http.post(f"{V1}/assets/{asset_id}/analyses", json=body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def find(
    api: RunningApi, database: Database, analysis_id: str, verdict: str = "inconclusive"
) -> None:
    """Write what a worker with a detector would have found: one face in 7 of 8 frames."""
    score = 0.6
    frames = [FrameScore(500 * n, n, 0.5 + n / 100, "", 1, BOX) for n in range(7)]
    frames.append(FrameScore(3500, 7, None, "no_face"))
    sighting = {"time_ms": 0}
    report: dict[str, Any] = {
        "reasons": [{"code": "between_thresholds", "sentence": "It is between."}],
        "sentences": ["The analysis cannot decide."],
        "tracks": [
            {
                "number": 1,
                "start_ms": 0,
                "end_ms": 3000,
                "band": "inconclusive",
                "score": score,
                "faces": [sighting] * 7,
            }
        ],
        "members": [{"name": "lite0", "weight": 1.0}],
        "faces": {"frames": 8, "usable": 7},
        "calibration": {"data": "home videos"},
    }
    findings = Findings(
        result=Result(verdict, score, ("between_thresholds",), 1, {"result": 1}, report),
        frames=frames,
        regions=[SuspiciousRegion(500 * n, 500 * n + 400, 0.7, BOX, 1) for n in range(3)],
        metrics=Metrics(2.5, {"examine": 2.0}, 8, cache_hit=False, confidence=None, device="cpu"),
    )
    with database.begin() as connection:
        save_findings(connection, analysis_id, "key", findings, needs_review=True)
    api.settle(analysis_id, "completed", progress="100", finished_at="now()")


def refuse(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


class TestRequests:
    def test_new_analysis_waits_and_is_its_job(self, api: RunningApi, asset_id: str) -> None:
        answer = api.http.post(f"{V1}/assets/{asset_id}/analyses", json={"fast": True})
        assert answer.status_code == 201
        created = answer.json()
        assert answer.headers["Location"] == created["url"] == f"{V1}/analyses/{created['id']}"
        assert (created["asset_id"], created["status"]) == (asset_id, "pending")
        assert (created["fast"], created["verdict"], created["needs_review"]) == (True, None, False)
        job = api.http.get(created["job_url"]).json()
        assert (job["kind"], job["params"], job["asset_id"]) == (
            *("detect_video", {"fast": True}),
            asset_id,
        )
        details = api.http.get(created["url"]).json()
        assert created.items() <= details.items()
        assert (details["score"], details["metrics"], details["faces"]) == (None, None, [])

    def test_request_without_a_body_takes_the_usual_settings(
        self, api: RunningApi, asset_id: str
    ) -> None:
        answer = api.http.post(f"{V1}/assets/{asset_id}/analyses")
        assert (answer.status_code, answer.json()["fast"]) == (201, False)

    @pytest.mark.parametrize("body", [{"fast": "maybe"}, {"priority": 11}, {"priority": -1}, []])
    def test_wrong_settings_are_refused(self, api: RunningApi, asset_id: str, body: object) -> None:
        answer = api.http.post(f"{V1}/assets/{asset_id}/analyses", json=body)
        assert refuse(answer) == (422, "parameters_invalid")

    def test_unknown_video_is_refused(self, api: RunningApi) -> None:
        for call in (api.http.post, api.http.get):
            assert refuse(call(f"{V1}/assets/none/analyses")) == (404, "asset_not_found")

    def test_failed_job_fails_its_analysis_with_the_reason(
        self, api: RunningApi, asset_id: str
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        failure = """'{"code": "media_truncated", "message": "Short.", "hint": "Try."}'"""
        api.settle(analysis_id, "failed", failure=f"{failure}::jsonb", finished_at="now()")
        details = api.http.get(f"{V1}/analyses/{analysis_id}").json()
        assert (details["status"], details["verdict"]) == ("failed", "failed")
        assert details["error"] == {
            "code": "media_truncated",
            "message": "Short.",
            "hint": "Try.",
        }

    @pytest.mark.parametrize("path", ["", "/frames", "/regions", "/reviews"])
    def test_unknown_analysis_is_not_found(self, api: RunningApi, path: str) -> None:
        job_id = api.submit()
        for unknown in ("none", job_id):
            answer = api.http.get(f"{V1}/analyses/{unknown}{path}")
            assert refuse(answer) == (404, "analysis_not_found")


class TestBatches:
    def test_each_video_of_a_batch_gets_an_analysis_of_its_own(self, api: RunningApi) -> None:
        assets = [upload(api) for _ in range(3)]
        wanted = [*assets, assets[0]]
        answer = api.http.post(
            f"{V1}/analyses", json={"asset_ids": wanted, "fast": True, "priority": 9}
        )
        assert answer.status_code == 201
        created = answer.json()["analyses"]
        assert [one["asset_id"] for one in created] == wanted
        assert len({one["id"] for one in created}) == len(wanted)
        for one in created:
            job = api.http.get(one["job_url"]).json()
            assert (job["status"], job["priority"], job["params"]) == ("pending", 9, {"fast": True})

    def test_unknown_videos_are_named_by_their_place_and_nothing_is_created(
        self, api: RunningApi, asset_id: str
    ) -> None:
        answer = api.http.post(
            f"{V1}/analyses", json={"asset_ids": [asset_id, "none", asset_id, "nil"]}
        )
        assert refuse(answer) == (422, "parameters_invalid")
        assert [one["name"] for one in answer.json()["problems"]] == ["asset_ids.1", "asset_ids.3"]
        assert list_ids(api, asset_id=asset_id) == []

    def test_video_of_another_owner_is_unknown(
        self, api: RunningApi, asset_id: str, database: Database
    ) -> None:
        theirs = register(database, "not-ours", owner="somebody else")
        answer = api.http.post(f"{V1}/analyses", json={"asset_ids": [asset_id, theirs]})
        assert refuse(answer) == (422, "parameters_invalid")
        assert [one["name"] for one in answer.json()["problems"]] == ["asset_ids.1"]
        assert list_ids(api, asset_id=theirs) == []

    def test_batch_is_bounded(self, api: RunningApi, asset_id: str) -> None:
        for ids in ([], [asset_id] * 1001, "all", [None], ["a\0b"], ["x" * 256]):
            answer = api.http.post(f"{V1}/analyses", json={"asset_ids": ids})
            assert refuse(answer) == (422, "parameters_invalid")
        assert list_ids(api, asset_id=asset_id) == []


def list_ids(
    api: RunningApi, path: str = "/analyses", limit: int = 500, **filters: Any
) -> list[str]:
    """Return the ids of all pages of a list."""
    ids: list[str] = []
    query: dict[str, Any] = {**filters, "limit": limit}
    while True:
        page = api.http.get(f"{V1}{path}", params=query).raise_for_status().json()
        ids += [one["id"] for one in page["analyses"]]
        if page["next"] is None:
            return ids
        query["cursor"] = page["next"]


class TestLists:
    def test_analyses_of_a_video_are_listed_from_new_to_old_by_pages(
        self, api: RunningApi, asset_id: str
    ) -> None:
        ids = [create(api, asset_id)["id"] for _ in range(5)]
        other = create(api, upload(api))["id"]
        assert list_ids(api, f"/assets/{asset_id}/analyses", limit=2) == ids[::-1]
        assert list_ids(api, limit=2, asset_id=asset_id) == ids[::-1]
        assert list_ids(api)[:6] == [other, *ids[::-1]]

    def test_lists_are_filtered_by_status_and_verdict(
        self, api: RunningApi, asset_id: str, database: Database
    ) -> None:
        waiting, found = (create(api, asset_id)["id"] for _ in range(2))
        find(api, database, found)
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"status": "pending"}, [waiting]),
            ({"status": "completed"}, [found]),
            ({"verdict": "inconclusive"}, [found]),
            ({"verdict": "no_face"}, []),
        ]
        for filters, ids in cases:
            assert list_ids(api, asset_id=asset_id, **filters) == ids
        for wrong in ({"status": "done"}, {"verdict": "fake"}, {"limit": "0"}, {"limit": "501"}):
            answer = api.http.get(f"{V1}/analyses", params=wrong)
            assert refuse(answer) == (422, "parameters_invalid")

    @pytest.mark.parametrize(
        "path",
        ["/analyses", "/assets/{asset}/analyses", "/reviews"]
        + [f"/analyses/{{analysis}}/{one}" for one in ("frames", "regions", "reviews")],
    )
    @pytest.mark.parametrize("cursor", ["x", "null", "WyJhIl0", "WyJhIiwiYiJd"])
    def test_cursor_of_no_page_is_refused(
        self, api: RunningApi, asset_id: str, path: str, cursor: str
    ) -> None:
        analysis = create(api, asset_id)["id"]
        address = V1 + path.format(asset=asset_id, analysis=analysis)
        assert refuse(api.http.get(address, params={"cursor": cursor})) == (422, "cursor_invalid")


class TestFindings:
    def test_analysis_says_what_was_found_and_what_it_took(
        self, api: RunningApi, asset_id: str, database: Database
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id)
        details = api.http.get(f"{V1}/analyses/{analysis_id}").json()
        assert (details["verdict"], details["score"], details["confidence"]) == (
            *("inconclusive", 0.6),
            None,
        )
        assert details["reasons"] == [{"code": "between_thresholds", "sentence": "It is between."}]
        assert details["faces"] == [
            {
                "number": 1,
                "start_ms": 0,
                "end_ms": 3000,
                "verdict": "inconclusive",
                "score": 0.6,
                "sightings": 7,
            }
        ]
        assert details["metrics"]["stage_seconds"] == {"examine": 2.0}
        assert (details["examined"]["usable"], details["versions"]) == (7, {"result": 1})

    def test_frames_are_read_by_pages_ranges_and_faces(
        self, api: RunningApi, asset_id: str, database: Database, client: Client
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id)
        address = f"{V1}/analyses/{analysis_id}/frames"
        whole = list(client.analysis_frames(analysis_id))
        assert [one["time_ms"] for one in whole] == list(range(0, 4000, 500))
        assert whole[0]["box"] == {"left": 10.0, "top": 20.0, "width": 100.0, "height": 120.0}
        assert (whole[-1]["score"], whole[-1]["exclusion"], whole[-1]["box"]) == (
            *(None, "no_face"),
            None,
        )
        assert read_pages(api, address, "frames", limit=3) == [whole[:3], whole[3:6], whole[6:]]
        part = api.http.get(address, params={"from_ms": 500, "until_ms": 1500}).json()["frames"]
        assert part == whole[1:3]
        assert list(client.analysis_frames(analysis_id, face=1)) == whole[:-1]
        assert list(client.analysis_frames(analysis_id, face=2)) == []

    def test_regions_are_read_by_pages_until_they_change(
        self, api: RunningApi, asset_id: str, database: Database, client: Client
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id)
        address = f"{V1}/analyses/{analysis_id}/regions"
        whole = client.analysis_regions(analysis_id)
        assert [(one["start_ms"], one["end_ms"]) for one in whole] == [
            (0, 400),
            (500, 900),
            (1000, 1400),
        ]
        assert read_pages(api, address, "regions", limit=2) == [whole[:2], whole[2:]]
        cursor = api.http.get(address, params={"limit": 1}).json()["next"]
        api.settle(analysis_id, "pending", finished_at="NULL")
        find(api, database, analysis_id)
        stale = api.http.get(address, params={"cursor": cursor})
        assert refuse(stale) == (422, "cursor_invalid")


def read_pages(api: RunningApi, address: str, member: str, limit: int) -> Sequence[list[Any]]:
    pages: list[list[Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = api.http.get(address, params=query).raise_for_status().json()
        pages.append(page[member])
        if page["next"] is None:
            return pages
        query["cursor"] = page["next"]


class TestReviews:
    def test_decision_is_recorded_and_leaves_the_model_s_verdict(
        self, api: RunningApi, asset_id: str, database: Database, client: Client
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id)
        assert analysis_id in {one["id"] for one in client.review_queue(limit=500)}
        person: dict[str, Any] = {"reviewer": "Ada", "reason": "The mouth slips."}
        added = client.review(
            analysis_id, action="override", verdict="likely_manipulated", seen=0, **person
        )
        assert (added["model_verdict"], added["model_score"]) == ("inconclusive", 0.6)
        with pytest.raises(ClientError) as late:
            client.review(analysis_id, action="accept", seen=0, **person)
        assert (late.value.status, late.value.code) == (409, "review_conflict")
        again = client.review(analysis_id, action="accept", seen=added["id"], **person)
        assert client.reviews(analysis_id) == [added, again]
        details = client.analysis(analysis_id)
        assert (details["verdict"], details["score"]) == ("inconclusive", 0.6)
        assert (details["reviewed_verdict"], details["needs_review"]) == ("inconclusive", False)
        assert analysis_id not in {one["id"] for one in client.review_queue(limit=500)}
        address = f"{V1}/analyses/{analysis_id}/reviews"
        assert read_pages(api, address, "reviews", limit=1) == [[added], [again]]

    def test_flagged_analysis_comes_into_the_queue(
        self, api: RunningApi, asset_id: str, database: Database, client: Client
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id, "no_manipulation_found")
        client.review(analysis_id, action="accept", reviewer="Ada", reason="Fine.")
        client.review(analysis_id, action="flag", reviewer="Bob", reason="Look again.")
        assert list_ids(api, "/reviews", limit=1)[-1] == analysis_id

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"action": "override"}, (422, "verdict_invalid")),
            ({"action": "override", "verdict": "no_model"}, (422, "parameters_invalid")),
            ({"action": "delete"}, (422, "parameters_invalid")),
            ({"reviewer": ""}, (422, "parameters_invalid")),
            ({"reviewer": "  "}, (422, "reviewer_invalid")),
            ({"reason": "\x00"}, (422, "reason_invalid")),
            ({"seen": -1}, (422, "parameters_invalid")),
        ],
    )
    def test_wrong_decisions_are_refused(
        self,
        api: RunningApi,
        asset_id: str,
        database: Database,
        change: dict[str, object],
        refusal: tuple[int, str],
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        find(api, database, analysis_id)
        body = {"action": "accept", "reviewer": "Ada", "reason": "Fine.", **change}
        answer = api.http.post(f"{V1}/analyses/{analysis_id}/reviews", json=body)
        assert refuse(answer) == refusal
        assert api.http.get(f"{V1}/analyses/{analysis_id}/reviews").json()["reviews"] == []

    def test_analysis_without_a_verdict_cannot_be_reviewed(
        self, api: RunningApi, asset_id: str
    ) -> None:
        analysis_id = create(api, asset_id)["id"]
        body = {"action": "accept", "reviewer": "Ada", "reason": "Fine."}
        answer = api.http.post(f"{V1}/analyses/{analysis_id}/reviews", json=body)
        assert refuse(answer) == (409, "analysis_not_completed")


class TestClient:
    def test_analyses_are_requested_and_listed(
        self, api: RunningApi, asset_id: str, client: Client
    ) -> None:
        first = client.analyze(asset_id, fast=True, priority=7)
        second, third = client.analyze_batch([asset_id, asset_id])
        assert (first["fast"], second["fast"]) == (True, False)
        listed = client.analyses(asset_id=asset_id, status="pending")
        assert listed == [third, second, first]
        assert client.job(first["id"])["priority"] == 7
        with pytest.raises(ClientError) as refused:
            client.analyze_batch([asset_id, "none"])
        assert (refused.value.code, "asset_ids.1" in refused.value.message) == (
            "parameters_invalid",
            True,
        )

    def test_analysis_is_watched_as_its_job(
        self, api: RunningApi, asset_id: str, client: Client, database: Database
    ) -> None:
        analysis_id = client.analyze(asset_id)["id"]
        find(api, database, analysis_id)
        api.publish(analysis_id, "completed", 100, "Done")
        assert [event.status for event in client.watch(analysis_id)][-1] == "completed"
