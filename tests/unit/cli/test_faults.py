"""The same fault has the same code, hint and exit code in each command, as text and as JSON."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.main import app

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

UUID = "397dee33-f172-456c-8304-5e331e980c57"
SERVED: dict[str, Sequence[str]] = {
    "jobs": ["jobs"],
    "jobs of a kind": ["jobs", "--kind", "process_video"],
    "status": ["status"],
    "status of a job": ["status", UUID],
    "watch": ["watch", UUID],
    "cancel": ["cancel", UUID],
    "retry": ["retry", UUID, "--yes"],
    "retry --failed": ["retry", "--failed", "--yes"],
    "dead list": ["dead", "list"],
    "dead redrive": ["dead", "redrive", UUID, "--yes"],
    "dead drop": ["dead", "drop", UUID],
    "rm": ["rm", UUID, "--yes"],
    "assets": ["assets"],
    "assets show": ["assets", "show", UUID],
    "submit": ["submit", __file__],
    "process": ["process", __file__],
    "transcode": ["transcode", __file__],
    "ladder": ["ladder", __file__],
    "preview": ["preview", __file__],
    "caption": ["caption", __file__],
    "ingest": ["ingest", __file__],
    "detect": ["detect", __file__],
    "render": ["render", "TIMELINE"],
    "batch": ["batch", "TIMELINES"],
    "search": ["search", "roses"],
    "search like": ["search", "--like", f"{UUID}@1"],
    "ask": ["ask", "Who?"],
    "graph": ["graph", "Oslo"],
    "chapters": ["chapters", UUID],
    "scenes": ["scenes", UUID],
    "detect review": ["detect", "review"],
    "detect review show": ["detect", "review", "show", UUID],
    "index rebuild": ["index", "rebuild"],
}
"""A call of each command that speaks to a server."""
OF_FILES = ("submit", "process", "transcode", "ladder", "preview", "caption", "ingest", "detect")
WITHOUT_JSON = {"up", "worker", "beat", "flower", "mcp"}


def find_commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if not inner:
        return [path]
    return [one for name, each in inner.items() for one in find_commands(each, (*path, name))]


COMMANDS = find_commands(typer.main.get_command(app))


@pytest.fixture
def call(cinemill: Run, tmp_path: Path) -> Run:
    """Return a function that calls a command of the table, with ``more`` arguments."""
    (tmp_path / "one.json").write_text("{}")
    (tmp_path / "many.json").write_text("[]")
    files = {"TIMELINE": tmp_path / "one.json", "TIMELINES": tmp_path / "many.json"}

    def run(name: str, *more: str) -> Any:
        return cinemill(*(files.get(word, word) for word in SERVED[name]), *more)

    return run


def read_error(stderr: str) -> dict[str, Any]:
    """Return the only error among lines of JSON."""
    (line,) = [line for line in stderr.splitlines() if line.startswith('{"error"')]
    return dict(json.loads(line)["error"])


def check_text(stderr: str, code: str) -> None:
    """An error is a line with its code, and one with what to do."""
    assert re.search(rf"^(\S+: )?{code}: \S.*[.?!]$", stderr, re.MULTILINE), stderr
    assert re.search(r"^→ \S", stderr, re.MULTILINE), stderr
    assert "Traceback" not in stderr
    assert "Error:" not in stderr
    assert "Usage:" not in stderr


@pytest.fixture
def dead_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an address at which nothing listens, which CINEMILL_URL names."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("CINEMILL_URL", address)
    return address


@pytest.mark.parametrize("name", SERVED)
class TestServers:
    def test_dead_server(self, call: Run, dead_address: str, name: str) -> None:
        if name == "watch":
            pytest.skip("waits for two minutes for the server to come back")
        result = call(name)
        assert result.exit_code == ExitCode.UNAVAILABLE, result.output
        check_text(result.stderr, "mill_unreachable")
        as_json = call(name, "--json")
        assert as_json.exit_code == ExitCode.UNAVAILABLE
        shown = as_json.stderr if '"error"' in as_json.stderr else f"{as_json.stdout}"
        assert "mill_unreachable" in shown

    def test_wrong_token(
        self, call: Run, fake_server: LittleServer, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._refuse_all(fake_server, monkeypatch, 401, "unauthorized")
        result = call(name)
        assert result.exit_code == ExitCode.USAGE, result.output
        check_text(result.stderr, "unauthorized")

    def test_busy_server(
        self, call: Run, fake_server: LittleServer, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if name == "watch":
            pytest.skip("waits for two minutes for the server to come back")
        self._refuse_all(fake_server, monkeypatch, 503, "database_unavailable")
        result = call(name)
        assert result.exit_code == ExitCode.UNAVAILABLE, result.output
        check_text(result.stderr, "database_unavailable")

    def test_unknown_id(
        self, call: Run, fake_server: LittleServer, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if UUID not in str(SERVED[name]):
            pytest.skip("names no id")
        self._refuse_all(fake_server, monkeypatch, 404, "not_found")
        result = call(name)
        assert result.exit_code == ExitCode.USAGE, result.output
        check_text(result.stderr, "(not_found|asset_not_found)")

    @staticmethod
    def _refuse_all(
        server: LittleServer, monkeypatch: pytest.MonkeyPatch, status: int, code: str
    ) -> None:
        problem = {"code": code, "detail": "It is not so.", "hint": "Do this."}

        class Answers(dict[str, Any]):
            def __missing__(self, request: str) -> Any:
                return [lambda exchange: exchange.send_json(problem, status)]

        monkeypatch.setattr(server, "answers", Answers())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
class TestUsage:
    """Faults that every command has, whether it speaks to a server or not."""

    def test_unknown_option(self, cinemill: Run, path: tuple[str, ...]) -> None:
        result = cinemill(*path, "--helpp")
        assert result.exit_code == ExitCode.USAGE
        check_text(result.stderr, "option_unknown")
        assert "Did you mean --help?" in result.stderr
        assert read_error(cinemill(*path, "--helpp", "--json").stderr)["code"] == "option_unknown"

    def test_invalid_settings_where_they_are_read(
        self, cinemill: Run, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMILL_PORT", "x")
        calls = {
            "config": ["config"],
            "worker": ["worker"],
            "beat": ["beat"],
            "up": ["up"],
            "doctor": ["doctor"],
            "verify": ["verify"],
            "logs": ["logs"],
            "selftest": ["selftest"],
            "process": ["process", __file__],
            "ingest": ["ingest", __file__],
            "models list": ["models", "list"],
            "detect heads list": ["detect", "heads", "list"],
        }
        if " ".join(path) not in calls:
            pytest.skip("reads no settings, or needs more than them")
        result = cinemill(*calls[" ".join(path)])
        assert result.exit_code == ExitCode.USAGE, result.output
        check_text(result.stderr, "settings_invalid")


@pytest.mark.parametrize("name", [*OF_FILES, "render", "batch"])
@pytest.mark.parametrize("given", ["/no/such/film.mp4", "/no/such/folder/"])
def test_unreadable_file(cinemill: Run, dead_address: str, name: str, given: str) -> None:
    result = cinemill(name, given)
    assert result.exit_code == ExitCode.USAGE, result.output
    check_text(result.stderr, "file_unusable")


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["jbos"], "command_unknown", "Did you mean 'cinemill jobs'?"),
        (["redrive"], "command_unknown", "Did you mean 'cinemill dead redrive'?"),
        (["dead", "redriv"], "command_unknown", "Did you mean 'cinemill dead redrive'?"),
        (["dead"], "", "Usage: "),
        (["process"], "argument_missing", "cinemill process --help"),
        (["transcode", "--codec"], "value_missing", "Choose h264, h265, vp9 or av1."),
        (["jobs", "--limit", "x"], "option_invalid", "cinemill jobs --help"),
        (["jobs", "--limit", "501"], "option_invalid", "cinemill jobs --help"),
        (["jobs", "extra"], "argument_unexpected", "cinemill jobs --help"),
        (["submit", __file__, "--priority", "11"], "option_invalid", "cinemill submit --help"),
        (["transcode", __file__, "--codec", "h246"], "choice_unknown", "Did you mean h264?"),
        (["transcode", __file__, "--codec", "H.264"], "choice_unknown", "Did you mean h264?"),
        (["caption", __file__, "--model", "larg"], "choice_unknown", "Did you mean large?"),
        (["caption", __file__, "--language", "xx"], "choice_unknown", "Choose af, am"),
        (["worker", "-Q", "rendr"], "choice_unknown", "Did you mean render?"),
        (["jobs", "--state", "fialed"], "choice_unknown", "Did you mean failed?"),
        (["search", "x", "--mode", "hybird"], "choice_unknown", "Did you mean hybrid?"),
        (["detect", "review", "accept", "a1"], "argument_missing", "--help"),
        (["models", "add", "/none", "--card", "/none"], "file_unusable", "--help"),
        (["transcode", __file__, "--crf", "99"], "", "--crf"),
        (["ingest", __file__, "--collection", "x" * 256], "option_invalid", "--help"),
        (["retry", "j1", "--failed"], "option_invalid", "--help"),
        (["logs", "workr"], "log_missing", "cinemill up"),
    ],
)
def test_usage_errors_have_one_style(
    cinemill: Run, arguments: list[str], code: str, hint: str
) -> None:
    result = cinemill(*arguments)
    assert result.exit_code == ExitCode.USAGE, result.output
    assert hint in result.stderr
    if code:
        check_text(result.stderr, code)
    if code and arguments[0] not in {"worker", "dead"}:
        # Before an option that lacks its value, or the flag would be taken for it.
        place = 1 if code == "value_missing" else len(arguments)
        given = [*arguments[:place], "--json", *arguments[place:]]
        error = read_error(cinemill(*given).stderr)
        assert error["code"] == code
        assert hint in error["hint"]


def run_in_shell(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in which ``cinemill`` is the command."""
    scripts = Path(sys.executable).parent
    home = str(tmp_path / "home")
    environment = {"PATH": f"{scripts}:/usr/bin:/bin", "CINEMILL_HOME": home, "LANG": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_closed_pipe_ends_quietly_with_its_own_code(tmp_path: Path) -> None:
    # The reader is gone before the first byte, so how long the result is does not matter.
    script = 'cinemill config | exec 0<&-; echo "${PIPESTATUS[0]}"'
    done = run_in_shell(script, tmp_path)
    assert done.stderr == ""
    assert done.stdout.strip() == str(int(ExitCode.PIPE_CLOSED))


def test_full_disk_at_stdout_is_no_success(tmp_path: Path) -> None:
    done = run_in_shell("cinemill config > /dev/full; echo $?", tmp_path)
    assert done.stdout.strip() == str(int(ExitCode.UNAVAILABLE))
    assert "machine_problem: " in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_streams_are_no_fault(tmp_path: Path) -> None:
    done = run_in_shell("cinemill config >&- 2>&-; echo $?", tmp_path)
    assert done.stdout.strip() == "0"
