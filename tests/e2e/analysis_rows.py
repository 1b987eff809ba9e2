"""Analyses of a real video with findings that a test chooses, in a running server's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text
from tests.integration.storage.rows import FAILURE, make_job, make_step

from cinemill.core.job import DEFAULT_OWNER, ClaimedRun, RunState
from cinemill.storage.analyses.analyses import create_analysis
from cinemill.storage.analyses.records import Box, FrameScore, Metrics, Result, SuspiciousRegion
from cinemill.storage.analyses.results import Findings, save_findings
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims, new_jobs, runs

BOX = Box(160, 90, 160, 180)
SCORES = (0.21, 0.34, 0.93, 0.97, 0.95, 0.4)
STEP_MS = 500
REGION = SuspiciousRegion(1000, 2500, 0.97, BOX, face_number=1)


def make_findings(verdict: str = "likely_manipulated", score: float | None = 0.91) -> Findings:
    """Return findings of a video of 640 × 360: a face each half second, and one frame without."""
    scores: Sequence[float | None] = SCORES if score is not None else [None] * len(SCORES)
    why_not = "" if score is not None else "not_calibrated"
    has_faces = verdict not in {"no_face", "no_model"}
    faces = [
        FrameScore(at * STEP_MS, at, one, why_not, 1, BOX._replace(left=BOX.left + 20 * at))
        for at, one in enumerate(scores)
    ]
    without = FrameScore(2900, 99, None, "no_face")
    return Findings(
        Result(verdict, score, ("score_high",), int(has_faces), {"ensemble": "a" * 64}, {
            "reasons": [{"code": "score_high", "sentence": "The score is higher than nearly all."}],
            "sentences": [f"The band of {verdict}.", "The score is higher than nearly all."],
            "tracks": [_describe_track(verdict, score)] if has_faces else [],
            "members": [{"name": "clip", "weight": 0.4, "is_missing": False, "grade": "trained"}],
            "calibration": {"data": "Made up", "flag_score": 0.8, "clear_score": 0.3},
            "faces": {"frames": 7, "frames_without_face": 1, "usable": 6, "excluded": {}},
        }),
        (*faces, without) if has_faces else (without,),
        (REGION,) if verdict == "likely_manipulated" else (),
        Metrics(4.2, {"analyze": 4.2}, 7, cache_hit=False, confidence=score, device="cpu"),
    )  # fmt: skip


def _describe_track(verdict: str, score: float | None) -> Mapping[str, Any]:
    return {
        "number": 1,
        "start_ms": 0,
        "end_ms": 2500,
        "band": verdict,
        "score": score,
        "faces": [{}] * len(SCORES),
    }


def add_analysis(database: Database, asset_id: str, findings: Findings) -> str:
    """Store a completed analysis of the video and return its id."""
    with database.begin() as connection:
        run = _start(connection, asset_id)
        is_open = findings.result.verdict in {"likely_manipulated", "inconclusive"}
        save_findings(connection, run.job_id, "key", findings, needs_review=is_open)
        job = runs.lock_job_of_claim(connection, run)
        runs.commit_success(connection, run, job, {})
    return run.job_id


def add_failed_analysis(database: Database, asset_id: str) -> str:
    """Store a failed analysis of the video and return its id."""
    with database.begin() as connection:
        run = _start(connection, asset_id)
        runs.mark_dead(connection, run, RunState.FAILED, FAILURE)
    return run.job_id


def _start(connection: Connection, asset_id: str) -> ClaimedRun:
    """Start a job's run; if it ends in this transaction, no worker of the server sees it."""
    values = {"kind": "detect_video", "owner": DEFAULT_OWNER, "asset_id": asset_id}
    job = new_jobs.insert_job(connection, make_job(**values), (make_step(),))[0]
    create_analysis(connection, job.id)
    query = text("SELECT run.id FROM run JOIN step ON step.id = step_id WHERE run.job_id = :id")
    run_id = connection.execute(query, {"id": job.id}).scalar_one()
    run = claims.claim(
        connection, str(run_id), token=uuid4().hex, worker="test:1", lease_seconds=60
    )
    assert run is not None
    return run
