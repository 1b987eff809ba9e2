"""Analyses with findings, for the specifications of their rows."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from tests.integration.storage import rows

from cinemill.core.job import Job
from cinemill.storage.analyses import analyses
from cinemill.storage.analyses.records import (
    Analysis,
    Box,
    FrameScore,
    Metrics,
    Result,
    SuspiciousRegion,
)
from cinemill.storage.analyses.results import Findings, save_findings
from cinemill.storage.database import Database
from cinemill.storage.media import assets

KEY = "key-of-the-work"
FRAMES = (
    FrameScore(0, 1024, None, exclusion="no_face"),
    FrameScore(
        40, 2048, 0.12345678901234, "", 1, Box(10.5, 20, 64.25, 80), {"clip": 0.1, "resnet50": 0.2}
    ),
    FrameScore(40, 2048, None, "too_small", 2, Box(200, 20, 18, 20)),
    FrameScore(3_600_000, 92_160_000, 1.0, face_number=1, box=Box(0, 0, 1, 1)),
)
REGION = SuspiciousRegion(40, 1040, 0.875, Box(10, 20, 70, 90), 1, {"map": [[0.5, 0.25]]})
FINDINGS = Findings(
    Result(
        verdict="likely_manipulated",
        score=0.875,
        reasons=("members_disagree",),
        face_count=2,
        versions={"clip": "abc"},
        report={"sentence": "Grüße"},
    ),
    FRAMES,
    (REGION, replace(REGION, start_ms=2000, end_ms=2001, evidence=None)),
    Metrics(2.5, {"decode": 0.5, "inference": 1.75}, 3, cache_hit=False, confidence=0.75),
)


def register(database: Database, owner: str = "ann") -> str:
    with database.begin() as connection:
        return assets.register_asset(
            connection, owner=owner, sha256=uuid4().hex, size_bytes=7, filename="film.mp4"
        )[0].id


def begin(database: Database, *, owner: str = "ann", asset_id: str | None = None) -> Job:
    """Accept a job of an asset, with its analysis."""
    job = rows.accept(database, owner=owner, asset_id=asset_id or register(database, owner))
    create(database, job)
    return job


def create(database: Database, job: Job) -> None:
    with database.begin() as connection:
        analyses.create_analysis(connection, job.id)


def complete(
    database: Database,
    job: Job,
    findings: Findings = FINDINGS,
    *,
    needs_review: bool = False,
    ttl_seconds: float | None = None,
) -> None:
    """Store what the job's analysis found, and end the job."""
    run = rows.start(database, job)
    save(database, job, findings, needs_review=needs_review, ttl_seconds=ttl_seconds)
    rows.succeed(database, run)


def save(
    database: Database,
    job: Job,
    findings: Findings = FINDINGS,
    *,
    needs_review: bool = False,
    ttl_seconds: float | None = None,
) -> None:
    with database.begin() as connection:
        save_findings(
            connection,
            job.id,
            KEY,
            findings,
            needs_review=needs_review,
            ttl_seconds=ttl_seconds,
        )


def get(database: Database, job: Job) -> Analysis:
    with database.begin() as connection:
        return analyses.get_analysis(connection, job.id)


def count(database: Database, table: str) -> int:
    with database.begin() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
