"""Timeline files, whose relative paths start from their own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.cli.commands.render import TimelineUnreadable, anchor_paths, read_timeline
from cinemill.cli.input_files import FileUnusable

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
