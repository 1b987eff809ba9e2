"""What the doctor makes of a home folder, a port and an FFmpeg."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cinemill.cli import soundings
from cinemill.cli.exits import ExitCode
from cinemill.cli.soundings import Finding, Level
from cinemill.config import Settings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def levels(findings: list[Finding]) -> list[tuple[str, Level]]:
    return [(finding.part, finding.level) for finding in findings]


def test_a_home_that_others_can_read_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = list(soundings.sound_home(Settings(home=tmp_path)))
    assert found[0].level is Level.FAIL
    assert f"chmod 700 {tmp_path}" in found[0].way_on


def test_a_private_home_is_well(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = list(soundings.sound_home(Settings(home=tmp_path, min_free_bytes=1)))
    assert levels(found) == [("home", Level.OK), ("disk", Level.OK)]


def test_a_full_disk_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = list(soundings.sound_home(Settings(home=tmp_path, min_free_bytes=1 << 60)))
    assert levels(found)[1] == ("disk", Level.FAIL)


def test_a_home_that_is_still_to_be_made_is_well(tmp_path: Path) -> None:
    found = list(soundings.sound_home(Settings(home=tmp_path / "none")))
    assert levels(found) == [("home", Level.OK)]


def test_a_taken_port_fails(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (found,) = soundings.sound_api(Settings(home=home, port=port))
    assert found.level is Level.FAIL
    assert "CINEMILL_PORT" in found.way_on


@pytest.mark.parametrize(
    ("sounding", "field", "value"),
    [
        (soundings.sound_database, "database_url", "postgresql://127.0.0.1:1/d"),
        (soundings.sound_redis, "redis_url", "redis://127.0.0.1:1"),
    ],
)
def test_a_server_that_does_not_answer_fails_and_the_rest_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, sounding: object, field: str, value: str
) -> None:
    settings = Settings.model_validate({"home": home, field: value})
    for name in ("ffmpeg", "sandbox", "workers", "database", "redis"):
        if getattr(soundings, f"sound_{name}") is not sounding:
            monkeypatch.setattr(soundings, f"sound_{name}", lambda _: iter(()))
    found = list(soundings.sound_all(settings))
    failed = [finding for finding in found if finding.level is Level.FAIL]
    assert len(failed) == 1
    assert failed[0].way_on
    assert found[-1].part == "API"


def test_an_ffmpeg_is_judged_by_encoding(home: Path) -> None:
    (found,) = soundings.sound_ffmpeg(Settings(home=home))
    assert found.level is Level.OK
    assert "libx264" in found.words


def test_a_failure_is_exit_code_3_and_all_is_told(
    cinemill: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    monkeypatch.setattr(soundings, "sound_ffmpeg", lambda _: iter(()))
    result = cinemill("doctor", "--json")
    assert result.exit_code == ExitCode.UNAVAILABLE
    parts = {finding["part"]: finding["level"] for finding in json.loads(result.stdout)}
    assert parts["home"] == "fail"
    assert {"Python", "sandbox", "database", "Redis", "API", "workers"} <= set(parts)
