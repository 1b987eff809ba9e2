"""What the evaluations print for programs: the same envelope for all of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport
from cinemill.capabilities.search.evaluation.plan.records import Split
from cinemill.capabilities.search.evaluation.running.chapters import ChapterEvaluation
from cinemill.cli.commands.evaluate import setup

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("command", "found"),
    [("answers", EvaluationReport({})), ("chapters", ChapterEvaluation({}, {}, 3, 40))],
)
def test_figures_are_printed_by_track_and_split(
    cinemill: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    found: EvaluationReport | ChapterEvaluation,
) -> None:
    measured = {setup.TRUE_TRACK: {Split.TUNE: found}}
    monkeypatch.setattr(setup, "open_setup", lambda _folder, **_: SimpleNamespace())
    monkeypatch.setattr(setup, "evaluate_tracks", lambda *_: measured)
    done = cinemill("evaluate", command, tmp_path, "--json")
    assert done.exit_code == 0, done.output
    expected = {"tracks": {setup.TRUE_TRACK: {"tune": found.to_json()}}}
    assert json.loads(done.stdout) == expected
