"""Reports of analyses over HTTP: from rows and files as a worker leaves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.analysis_reports import (
    ENCODING,
    PROVENANCE,
    make_no_face_report,
    make_no_model_report,
    make_report,
)
from tests.integration.api.conftest import RunningApi
from tests.integration.storage import analysis_rows, rows

from cinemill.capabilities.detection.analysis_report.gather import gather_report
from cinemill.capabilities.detection.analysis_report.page import write_response_policy
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport
from cinemill.capabilities.detection.encoding_report import NAME as ENCODING_NAME
from cinemill.capabilities.detection.encoding_report import encoding_key
from cinemill.capabilities.detection.illustrations.records import NAME as PICTURES_NAME
from cinemill.capabilities.detection.illustrations.records import pictures_key
from cinemill.core.documents import JsonObject
from cinemill.core.job import Job
from cinemill.core.media import ArtifactKind
from cinemill.steps.publish import publish_artifact
from cinemill.storage.analyses import reviews
from cinemill.storage.analyses.results import Findings
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles

NAME = '<b>invoice\u202e4pm"</b>.mp4'


@pytest.fixture(scope="module")
def database(api: RunningApi) -> Iterator[Database]:
    database = Database(api.database_url)
    yield database
    database.close()


class Store:
    """What a worker would have stored."""

    def __init__(self, api: RunningApi, database: Database, folder: Path) -> None:
        self.database = database
        self.files = LocalFiles(api.home / "objects")
        self._folder = folder

    def register(self) -> str:
        with self.database.begin() as connection:
            asset = assets.register_asset(
                connection, owner="local", sha256=uuid4().hex * 2, size_bytes=7, filename=NAME
            )[0]
        return asset.id

    def complete(self, report: AnalysisReport) -> Job:
        """Store an analysis with these findings."""
        assert report.result is not None
        assert report.metrics is not None
        job = analysis_rows.begin(self.database, owner="local", asset_id=self.register())
        findings = Findings(report.result, report.frames, report.regions, report.metrics)
        analysis_rows.complete(self.database, job, findings, needs_review=True)
        return job

    def keep(
        self, job: Job, kind: ArtifactKind, document: JsonObject, *, key: str, variant: str = ""
    ) -> None:
        path = self._folder / uuid4().hex
        path.write_text(json.dumps(document), "utf-8")
        artifact = publish_artifact(
            self.files, path, kind, filename="f.json", media_type="application/json"
        )
        with self.database.begin() as connection:
            assets.save_artifacts(connection, str(job.asset_id), key, [artifact], variant=variant)

    def keep_all(self, job: Job, report: AnalysisReport) -> None:
        """Store pictures, content credentials and traces of encoding."""
        assert report.pictures is not None
        asset = assets.get_asset(self.database, str(job.asset_id))
        self.keep(job, ArtifactKind.PROVENANCE, PROVENANCE.to_json(), key=uuid4().hex)
        encoding = encoding_key(asset.sha256)
        kind = ArtifactKind.FINDING
        self.keep(job, kind, ENCODING.to_json(), key=encoding, variant=ENCODING_NAME)
        pictures = pictures_key(analysis_rows.KEY)
        document = report.pictures.to_json()
        self.keep(job, kind, document, key=pictures, variant=PICTURES_NAME)


@pytest.fixture
def store(api: RunningApi, database: Database, tmp_path: Path) -> Store:
    return Store(api, database, tmp_path)


def read_json(api: RunningApi, job: Job) -> dict[str, Any]:
    response = api.http.get(f"/api/v1/analyses/{job.id}/report.json")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def read_page(api: RunningApi, job: Job) -> str:
    response = api.http.get(f"/api/v1/analyses/{job.id}/report.html")
    assert response.status_code == 200, response.text
    return response.text


def test_report_holds_all_that_is_stored(api: RunningApi, store: Store) -> None:
    report = make_report()
    job = store.complete(report)
    store.keep_all(job, report)
    with store.database.begin() as connection:
        reviews.override_verdict(
            connection, job.id, "inconclusive", reviewer="Ann <i>", reason="It is\nreal."
        )
    document = read_json(api, job)
    assert document["file"]["name"] == NAME
    assert document["analysis"]["verdict"] == "likely_manipulated"
    assert document["analysis"]["reviewed_verdict"] == "inconclusive"
    assert len(document["frames"]) == len(report.frames)
    assert report.pictures is not None
    assert len(document["pictures"]) == len(report.pictures.pictures)
    assert document["regions"][0]["evidence"]["cells"][4][3] == 1.2
    assert document["aside"]["provenance"]["state"] == "invalid"
    assert document["aside"]["encoding"]["codec"] == "h264"
    assert document["reviews"][0]["reviewer"] == "Ann <i>"
    page = read_page(api, job)
    assert "<bdi>&lt;b&gt;invoice\\u202e4pm&quot;&lt;/b&gt;.mp4</bdi>" in page
    assert "<bdi>Ann &lt;i&gt;</bdi>, who decided otherwise: Inconclusive" in page
    shown = page.count("data:image/jpeg;base64,")
    assert shown == len(report.pictures.pictures) + 2 * len(report.regions)
    assert document["file"]["sha256"] in page
    assert "the file was changed after it was signed" in page


def test_page_has_a_strict_policy_and_is_not_kept(api: RunningApi, store: Store) -> None:
    job = store.complete(make_report())
    response = api.http.get(f"/api/v1/analyses/{job.id}/report.html")
    policy = response.headers["content-security-policy"]
    assert policy == write_response_policy(gather_report(store.database, store.files, job.id))
    assert "script-src" not in policy
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (make_no_model_report(), "no detector is installed"),
        (make_no_face_report(), "No face to examine"),
    ],
    ids=["no_model", "no_face"],
)
def test_analysis_without_a_score_has_a_report(
    api: RunningApi, store: Store, report: AnalysisReport, words: str
) -> None:
    job = store.complete(report)
    document = read_json(api, job)
    assert document["analysis"]["verdict"] == report.band.value
    assert document["analysis"]["score"] is None
    assert document["aside"]["encoding"] is None
    assert words in read_page(api, job)


def test_failed_analysis_has_a_report_with_its_error(api: RunningApi, store: Store) -> None:
    job = rows.accept(store.database, owner="local", params={"asset": "/films/<gone>.mp4"})
    analysis_rows.create(store.database, job)
    rows.mark_dead(store.database, rows.start(store.database, job))
    document = read_json(api, job)
    assert document["file"] is None
    assert document["source_name"] == "/films/<gone>.mp4"
    assert document["analysis"]["error"]["code"] == rows.FAILURE.code
    page = read_page(api, job)
    assert "The analysis failed" in page
    assert "/films/&lt;gone&gt;.mp4" in page
    assert rows.FAILURE.message in page


def test_analysis_that_has_not_ended_has_no_report_yet(api: RunningApi, store: Store) -> None:
    job = analysis_rows.begin(store.database, owner="local")
    for form in ("json", "html"):
        response = api.http.get(f"/api/v1/analyses/{job.id}/report.{form}")
        assert response.status_code == 409
        assert response.json()["code"] == "analysis_not_completed"
        assert "pending" in response.json()["detail"]


def test_report_goes_with_its_video(api: RunningApi, store: Store) -> None:
    job = store.complete(make_report())
    assert read_json(api, job)["file"]["asset_id"] == job.asset_id
    with store.database.begin() as connection:
        assert assets.delete_asset(connection, str(job.asset_id))
    response = api.http.get(f"/api/v1/analyses/{job.id}/report.html")
    assert (response.status_code, response.json()["code"]) == (404, "analysis_not_found")


def test_report_does_without_files_that_are_gone(api: RunningApi, store: Store) -> None:
    report = make_report()
    job = store.complete(report)
    # Of an analysis whose stored files were removed, the rows are still whole.
    store.keep(job, ArtifactKind.PROVENANCE, {"not": "a report"}, key=uuid4().hex)
    document = read_json(api, job)
    assert document["aside"]["provenance"] is None
    assert document["aside"]["encoding"] is None
    assert "was not recorded" in read_page(api, job)


def test_report_of_another_version_shows_what_it_can_read(api: RunningApi, store: Store) -> None:
    report = make_report()
    assert report.result is not None
    job = store.complete(replace(report, result=replace(report.result, report={"tracks": []})))
    assert "Another version of the software" in read_page(api, job)
    assert read_json(api, job)["analysis"]["faces"] == []


def test_report_needs_a_token(api: RunningApi, store: Store) -> None:
    job = store.complete(make_report())
    for form in ("json", "html"):
        path = f"/api/v1/analyses/{job.id}/report.{form}"
        assert api.stranger.get(path).status_code == 401


def test_unknown_analysis_is_not_found(api: RunningApi) -> None:
    response = api.http.get(f"/api/v1/analyses/{uuid4()}/report.json")
    assert (response.status_code, response.json()["code"]) == (404, "analysis_not_found")
