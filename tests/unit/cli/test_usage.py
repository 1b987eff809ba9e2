"""Arguments, help and exit codes of the commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from cinemill.cli.exit_codes import MEANINGS, ExitCode, exit_code_of, highest
from cinemill.cli.main import app
from cinemill.cli.result import JobFailed
from cinemill.cli.terminal import screen
from cinemill.errors import (
    CinemillError,
    CommandFailed,
    Conflict,
    DiskFull,
    HomeLocked,
    MediaRejected,
    NotFound,
    SettingsInvalid,
    TooLarge,
)

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

HEAVY = ("httpx", "pydantic", "rich", "celery", "sqlalchemy", "redis", "av", "asyncio", "numpy")


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


COMMANDS = list(walk(typer.main.get_command(app)))
ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "reference" / "spec.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
]


def test_command_names_are_complete() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "",
        "chapters",
        "evaluate benchmark",
        "evaluate chapters",
        "scenes",
        "up",
        "process",
        "ingest",
        "index",
        "index rebuild",
        "transcode",
        "preview",
        "ladder",
        "render",
        "batch",
        "caption",
        "submit",
        "watch",
        "status",
        "cancel",
        "retry",
        "rm",
        "assets",
        "assets list",
        "assets show",
        "logs",
        "jobs",
        "dead",
        "dead drop",
        "dead list",
        "dead redrive",
        "detect",
        "detect run",
        "detect heads",
        "detect heads list",
        "detect heads show",
        "detect heads add",
        "detect heads remove",
        "detect ensemble",
        "detect ensemble show",
        "detect ensemble set",
        "detect review",
        "detect review list",
        "detect review show",
        "detect review accept",
        "detect review override",
        "detect review flag",
        "detect train",
        "detect calibrate",
        "detect evaluate",
        "detect selftest",
        "models",
        "models list",
        "models fetch",
        "models verify",
        "models export",
        "models add",
        "worker",
        "beat",
        "flower",
        "doctor",
        "evaluate",
        "evaluate corpus",
        "evaluate corpus make",
        "evaluate retrieval",
        "evaluate answers",
        "evaluate fit",
        "selftest",
        "config",
        "ask",
        "graph",
        "mcp",
        "search",
        "verify",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_printed_for_every_command(cinemill: Run, path: tuple[str, ...]) -> None:
    result = cinemill(*path, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def commands_of(page: str) -> list[str]:
    """Return the commands in a page: ``cinemill …`` in spans and blocks of code."""
    code = re.findall(r"```.*?```|`[^`\n]+`", page, re.DOTALL)
    found = re.findall(r"(?<![\w:/.@])(?:\S*/bin/)?cinemill( [a-z-][^`#|\n]*)", "\n".join(code))
    return [words.strip() for words in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_name_existing_commands_and_options(page: Path) -> None:
    for line in commands_of(page.read_text("utf-8")):
        words = line.split()
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        if words and (default := getattr(command, "default_command", "")):
            command = command.commands[default]  # type: ignore[attr-defined]
        assert command.name != "cinemill" or line == "--help", f"no such command: {line}"
        known = {"--help", *(name for one in command.params for name in one.opts)}
        given = {word for word in words if word.startswith("-")}
        assert given <= known, f"no such option: cinemill {line}"


def test_help_imports_no_heavy_modules() -> None:
    script = (
        "import sys\nfrom cinemill.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_version_is_printed(cinemill: Run) -> None:
    assert cinemill("--version").stdout.startswith("cinemill ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["process"],
        ["process", "/no/such/film.mp4"],
        ["process", "/"],
        ["ingest"],
        ["ingest", "/no/such/film.mp4"],
        ["ingest", "a.mp4", "--profile", "deep"],
        ["submit", __file__, "--priority", "11"],
        ["submit", __file__, __file__, "--idempotency-key", "k"],
        ["retry"],
        ["retry", "j1", "--failed"],
        ["retry", "j1", "--kind", "process_video"],
        ["jobs", "--limit", "0"],
        ["detect", "--fast"],
        ["detect", "/no/such/film.mp4"],
        ["detect", __file__, "--priority", "11"],
        ["detect", "review", "accept", "a1"],
        ["detect", "review", "override", "a1", "--verdict", "fake"],
        ["detect", "ensemble", "set", "one=two"],
        ["worker", "--concurrency", "0"],
    ],
)
def test_usage_errors_are_exit_code_2(cinemill: Run, arguments: list[str]) -> None:
    assert cinemill(*arguments).exit_code == ExitCode.USAGE


class TestNoServer:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["jobs"],
            ["status"],
            ["watch", "j"],
            ["cancel", "j"],
            ["dead", "list"],
            ["detect", "review"],
            ["verify"],
        ],
    )
    def test_missing_server_is_exit_code_3_with_a_hint(
        self, cinemill: Run, arguments: list[str]
    ) -> None:
        result = cinemill(*arguments)
        assert result.exit_code == ExitCode.UNAVAILABLE
        assert "mill_not_running" in result.stderr
        assert "cinemill up" in result.stderr
        assert "Traceback" not in result.output

    def test_missing_server_is_reported_as_json(self, cinemill: Run) -> None:
        result = cinemill("jobs", "--json")
        assert result.stdout == ""
        assert json.loads(result.stderr)["error"]["code"] == "mill_not_running"


class TestConfig:
    def test_config_shows_sources_and_masks_secrets(
        self, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
        result = cinemill("config", "--json")
        rows = {row["name"]: row for row in json.loads(result.stdout)["settings"]}
        assert rows["DATABASE_URL"]["source"] == "environment"
        assert rows["CINEMILL_PORT"]["value_masked"] == "8420"
        assert "hunter2" not in result.output + cinemill("config").output

    def test_config_fits_into_eighty_columns(
        self, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screen, "PIPE_WIDTH", 80)
        monkeypatch.setenv("CINEMILL_PORT", "8421")
        shown = cinemill("config").stdout
        assert "CINEMILL_PORT=8421  (environment)" in shown
        assert "Port that the HTTP API listens on." in shown
        # But the name of a setting with a long path, which must not be broken.
        wrapped = [line.rstrip() for line in shown.splitlines() if " " in line.strip()]
        assert max(map(len, wrapped)) <= 80

    def test_config_reports_all_problems_with_exit_code_2(
        self, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMILL_PORT", "x")
        monkeypatch.setenv("CINEMILL_LOG_LEVEL", "loud")
        result = cinemill("config")
        assert result.exit_code == ExitCode.USAGE
        assert "CINEMILL_PORT" in result.stderr
        assert "CINEMILL_LOG_LEVEL" in result.stderr
        error = json.loads(cinemill("config", "--json").stderr)["error"]
        assert {problem["name"] for problem in error["problems"]} == {
            "CINEMILL_PORT",
            "CINEMILL_LOG_LEVEL",
        }

    def test_config_uses_the_home_option(self, cinemill: Run, tmp_path: Path) -> None:
        result = cinemill("--home", tmp_path / "other", "config", "--json")
        rows = {row["name"]: row["value_masked"] for row in json.loads(result.stdout)["settings"]}
        assert rows["CINEMILL_HOME"] == str(tmp_path / "other")


class TestExitCodes:
    def test_exit_codes_all_have_a_meaning(self) -> None:
        assert set(MEANINGS) == set(ExitCode)

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (SettingsInvalid([("A", "is wrong")]), ExitCode.USAGE),
            (NotFound("x"), ExitCode.USAGE),
            (Conflict("x"), ExitCode.USAGE),
            (HomeLocked("x"), ExitCode.UNAVAILABLE),
            (DiskFull("x"), ExitCode.UNAVAILABLE),
            (MediaRejected("x"), ExitCode.REJECTED),
            (TooLarge("x"), ExitCode.REJECTED),
            (CommandFailed("x", exit_code=1, log_tail=""), ExitCode.JOB_FAILED),
            (CinemillError("x"), ExitCode.JOB_FAILED),
        ],
    )
    def test_exit_code_follows_from_the_error(self, error: CinemillError, code: ExitCode) -> None:
        assert exit_code_of(error) == code

    def test_exit_code_distinguishes_rejected_videos_from_failed_jobs(self) -> None:
        def end(status: str, **failure: object) -> ExitCode:
            return exit_code_of(JobFailed({"id": "j1", "status": status, "error": failure}))  # type: ignore[typeddict-item]

        assert end("failed", code="media_truncated") == ExitCode.REJECTED
        assert end("failed", code="language_unknown", retryable=False) == ExitCode.REJECTED
        assert end("failed", code="command_failed", retryable=True) == ExitCode.JOB_FAILED
        assert end("cancelled") == ExitCode.JOB_FAILED

    def test_exit_code_of_several_videos_is_the_most_severe(self) -> None:
        assert highest([]) == ExitCode.OK
        assert highest([ExitCode.OK, ExitCode.REJECTED]) == ExitCode.REJECTED
        assert highest([ExitCode.REJECTED, ExitCode.JOB_FAILED]) == ExitCode.JOB_FAILED
