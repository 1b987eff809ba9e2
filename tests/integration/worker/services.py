"""Doubles of Rekognition, S3 and a NIM, and an instance that is set up for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests import films
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.rekognition_double import KEY, RekognitionDouble, Script, run_double
from tests.s3_double import S3Double, run_s3
from tests.vision_server import VisionDouble, run_vision
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.job import DEFAULT_OWNER, Failure, Job, JobState
from cinemill.steps.ingestion.finding_work import list_active

Results = dict[tuple[str, str | None], list[dict[str, Any]]]
WIDTHS = count()
PERSON = {"Name": "Person", "Confidence": 99.0, "Instances": [], "Parents": [], "Categories": []}
LABELS: Results = {
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

    def clear(self) -> None:
        """Remove from the doubles what an earlier test has left."""
        self.rekognition.script = Script(results=dict(LABELS))
        self.rekognition.seen.clear()
        self.rekognition.jobs.clear()
        self.s3.objects.clear()
        self.s3.sizes.clear()
        self.s3.seen.clear()
        self.s3.refusal = None
        self.s3.keeps_all = False
        self.vision.answers.clear()
        self.vision.asked.clear()
        self.vision.polls = 0


@contextmanager
def run_services(database_url: str, settings: Mapping[str, str]) -> Iterator[Services]:
    """Run the doubles, and beat on an instance that is set up for them; workers are to be added."""
    with ExitStack() as undo:
        rekognition = undo.enter_context(run_double())
        s3, vision = undo.enter_context(run_s3()), undo.enter_context(run_vision())
        ours = {
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
            "REKOGNITION_BUCKET": "films",
            "NVIDIA_BASE_URL": vision.url,
            "NVIDIA_ASSETS_URL": vision.url,
            "NVIDIA_REQUEST_DOLLARS": "0.01",
            "PROVIDER_DOLLARS_PER_VIDEO": "1",
            **settings,
        }
        stack = undo.enter_context(open_stack(database_url, ours))
        undo.callback(stop_service, start_service("cinemill.worker.beat", stack))
        yield Services(stack, rekognition, s3, vision)


def make_own_film(folder: Path, name: str) -> Path:
    """Return a video of two seconds whose bytes no other test has."""
    size = (320 + 2 * next(WIDTHS), 180)
    return films.make_film(folder / f"{name}.mp4", seconds=2, size=size, filters="hue=h=30")


def submit(stack: Stack, kind: str, film: Path, **params: Any) -> Job:
    return stack.service.create_job(kind, owner=DEFAULT_OWNER, params={"path": str(film), **params})


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


def read_failures(stack: Stack, job_id: str) -> list[str]:
    """Return the codes with which attempts failed, in order."""
    query = text(
        "SELECT failure ->> 'code' AS code FROM run WHERE job_id = :id AND state = 'failed' "
        "ORDER BY ended_at"
    )
    with stack.database.begin() as connection:
        return [row.code for row in connection.execute(query, {"id": job_id})]


def read_states(stack: Stack, job_id: str, kind: str) -> list[str]:
    """Return how the attempts at a kind of step ended, in order."""
    query = text("SELECT state FROM run WHERE job_id = :id AND kind = :kind ORDER BY attempt")
    with stack.database.begin() as connection:
        return [row.state for row in connection.execute(query, {"id": job_id, "kind": kind})]


def read_report(job: Job) -> tuple[bool, int]:
    """Return whether the findings were known before, and how many there are."""
    assert job.result is not None
    assert job.result["gap"] == ""
    return job.result["reused"], job.result["count"]


def fail_of(job: Job) -> Failure:
    assert job.state is JobState.FAILED
    assert job.failure is not None
    return job.failure
