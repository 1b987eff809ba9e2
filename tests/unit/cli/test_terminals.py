"""Texts and tables in narrow and wide terminals, without colours, and where nothing can move."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cinemill.cli.console import console, make_table, shorten_to_fit
from cinemill.cli.main import app
from cinemill.cli.terminal.wrapping import measure, wrap

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

PATH = "/films/2026/a-very-long-folder-name/and-another-one/film-1080p-h264.mp4"
JOB = {"id": "397dee33-f172-456c-8304-5e331e980c57", "kind": "orchestrate_video_ingestion"}


def walk(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    return [path, *(one for name, each in inner.items() for one in walk(each, (*path, name)))]


@pytest.mark.parametrize("path", walk(typer.main.get_command(app)), ids=" ".join)
@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_fits_and_breaks_no_word(
    cinemill: Run, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    whole = cinemill(*path, "--help").stdout
    monkeypatch.setenv("COLUMNS", columns)
    shown = cinemill(*path, "--help").stdout
    # A short line about a command may be cut, with dots; nothing else is missing or broken.
    known = set(whole.split())
    broken = [one for one in shown.split() if one not in known and not one.endswith("...")]
    assert broken == []
    for line in shown.splitlines():
        assert measure(line) <= int(columns) or len(line.split()) == 1, line


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
def test_table_breaks_no_word(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    table = make_table("!Job", "Video", "!Kind", "!>Done", "Reason")
    reason = f"It cannot be read: {PATH} is a folder, and folders are given to another command."
    for number in range(2):
        name = shorten_to_fit(f"a video with quite a long name {number}.mp4")
        table.add_row("397dee33", name, "orchestrate_video_ingestion", "100%", reason)
    console().print(table)
    shown = capsys.readouterr().out
    for word in ("397dee33", "orchestrate_video_ingestion", "100%", PATH, "folders", "command."):
        assert shown.split().count(word) == 2, shown
    for line in shown.splitlines():
        assert measure(line.rstrip()) <= int(columns) or len(line.split()) == 1, line
    assert ("Kind: " in shown) is (int(columns) < 100)


@pytest.mark.parametrize("columns", ["40", "200"])
def test_commands_are_readable(
    fake_server: LittleServer, cinemill: Run, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    error = {"code": "media_truncated", "message": "The file is truncated.", "hint": "Send it."}
    job = {**JOB, "status": "failed", "progress": 40.0, "filename": "f.mp4", "error": error}
    step = {"id": JOB["id"], "job_id": JOB["id"], "step_name": "probe", "error": error}
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [job]}))
    fake_server.on(f"GET /api/v1/jobs/{JOB['id']}/status", lambda x: x.send_json(job))
    fake_server.on("GET /api/v1/dead", lambda x: x.send_json({"dead": [step]}))
    fake_server.on("GET /api/v1/dead/messages", lambda x: x.send_json({"messages": []}))
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (["jobs"], ["status", JOB["id"]], ["dead", "list"]):
        result = cinemill(*arguments)
        assert result.exit_code == 0, result.output
        for line in result.output.splitlines():
            assert measure(line.rstrip()) <= int(columns) or len(line.split()) <= 2, line
        assert "397dee33" in result.stdout


@pytest.mark.parametrize(
    ("text", "width", "wrapped"),
    [
        ("one two three", 7, "one two\nthree"),
        ("one", 2, "one"),
        ("a /very/long/path b", 5, "a\n/very/long/path\nb"),
        ("  in an indent", 9, "  in an\n  indent"),
        ("first\n\nsecond line", 8, "first\n\nsecond\nline"),
        ("漢字 漢字", 6, "漢字\n漢字"),
        ("e\u0301e\u0301 e\u0301e\u0301", 5, "e\u0301e\u0301 e\u0301e\u0301"),
        ("\x1b[31mred\x1b[0m two", 7, "\x1b[31mred\x1b[0m two"),
        ("as it is", None, "as it is"),
    ],
)
def test_lines_break_between_words(text: str, width: int | None, wrapped: str) -> None:
    assert wrap(text, width) == wrapped


def run_in_terminal(arguments: list[str], home: Path, **environ: str) -> str:
    """Return what a command prints in a terminal of 40 columns, on stdout and stderr together."""
    master, slave = pty.openpty()
    script = str(Path(sys.executable).with_name("cinemill"))
    base = {k: v for k, v in os.environ.items() if k.startswith(("PATH", "LANG", "PYTHON"))}
    process = subprocess.Popen(
        [script, *arguments],
        env={
            **base,
            "CINEMILL_HOME": str(home),
            "COLUMNS": "40",
            "TERM": "xterm-256color",
            **environ,
        },
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # the other end is closed
                break
    process.wait(30)
    os.close(master)
    return shown.decode()


def test_terminal_shows_colours(tmp_path: Path) -> None:
    shown = run_in_terminal(["jobs"], tmp_path)
    assert "\x1b[1;31mmill_not_running\x1b[0m: " in shown


@pytest.mark.parametrize(
    "environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "unknown"}], ids=str
)
def test_no_colours_where_they_are_not_wanted(tmp_path: Path, environ: dict[str, str]) -> None:
    for arguments in (["jobs"], ["config"], ["--help"], ["doctor"]):
        assert "\x1b" not in run_in_terminal(arguments, tmp_path, **environ)


def test_message_is_wrapped_in_a_terminal_only(tmp_path: Path) -> None:
    shown = run_in_terminal(["logs"], tmp_path, NO_COLOR="1")
    assert max(len(line.rstrip()) for line in shown.splitlines() if " " in line) <= 40
    assert "is no log of any service in" in " ".join(shown.split())
