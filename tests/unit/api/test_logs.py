"""Lines of log files as the API returns them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.api.models.operations import LogPage
from cinemill.api.routes.logs import read_lines


@pytest.mark.parametrize(
    "line",
    [
        '{"event": ' + "[" * 300 + "]" * 300 + "}",
        '{"event": "\\ud800"}',
        "[" * 100_000,
        "no JSON",
        "[1]",
    ],
)
def test_log_line_that_cannot_be_sent_as_json_is_sent_as_text(tmp_path: Path, line: str) -> None:
    (tmp_path / "api.log").write_text(f"{line}\n")
    entries = [one.entry for one in read_lines(tmp_path, service=None, level=None)]
    assert entries == [{"event": line, "file": "api.log"}]
    assert LogPage(folder="log", lines=entries, next=None).model_dump_json()
