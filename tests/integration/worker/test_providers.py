"""Analyses by services on a running worker, against doubles of Rekognition, S3 and a NIM."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests import films
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.rekognition_double import (
    KEY,
    Exchange,
    RekognitionDouble,
    Script,
    fail,
    half,
    run_double,
)
from tests.s3_double import S3Double, run_s3
from tests.vision_server import (
    VisionDouble,
    VisionExchange,
    answer_half,
    describe,
    refuse,
    run_vision,
)
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.job import Failure, Job, JobState
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.worker.messages.guard import OWNER

OWN_REDIS_DATABASE = 15
BUCKET = "films"
WIDTHS = count()
PERSON = {"Name": "Person", "Confidence": 99.0, "Instances": [], "Parents": [], "Categories": []}
LABELS = {
    ("GetLabelDetection", "SEGMENTS"): [
        {
            "StartTimestampMillis": 0,
            "EndTimestampMillis": 1000,
            "DurationMillis": 1000,
            "Label": PERSON,
        }
    ],
}


@dataclass(frozen=True)
class Services:
    """The doubles, and the instance that uses them."""

    stack: Stack
    rekognition: RekognitionDouble
    s3: S3Double
    vision: VisionDouble

    def restart_worker(self) -> Worker:
        return Worker(start_service("cinemill.worker", self.stack))


@dataclass(frozen=True)
class Worker:
    """A worker with its processes, which a test may kill."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def services(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    with ExitStack() as undo:
        rekognition = undo.enter_context(run_double())
        s3, vision = undo.enter_context(run_s3()), undo.enter_context(run_vision())
        settings = {
            "CINEMILL_HOME": str(tmp_path_factory.mktemp("services")),
            "CINEMILL_INPUT_ROOTS": str(films_folder),
            "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
            "CELERY_TASK_DEFAULT_RETRY_DELAY": "0.2",
            "CELERY_TASK_MAX_RETRIES": "1",
            "CINEMILL_LEASE_SECONDS": "3",
            "CINEMILL_HEARTBEAT_SECONDS": "1",
            "CINEMILL_SWEEP_SECONDS": "0.5",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "not a secret",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_REKOGNITION": rekognition.url,
            "AWS_ENDPOINT_URL_S3": s3.url,
            "REKOGNITION_BUCKET": BUCKET,
            "NVIDIA_BASE_URL": vision.url,
            "NVIDIA_REQUEST_DOLLARS": "0.01",
            "PROVIDER_DOLLARS_PER_VIDEO": "1",
        }
        stack = undo.enter_context(open_stack(database_url, settings))
        undo.callback(stop_service, start_service("cinemill.worker.beat", stack))
        yield Services(stack, rekognition, s3, vision)


@pytest.fixture(autouse=True)
def quiet(services: Services) -> None:
    """Nothing of an earlier test is left in the doubles."""
    services.rekognition.script = Script(results=dict(LABELS))
    services.rekognition.seen.clear()
    services.rekognition.jobs.clear()
    services.s3.objects.clear()
    services.s3.uploads = 0
    services.s3.refusal = None
    services.vision.answers.clear()
    services.vision.asked.clear()


@pytest.fixture
def worker(services: Services) -> Iterator[Stack]:
    process = start_service("cinemill.worker", services.stack)
    yield services.stack
    stop_service(process)


@pytest.fixture
def film(films_folder: Path, request: pytest.FixtureRequest) -> Path:
    """Return a video of two seconds that no other test has."""
    size = (320 + 2 * next(WIDTHS), 180)
    name = f"{request.node.name}.mp4"
    return films.make_film(films_folder / name, seconds=2, size=size, filters="hue=h=30")


def submit(stack: Stack, kind: str, film: Path, **params: Any) -> Job:
    return stack.service.create_job(kind, owner=OWNER, params={"path": str(film), **params})


def finish(stack: Stack, job: Job) -> Job:
    stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS, propagate=False)
    return stack.service.get_job(job.id)


def analyze(stack: Stack, kind: str, film: Path, **params: Any) -> Job:
    return finish(stack, submit(stack, kind, film, **params))


def find_asset_id(stack: Stack, film: Path) -> str:
    with stack.database.begin() as connection:
        query = text("SELECT id FROM asset WHERE filename = :name")
        return str(connection.execute(query, {"name": film.name}).scalar_one())


def read_findings(stack: Stack, film: Path, kind: FindingKind) -> list[Finding]:
    return list_active(stack.database, find_asset_id(stack, film), kind)


def read_costs(stack: Stack, film: Path) -> list[tuple[str, int, int, bool]]:
    query = text(
        "SELECT provider, micros, requests, is_settled FROM provider_cost "
        "WHERE asset_id = :id ORDER BY reserved_at"
    )
    with stack.database.begin() as connection:
        rows = connection.execute(query, {"id": find_asset_id(stack, film)})
        return [(row.provider, row.micros, row.requests, row.is_settled) for row in rows]


def read_report(job: Job) -> tuple[bool, int]:
    """Return whether the findings were known before, and how many there are."""
    assert job.result is not None
    assert job.result["gap"] == ""
    return job.result["reused"], job.result["count"]


def fail_of(job: Job) -> Failure:
    assert job.state is JobState.FAILED
    assert job.failure is not None
    return job.failure


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


class Gate:
    """A fault that lets a request in, does what the service does, and never replies."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self.is_reached, self.is_open = threading.Event(), threading.Event()
        self._work = work

    def __call__(self, exchange: Any) -> None:
        self._work(exchange)
        self.is_reached.set()
        self.is_open.wait(PATIENCE_SECONDS)
        exchange.close_connection = True


def start_without_reply(exchange: Exchange) -> None:
    server = exchange.server
    token = "".join(request["ClientRequestToken"] for _, request in server.seen[-1:])
    sent: list[object] = []
    quiet = type("Quiet", (), {"succeed": lambda _self, *reply: sent.append(reply)})()
    server.reply(quiet, "StartLabelDetection", server.seen[-1][1])
    assert token in server.jobs
    assert sent


def test_worker_killed_while_it_starts_a_job_starts_no_second_one(
    services: Services, film: Path
) -> None:
    gate = Gate(start_without_reply)
    services.rekognition.script.faults["StartLabelDetection"] = [gate]
    first = services.restart_worker()
    try:
        job = submit(services.stack, "analyze_with_rekognition", film, features=["labels"])
        assert gate.is_reached.wait(PATIENCE_SECONDS)
    finally:
        first.kill()
        gate.is_open.set()
    second = services.restart_worker()
    try:
        assert finish(services.stack, job).state is JobState.COMPLETED
    finally:
        stop_service(second.process)
    assert services.rekognition.count("StartLabelDetection") == 2
    assert len(services.rekognition.jobs) == 1
    assert [row[3] for row in read_costs(services.stack, film)] == [True]
    assert services.s3.uploads == 1
    assert services.s3.objects == {}


def test_worker_killed_between_two_questions_does_not_start_again(
    services: Services, film: Path
) -> None:
    gate = Gate(lambda _exchange: None)
    services.rekognition.script.faults["GetLabelDetection"] = [gate]
    first = services.restart_worker()
    try:
        job = submit(services.stack, "analyze_with_rekognition", film, features=["labels"])
        assert gate.is_reached.wait(PATIENCE_SECONDS)
    finally:
        first.kill()
        gate.is_open.set()
    second = services.restart_worker()
    try:
        assert finish(services.stack, job).state is JobState.COMPLETED
    finally:
        stop_service(second.process)
    assert services.rekognition.count("StartLabelDetection") == 1


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
