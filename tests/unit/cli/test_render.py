"""Timeline files, whose relative paths start from their own folder."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conftest import Exchange

from cinemill.cli.commands.render import TimelineUnreadable, anchor_paths, read_timeline
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.input_files import FileUnusable

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

FOLDER = Path("/films/edit")


def test_timeline_paths_are_resolved_against_its_folder() -> None:
    document = {
        "scenes": [{"video_path": "a.mp4"}, {"video_path": "/elsewhere/b.mp4"}],
        "clips": [{"path": "../c.mp4", "asset_id": "a.mp4"}],
        "subtitles": "words.srt",
        "output": {"width": 2},
    }
    assert anchor_paths(document, FOLDER) == {
        "scenes": [{"video_path": "/films/edit/a.mp4"}, {"video_path": "/elsewhere/b.mp4"}],
        "clips": [{"path": "/films/edit/../c.mp4", "asset_id": "a.mp4"}],
        "subtitles": "/films/edit/words.srt",
        "output": {"width": 2},
    }


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000])
def test_timeline_that_is_not_json_is_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edit.json"
    path.write_text(text)
    with pytest.raises(TimelineUnreadable, match="is not JSON"):
        read_timeline(path)


def test_timeline_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        read_timeline(tmp_path / "none.json")


MISSING = {"code": "source_not_found", "message": "There is no none.mp4.", "hint": "Check paths."}
DELETED = {"error": {"code": "job_not_found", "message": "This render was deleted.", "hint": ""}}


@pytest.mark.parametrize(
    ("retryable", "others", "code"),
    [
        (None, [], ExitCode.OK),
        (False, [], ExitCode.REJECTED),
        (True, [], ExitCode.JOB_FAILED),
        (False, [DELETED], ExitCode.JOB_FAILED),
    ],
)
def test_batch_ends_as_a_render_that_fails_for_the_same_reason(
    cinemill: Run,
    fake_server: LittleServer,
    tmp_path: Path,
    retryable: bool | None,
    others: list[Any],
    code: ExitCode,
) -> None:
    failed = {"id": "j2", "status": "failed", "error": {**MISSING, "retryable": retryable}}
    results = [{"job_id": "j1", "output_path": "/renders/a.mp4"}, *others]
    if retryable is not None:
        results.append({"job_id": "j2", "error": MISSING})
    job = {"id": "j0", "status": "completed", "result": {"results": results}}
    for request, document in {
        "POST /api/v1/jobs": {"id": "j0", "status": "pending"},
        "GET /api/v1/jobs/j0": job,
        "GET /api/v1/jobs/j2": failed,
    }.items():
        fake_server.on(request, partial(Exchange.send_json, document=document))
    done = json.dumps({"status": "completed", "progress": 100, "message": "Done"})
    fake_server.on(
        "GET /api/v1/jobs/j0/events", lambda x: x.send_events(f"id: 1\ndata: {done}\n\n")
    )
    (tmp_path / "batch.json").write_text("[]")
    shown = cinemill("batch", tmp_path / "batch.json")
    assert shown.exit_code == code, shown.output
    assert "0: /renders/a.mp4" in shown.stderr
    if retryable is not None:
        assert f"{len(results) - 1}: source_not_found: There is no none.mp4." in shown.stderr
        assert "→ Check paths." in shown.stderr
    as_json = cinemill("batch", tmp_path / "batch.json", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (code, results)
