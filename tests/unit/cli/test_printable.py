"""What others wrote reaches terminals without control characters, and programs as JSON."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.unit.conftest import Exchange

from cinemill.cli.console import print_error, print_json, print_warning, stderr
from cinemill.cli.terminal import screen
from cinemill.cli.terminal.printable import escape, escape_around_colors
from cinemill.errors import InputRejected

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

HOSTILE = "\x1b[2J\x1b]0;x\x07\x9b31m\x7f\r"
ESCAPED = r"\x1b[2J\x1b]0;x\x07\x9b31m\x7f\x0d"
JOB = "397dee33-f172-456c-8304-5e331e980c57"
VIDEO = {"id": JOB, "filename": f"film{HOSTILE}.mp4", "size_bytes": 1}


def assert_harmless(shown: str) -> None:
    assert not set(shown) - {"\n", "\t"} & {chr(one) for one in (*range(32), *range(127, 160))}


@pytest.mark.parametrize(
    "arguments",
    [("status", JOB), ("jobs",), ("assets",), ("assets", "show", JOB), ("rm", JOB), ("rm", "none")],
    ids=" ".join,
)
def test_what_the_server_says_is_printed_without_control_characters(
    cinemill: Run, fake_server: LittleServer, arguments: tuple[str, ...]
) -> None:
    job = {
        "id": JOB,
        "kind": "caption",
        "status": "cancelled",
        "cancel_reason": HOSTILE,
        "message": HOSTILE,
        "error": {"code": "x", "message": HOSTILE, "hint": HOSTILE, "log_tail": HOSTILE},
    }
    for path, document in {
        "assets": {"assets": [VIDEO]},
        f"assets/{JOB}": VIDEO,
        "jobs": {"jobs": [job]},
        f"jobs/{JOB}": job,
        f"jobs/{JOB}/status": job,
        f"jobs/{JOB}/steps": {"steps": [{"name": HOSTILE, "state": HOSTILE, "failure": job}]},
    }.items():
        fake_server.on(f"GET /api/v1/{path}", partial(Exchange.send_json, document=document))
    shown = cinemill(*arguments)
    assert_harmless(shown.output)
    assert shown.exit_code in (0, 2), shown.output


def test_logs_and_names_of_files_are_printed_without_control_characters(
    cinemill: Run, home: Path, tmp_path: Path
) -> None:
    log = home / "log"
    log.mkdir(parents=True)
    (log / "worker.out").write_bytes(f"2026-11-30T20:33:34Z {HOSTILE[:-1]}|\n".encode())
    for arguments in (("logs",), ("logs", "worker"), ("logs", "--json")):
        assert_harmless(cinemill(*arguments).stdout)
    assert ESCAPED[:-4] in cinemill("logs", "worker").stdout
    refused = cinemill("batch", tmp_path / f"{HOSTILE}.json")
    assert r"\x1b[2J" in refused.stderr
    assert_harmless(refused.output)


def test_own_colors_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "has_colors", lambda stream: True)
    painted = screen.paint("warning", "yellow")
    assert escape_around_colors(f"{painted}: {HOSTILE}") == f"{painted}: {ESCAPED}"
    assert escape("a\tb\nc é 🎬") == "a\tb\nc é 🎬"


def test_tables_and_bars_are_escaped_whoever_makes_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rich.text import Text

    stderr().print(Text(HOSTILE))
    assert_harmless(capsys.readouterr().err)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_json_is_json_on_every_stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "🎬 é\u20ac\x9b\x1b"
    written = {}
    for stream in ("stdout", "stderr"):
        written[stream] = io.BytesIO()
        text = io.TextIOWrapper(written[stream], encoding, errors="backslashreplace")
        monkeypatch.setattr(sys, stream, text)
    print_json({"name": name})
    print_error(InputRejected(name), as_json=True)
    print_warning(name, as_json=True)
    sys.stdout.flush()
    sys.stderr.flush()
    assert json.loads(written["stdout"].getvalue()) == {"name": name}
    error, warning = map(json.loads, written["stderr"].getvalue().splitlines())
    assert (error["error"]["message"], warning["warning"]["message"]) == (name, name)
    assert ("🎬".encode() in written["stdout"].getvalue()) == (encoding == "utf-8")
