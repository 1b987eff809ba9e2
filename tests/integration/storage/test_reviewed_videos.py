"""Decisions of people, as calibration gets them from the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.storage.analysis_rows import begin, complete, get

from cinemill.capabilities.detection.runs.video_lists import VideoChoice
from cinemill.cli.commands.detect.training_setup import list_calibration_videos
from cinemill.storage.analyses import reviews
from cinemill.storage.database import Database
from cinemill.storage.media.assets import get_asset

REVIEWER, REASON = "Eve Example", "The mouth does not match the sound."


def test_reviewed_videos_are_calibrated_with_by_the_last_decision(
    database: Database, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CINEMILL_HOME", str(tmp_path))
    accepted, overridden, undecided, unseen = (begin(database) for _ in range(4))
    for job in (accepted, overridden, undecided, unseen):
        complete(database, job, needs_review=True)
    with database.begin() as connection:
        reviews.accept_verdict(connection, accepted.id, reviewer=REVIEWER, reason=REASON)
        reviews.accept_verdict(connection, overridden.id, reviewer=REVIEWER, reason=REASON)
        reviews.override_verdict(
            connection, overridden.id, "no_manipulation_found", reviewer=REVIEWER, reason=REASON
        )
        reviews.override_verdict(
            connection, undecided.id, "inconclusive", reviewer=REVIEWER, reason=REASON
        )

    records = list_calibration_videos(VideoChoice(), reviews=True).records

    hashes = {
        job.id: get_asset(database, str(get(database, job).asset_id)).sha256
        for job in (accepted, overridden)
    }
    truths = {record.key.name: record.is_fake for record in records}
    assert truths == {hashes[accepted.id]: True, hashes[overridden.id]: False}
    assert len({record.identity for record in records}) == 2
    assert all(record.path.is_relative_to(tmp_path / "objects") for record in records)
    assert get(database, overridden).verdict == "likely_manipulated", "the model's own verdict"
