"""What an ingestion can do without leaves a gap once it has failed for good, and no sooner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.steps.conftest import make_run

from cinemill.errors import CommandFailed
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import Work, leave_gap, leave_gap_at_last
from cinemill.steps.resources import StepResources
from cinemill.storage.findings.gaps import Gap, list_gaps, save_gap
from cinemill.storage.findings.ingestions import list_incomplete
from cinemill.storage.jobs.job_queries import list_steps
from cinemill.storage.media.assets import register_asset

LOG = "[aac @ 0x5] [error] Malformed AAC bitstream detected"


@pytest.fixture
def asset_id(resources: StepResources) -> str:
    with resources.database.begin() as connection:
        asset, _ = register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
    return asset.id


def work(resources: StepResources, context: StepContext) -> StepOutcome:
    raise CommandFailed("FFmpeg failed with exit code 183.", exit_code=183, log_tail=LOG)


@pytest.mark.parametrize("leave", [leave_gap, leave_gap_at_last])
def test_work_that_fails_twice_in_the_same_way_leaves_a_gap_with_its_reason(
    resources: StepResources,
    asset_id: str,
    tmp_path: Path,
    leave: Callable[[Work, str], Work],
) -> None:
    job = resources.service.create_job("process_video", asset_id=asset_id)
    with resources.database.begin() as connection:
        step_id = list_steps(connection, job.id)[0].id

    def run(job_kind: str, *, is_repeated: bool) -> StepOutcome:
        context = StepContext(
            make_run(job_kind, asset_id=asset_id, step_id=step_id),
            tmp_path,
            lambda fraction, message: None,
            lambda: None,
            memory_bytes=1 << 30,
            is_repeated=lambda error: is_repeated,
        )
        return leave(work, "speech")(resources, context)

    ingestion = "orchestrate_video_ingestion"
    for kind, is_repeated in ((ingestion, False), ("generate_captions", True)):
        with pytest.raises(CommandFailed):
            run(kind, is_repeated=is_repeated)
    outcome = run(ingestion, is_repeated=True)
    assert outcome.result["gap"] == "command_failed"
    with resources.database.begin() as connection:
        outcome.write(connection)
        (gap,) = list_gaps(connection, asset_id)
    assert gap.subject == "speech"
    assert "It said: Malformed AAC bitstream detected." in gap.message
    assert "A second attempt ended in the same way." in gap.message


@pytest.mark.parametrize(
    ("subject", "code", "is_listed"),
    [
        ("speech", "model_missing", True),
        ("speech", "media_damaged", False),
        ("sound", "media_no_sound", False),
        ("source", "media_unreadable", False),
    ],
)
def test_gap_that_the_file_itself_leaves_is_no_reason_to_ingest_it_again(
    resources: StepResources, asset_id: str, subject: str, code: str, is_listed: bool
) -> None:
    with resources.database.begin() as connection:
        save_gap(connection, asset_id, Gap(subject, code, "Something is missing."))
        found = list_incomplete(connection, owner="ann", asset_id=asset_id)
    assert found == ([asset_id] if is_listed else [])
