"""A render's timeline as it lies, and how far its pieces are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cinemill.capabilities.render.timeline_view import describe_layout, to_plain_text
from cinemill.core.job import Job, JobState, Step, StepState
from cinemill.errors import NotFound

EDIT = {
    "clips": [
        {
            "path": "/films/a.mp4", "start": 1, "end": 3,
            "transition": {"kind": "wipeleft", "seconds": 0.5},
        },
        {"asset_id": "known", "start": 0, "end": 2},
        {"gap": 1},
    ],
    "output": {"width": 320, "height": 180, "fps": 10},
    "titles": [{"text": "Hello", "to": 1}],
}  # fmt: skip


def make_job(kind: str = "render_video", edit: Any = EDIT) -> Job:
    return Job(
        id="job", kind=kind, owner="local", state=JobState.RUNNING, priority=5, asset_id=None,
        params={"job": edit}, progress=0, stage="", message="", result=None, failure=None,
        cancel_reason=None, cancel_requested=False, celery_task_id="job", worker=None,
        queued_at=datetime.now(UTC), started_at=None, finished_at=None,
    )  # fmt: skip


def make_step(name: str, state: StepState, result: Any = None) -> Step:
    kind = "render_pieces" if name.startswith("render-") else name
    return Step(name, "job", name, kind, "render", state, 0, 0, 1, result, None)


def test_clips_lie_where_the_film_shows_them() -> None:
    layout = describe_layout(make_job(), [])
    assert (layout["seconds"], layout["fps"]) == (4.5, "10")
    shown = [(clip["name"], clip["start"], clip["seconds"]) for clip in layout["clips"]]
    assert shown == [("a.mp4", 0, 2), (None, 1.5, 2), (None, 3.5, 1)]
    assert layout["clips"][0]["transition"] == {"kind": "wipeleft", "seconds": 0.5}
    assert [clip["asset_id"] for clip in layout["clips"]] == [None, "known", None]
    assert [clip["is_gap"] for clip in layout["clips"]] == [False, False, True]
    assert layout["titles"] == [{"text": "Hello", "start": 0, "end": 1}]
    assert {piece["state"] for piece in layout["pieces"]} == {"waiting"}
    assert sum(piece["seconds"] for piece in layout["pieces"]) == 4.5


def test_what_the_steps_found_is_told() -> None:
    cues = [[0, 1500, r"{\i1}Good{\i0}\Nmorning \{x\}", "Default", 0]]
    steps = [
        make_step("gather-000", StepState.SUCCEEDED, {"sources": {"0": {"asset_id": "of-a"}}}),
        make_step("open", StepState.SUCCEEDED, {"subtitles": {"cues": cues}}),
        make_step("render-000", StepState.SUCCEEDED, {"pieces": [{"reused": True}]}),
        make_step("render-001", StepState.SUCCEEDED, {"pieces": [{"reused": False}]}),
        make_step("render-002", StepState.RUNNING),
        make_step("render-003", StepState.DEAD),
    ]
    layout = describe_layout(make_job(), steps)
    assert [clip["asset_id"] for clip in layout["clips"]] == ["of-a", "known", None]
    assert layout["subtitles"] == [{"start": 0, "end": 1.5, "text": "Good morning {x}"}]
    states = [piece["state"] for piece in layout["pieces"]]
    assert states == ["reused", "done", "working", "failed"]


def test_a_text_is_told_without_its_looks() -> None:
    assert to_plain_text("{\\an8}a\\Nb \\\u2060N \\{c\\}") == "a b \\N {c}"


@pytest.mark.parametrize("text", ["{", "{a", "\\{", "{}{", "}{", "{{a"])
def test_the_longest_text_is_told_in_one_walk(text: str) -> None:
    """A walk that is begun anew at each brace would take hours."""
    assert to_plain_text(text * 500_000).endswith(text.replace("\\", "").replace("{}", ""))


def test_only_a_render_has_a_timeline() -> None:
    with pytest.raises(NotFound) as refused:
        describe_layout(make_job("caption", None), [])
    assert refused.value.code == "timeline_not_found"
