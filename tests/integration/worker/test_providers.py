"""Analyses by services on a running worker, against doubles of Rekognition, S3 and a NIM."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests import films
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, start_service, stop_service
from tests.integration.worker.services import (
    Services,
    analyze,
    fail_of,
    find_asset_id,
    finish,
    make_own_film,
    read_costs,
    read_failures,
    read_findings,
    read_report,
    read_states,
    run_services,
)
from tests.integration.worker.walk import Walk, read_probe
from tests.rekognition_double import Exchange, fail, half
from tests.vision_server import VisionExchange, answer_half, answer_later, describe, refuse
from tests.waiting import PATIENCE_SECONDS

from cinemill.capabilities.analysis.providers.vision_handlers import (
    analyze_with_nvidia,
    describe_range,
    merge_descriptions,
)
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import DEFAULT_OWNER, JobState, StepSpec
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.retrieval.search import find_candidates

OWN_REDIS_DATABASE = 15


@pytest.fixture(scope="module")
def running(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("services")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with run_services(database_url, settings) as services:
        process = start_service("cinemill.worker", services.stack)
        yield services
        stop_service(process)


@pytest.fixture
def services(running: Services) -> Services:
    running.clear()
    return running


@pytest.fixture
def worker(services: Services) -> Stack:
    return services.stack


@pytest.fixture
def film(films_folder: Path, request: pytest.FixtureRequest) -> Path:
    return make_own_film(films_folder, request.node.name)


# Rekognition


def test_rekognition_finds_labels_and_keeps_nothing(
    services: Services, worker: Stack, film: Path
) -> None:
    services.rekognition.script.running_polls = 1
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    assert job.failure is None
    assert read_report(job) == (False, 1)
    (tag,) = read_findings(worker, film, FindingKind.TAG)
    assert (tag.start_ms, tag.end_ms, tag.label) == (0, 1000, "Person")
    assert services.s3.uploads == 1
    assert services.s3.objects == {}
    assert read_costs(worker, film) == [("rekognition", 100_000, 0, True)]


def test_same_bytes_again_ask_rekognition_nothing(
    services: Services, worker: Stack, film: Path
) -> None:
    analyze(worker, "analyze_with_rekognition", film)
    assert services.rekognition.count("StartFaceDetection") == 1
    services.rekognition.seen.clear()
    services.s3.seen.clear()
    again = analyze(worker, "analyze_with_rekognition", film)
    assert read_report(again) == (True, 1)
    assert services.rekognition.seen == []
    assert services.s3.seen == []


def test_throttled_start_is_repeated_later(services: Services, worker: Stack, film: Path) -> None:
    services.rekognition.script.faults["StartLabelDetection"] = [fail("ThrottlingException")]
    services.rekognition.script.faults["GetLabelDetection"] = [fail("ThrottlingException")]
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    assert job.failure is None
    assert services.rekognition.count("StartLabelDetection") == 2
    assert len(services.rekognition.jobs) == 1


def test_failed_job_is_started_anew_by_a_person_only(
    services: Services, worker: Stack, film: Path
) -> None:
    script = services.rekognition.script
    script.end, script.status_message = "FAILED", "The codec is not supported."
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    failure = fail_of(job)
    assert failure.code == "provider_job_failed"
    assert "The codec is not supported." in failure.message
    assert failure.retryable
    assert services.s3.objects == {}
    script.end = "SUCCEEDED"
    worker.service.retry_job(job.id)
    assert finish(worker, job).state is JobState.COMPLETED
    tokens = {
        request["ClientRequestToken"]
        for name, request in services.rekognition.seen
        if name == "StartLabelDetection"
    }
    assert len(tokens) == 2


def test_half_a_reply_is_asked_for_again(services: Services, worker: Stack, film: Path) -> None:
    services.rekognition.script.faults["StartLabelDetection"] = [half]
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    assert job.failure is None
    assert len(read_findings(worker, film, FindingKind.TAG)) == 1
    assert len(services.rekognition.jobs) == 1


def test_denied_upload_says_so(services: Services, worker: Stack, film: Path) -> None:
    services.s3.refusal = (403, "AccessDenied")
    failure = fail_of(analyze(worker, "analyze_with_rekognition", film, features=["labels"]))
    assert failure.code == "provider_denied"
    assert "AccessDenied" in failure.message
    assert services.rekognition.seen == []


def test_findings_are_kept_where_the_upload_cannot_be_deleted(
    services: Services, worker: Stack, film: Path
) -> None:
    services.s3.keeps_all = True
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    assert job.failure is None
    assert len(read_findings(worker, film, FindingKind.TAG)) == 1
    (name,) = services.s3.objects
    assert f"s3://{name}" in worker.log.read_text()


def test_cap_leaves_a_gap_in_an_ingestion(
    services: Services, worker: Stack, films_folder: Path
) -> None:
    film = films.make_film(films_folder / "five_minutes.mp4", seconds=300, rate="1")
    job = analyze(worker, "process_video", film, profile="standard", provider="rekognition")
    assert job.failure is None
    assert job.result is not None
    (gap,) = [gap for gap in job.result["gaps"] if gap["subject"] == "rekognition"]
    assert gap["code"] == "cost_cap_video"
    assert "exceeds $1.00 a video" in gap["message"]
    assert job.result["findings"]["keyframe"] >= 1
    assert "tag" not in job.result["findings"]
    assert services.rekognition.seen == []
    assert read_costs(worker, film) == []


def test_cost_above_the_cap_is_refused_before_anything_is_sent(
    services: Services, worker: Stack, films_folder: Path
) -> None:
    film = films.make_film(films_folder / "eleven_minutes.mp4", seconds=660, rate="1")
    failure = fail_of(analyze(worker, "analyze_with_rekognition", film, features=["labels"]))
    assert failure.code == "cost_cap_video"
    assert failure.message == "Analyzing this video by rekognition ($1.10) exceeds $1.00 a video."
    assert services.rekognition.seen == []
    assert services.s3.uploads == 0
    assert read_costs(worker, film) == []


def test_job_that_does_not_reply_in_time_is_asked_again(
    services: Services, worker: Stack, film: Path
) -> None:
    is_over = threading.Event()

    def keep_waiting(exchange: Exchange) -> None:
        is_over.wait(PATIENCE_SECONDS)
        exchange.close_connection = True

    services.rekognition.script.faults["GetLabelDetection"] = [keep_waiting]
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    is_over.set()
    assert job.failure is None
    (retry,) = read_failures(worker, job.id)
    assert retry == "provider_timeout"
    assert services.rekognition.count("StartLabelDetection") == 1


def test_large_video_is_uploaded_in_parts(
    services: Services, worker: Stack, films_folder: Path
) -> None:
    noise = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p")
    film = films.make_film(
        films_folder / "large.mp4",
        seconds=4,
        size=(1280, 720),
        codec=noise,
        filters="noise=alls=99",
    )
    assert film.stat().st_size > 8 << 20
    job = analyze(worker, "analyze_with_rekognition", film, features=["labels"])
    assert job.failure is None
    sent = [command for command, name in services.s3.seen if name.startswith("films/cinemill/")]
    assert sent.count("POST") == 2
    assert sent.count("PUT") >= 2
    assert services.s3.sizes == [film.stat().st_size]


# A vision model's server


def test_model_describes_ranges(services: Services, worker: Stack, film: Path) -> None:
    services.vision.answers = [describe("At 0:01, a test pattern moves.")]
    job = analyze(worker, "analyze_with_nvidia", film)
    assert job.failure is None
    assert read_report(job) == (False, 2)
    (description,) = read_findings(worker, film, FindingKind.DESCRIPTION)
    assert (description.start_ms, description.label) == (0, "A test pattern moves.")
    assert 1900 <= description.end_ms <= 2100
    content = services.vision.asked[0]["messages"][0]["content"]
    assert content[0]["video_url"]["url"].startswith("data:video/mp4;base64,")
    assert read_costs(worker, film) == [("nvidia", 10_000, 1, True)]
    services.vision.asked.clear()
    again = analyze(worker, "analyze_with_nvidia", film)
    assert read_report(again) == (True, 2)
    assert services.vision.asked == []


def test_description_of_an_ingestion_is_found(
    services: Services, worker: Stack, film: Path
) -> None:
    services.vision.answers = [describe("A man in a yellow raincoat feeds some ducks.")]
    job = analyze(worker, "process_video", film, profile="standard", provider="nvidia")
    assert job.failure is None
    assert job.result is not None
    assert job.result["passages"]["description"] == 1
    query = CandidateQuery(
        SearchScope(DEFAULT_OWNER),
        SearchFilters(tracks=(PassageTrack.DESCRIPTION,)),
        text="who feeds the ducks?",
    )
    with worker.database.begin() as connection:
        (found,) = find_candidates(connection, query)
    assert found.asset_id == find_asset_id(worker, film)
    assert (found.start_ms, found.text) == (0, "A man in a yellow raincoat feeds some ducks.")


def test_throttled_model_is_asked_later(services: Services, worker: Stack, film: Path) -> None:
    services.vision.answers = [refuse(429, Retry_After="0")]
    assert analyze(worker, "analyze_with_nvidia", film).failure is None
    assert len(services.vision.asked) == 2
    assert read_costs(worker, film) == [("nvidia", 10_000, 1, True)]


def test_half_an_answer_is_asked_for_again_and_paid_for(
    services: Services, worker: Stack, film: Path
) -> None:
    services.vision.answers = [answer_half]
    assert analyze(worker, "analyze_with_nvidia", film).failure is None
    assert sum(row[2] for row in read_costs(worker, film)) == 2


def test_answer_that_stays_cut_off_fails_with_its_code(
    services: Services, worker: Stack, film: Path
) -> None:
    services.vision.answers = [describe(finish="length")] * 2
    failure = fail_of(analyze(worker, "analyze_with_nvidia", film))
    assert failure.code == "provider_reply_cut"
    assert len(services.vision.asked) == 2


def test_late_answer_is_asked_for_and_holds_no_worker(
    services: Services, worker: Stack, film: Path
) -> None:
    services.vision.answers = [answer_later, answer_later, describe("A test pattern.")]
    job = analyze(worker, "analyze_with_nvidia", film)
    assert job.failure is None
    assert (len(services.vision.asked), services.vision.polls) == (1, 2)
    assert read_states(worker, job.id, "describe_range") == ["returned", "succeeded"]


def test_descriptions_by_two_models_are_not_mixed(
    services: Services, worker: Stack, films_folder: Path
) -> None:
    film = films.make_film(films_folder / "two_ranges.mp4", seconds=40, rate="2")
    services.vision.answers = [describe(model="former"), describe(model="latter")]
    failure = fail_of(analyze(worker, "analyze_with_nvidia", film))
    assert failure.code == "provider_model_changed"
    assert read_findings(worker, film, FindingKind.DESCRIPTION) == []
    with worker.database.begin() as connection:
        query = text("SELECT ticket #>> '{scene,model}' FROM provider_call WHERE asset_id = :id")
        (kept,) = connection.execute(query, {"id": find_asset_id(worker, film)}).scalars()
    services.vision.answers = [describe(model=kept)]
    assert analyze(worker, "analyze_with_nvidia", film).failure is None
    assert len(services.vision.asked) == 3
    assert len(read_findings(worker, film, FindingKind.DESCRIPTION)) == 2


def test_two_analyses_at_once_keep_the_descriptions_of_the_first(
    services: Services, worker: Stack, film: Path, tmp_path: Path
) -> None:
    """Of the others, one has all ranges described before the first ends, and one has none."""
    prepared = analyze(worker, "process_video", film)
    assert prepared.failure is None
    asset_id = find_asset_id(worker, film)
    probe = {"probe": read_probe(worker, asset_id)}
    walks = [Walk(worker, tmp_path, asset_id, probe) for _ in range(3)]
    whole = StepSpec("analyze_with_nvidia", "analyze_with_nvidia")
    added = [walk.run(analyze_with_nvidia, whole) for walk in walks]
    for number in (0, 1):
        for step in added[number][:-1]:
            walks[number].run(describe_range, step)
    walks[0].run(merge_descriptions, added[0][-1])
    found = read_findings(worker, film, FindingKind.DESCRIPTION)
    assert len(found) == 1
    for step in added[2][:-1]:
        walks[2].run(describe_range, step)
    for number in (1, 2):
        walks[number].run(merge_descriptions, added[number][-1])
    assert read_findings(worker, film, FindingKind.DESCRIPTION) == found
    assert walks[0].list_gaps() == {}
    assert len(services.vision.asked) == 1
    costs = read_costs(worker, film)
    assert [settled for *_, settled in costs] == [True] * 3
    assert [requests for _, _, requests, _ in costs] == [1, 1, 0]


def hang_up(exchange: VisionExchange) -> None:
    exchange.close_connection = True


def test_server_that_hangs_up_leaves_a_gap_in_an_ingestion(
    services: Services, worker: Stack, film: Path
) -> None:
    services.vision.answers = [hang_up] * 2
    job = analyze(worker, "process_video", film, profile="standard", provider="nvidia")
    assert job.failure is None
    assert job.result is not None
    gaps = {gap["subject"]: gap["code"] for gap in job.result["gaps"]}
    assert gaps["nvidia"] == "provider_unavailable"
    assert "description" not in job.result["findings"]
    assert job.result["findings"]["shot"] >= 1
    again = analyze(worker, "process_video", film, profile="standard", provider="nvidia")
    assert again.result is not None
    assert "nvidia" not in {gap["subject"] for gap in again.result["gaps"]}
    assert again.result["findings"]["description"] == 1


def test_ingestion_by_rekognition_looks_at_nothing_itself(
    services: Services, worker: Stack, film: Path
) -> None:
    job = analyze(worker, "process_video", film, profile="standard", provider="rekognition")
    assert job.failure is None
    assert job.result is not None
    gaps = {gap["subject"] for gap in job.result["gaps"]}
    assert not gaps & {"rekognition", "tag", "face", "text", "object"}
    assert job.result["findings"]["tag"] == 1
    assert services.rekognition.count("StartTextDetection") == 1
    assert services.rekognition.count("StartSegmentDetection") == 0
    with worker.database.begin() as connection:
        query = text("SELECT count(*) FROM step WHERE job_id = :id AND kind = 'analyze_chunk'")
        assert connection.execute(query, {"id": job.id}).scalar_one() == 0
