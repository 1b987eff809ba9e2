"""Reports about a child's exit, to people and to the supervisor, and rotation of its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.errors import DatabaseNewer
from cinemill.local.supervisor.exit_report import read_exit_report, write_exit_report
from cinemill.local.supervisor.logs import open_log, read_tail, rotate_logs
from cinemill.local.supervisor.reaper import read_children
from cinemill.local.supervisor.status import describe_exit


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL"), (-99, "signal 99")],
)
def test_exit_codes_are_described_in_words(code: int, words: str) -> None:
    assert words in describe_exit(code)


def test_exit_report_round_trips() -> None:
    problem = DatabaseNewer("Schema « 99 » is unknown here.")
    report = read_exit_report("noise\n" + write_exit_report(problem))
    assert report is not None
    assert (report.code, report.message, report.hint) == (
        "database_newer",
        problem.message,
        problem.hint,
    )


@given(st.one_of(st.text(), st.sampled_from(["[]", "{}", "3", '{"cinemill_error": 1}', ""])))
def test_other_output_is_not_an_exit_report(output: str) -> None:
    assert read_exit_report(output) is None


def test_reaper_tracks_children_that_have_not_ended() -> None:
    lines = ["+ 10 9 5.0\n", "+ 11 2 10\n", "- 10\n", "+ 12 9 1\n", "- 77\n"]
    assert read_children(lines) == {11: (2, 10.0), 12: (9, 1.0)}


def test_full_log_is_copied_and_truncated_in_place(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    with open_log(path) as log:
        for number in range(4):
            log.write(f"{number}".encode() * 100)
            log.flush()
            assert rotate_logs(tmp_path, file_bytes=50, kept=2) == 1
        log.write(b"the same file goes on")
    assert path.read_text() == "the same file goes on"
    assert (tmp_path / "api.log.1").read_text() == "3" * 100
    assert (tmp_path / "api.log.2").read_text() == "2" * 100
    assert not (tmp_path / "api.log.3").exists()


def test_small_logs_are_not_rotated(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text("short")
    assert rotate_logs(tmp_path, file_bytes=50) == 0
    assert read_tail(tmp_path / "api.log") == "short"


def test_log_tail_finds_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_text("".join(f"line {number} é\n" for number in range(10_000)))
    assert read_tail(path, lines=2) == "line 9998 é\nline 9999 é"
    assert read_tail(tmp_path / "none.log") == ""
