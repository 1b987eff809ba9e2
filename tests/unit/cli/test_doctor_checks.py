"""The checks of ``cinemill doctor``."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ByteSize

from cinemill import catalog, shared_memory
from cinemill.capability import Capability
from cinemill.capability.composition import Installed
from cinemill.cli.commands.doctor import checks as doctor_checks
from cinemill.cli.commands.doctor.check import Check, Level
from cinemill.cli.exit_codes import ExitCode
from cinemill.config import Settings, load
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.media.encoding.hardware import VAAPI, Hardware, HardwareEncoder
from cinemill.steps.discovery import LeftOut, Origin
from cinemill.storage import inspection
from cinemill.storage.clock import ClockJump
from cinemill.storage.secrets import read_or_make_secret

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer


SECRET_FILES = ("token", "postgres/password", "postgres/superuser_password", "valkey/password")


def free_port() -> int:
    """Return a free port, since a server may be running on the default one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def levels(findings: list[Check]) -> list[tuple[str, Level]]:
    return [(finding.part, finding.level) for finding in findings]


def test_doctor_home_readable_by_others_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = list(doctor_checks.check_home(Settings(home=tmp_path)))
    assert found[0].level is Level.FAIL
    assert f"chmod 700 {tmp_path}" in found[0].hint


def test_doctor_private_home_passes(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = list(doctor_checks.check_home(Settings(home=tmp_path, min_free_bytes=ByteSize(1))))
    assert levels(found) == [("home", Level.OK), ("disk", Level.OK)]


def test_doctor_full_disk_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = list(
        doctor_checks.check_home(Settings(home=tmp_path, min_free_bytes=ByteSize(1 << 60)))
    )
    assert levels(found)[1] == ("disk", Level.FAIL)


def test_doctor_home_that_can_be_created_passes(tmp_path: Path) -> None:
    found = list(doctor_checks.check_home(Settings(home=tmp_path / "none")))
    assert levels(found) == [("home", Level.OK)]


def test_doctor_home_that_cannot_be_created_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (found,) = doctor_checks.check_home(Settings(home=tmp_path / "file" / "home"))
    assert found.level is Level.FAIL
    assert "CINEMILL_HOME" in found.hint


def test_doctor_lists_set_values_with_secrets_masked(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    (found,) = doctor_checks.check_settings(load())
    assert found.level is Level.OK
    assert f"CINEMILL_HOME={home}" in found.message
    assert "DATABASE_URL=" in found.message
    assert "(environment)" in found.message
    assert "hunter2" not in found.message
    assert "CINEMILL_HOST" not in found.message, "a default is no news"


def test_doctor_does_not_list_urls_of_a_running_server_as_settings(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "run").mkdir(parents=True)
    state = {"pid": 1, "database_url": "postgresql://127.0.0.1:1/d", "redis_url": "redis://r"}
    (home / "run" / "state.json").write_text(json.dumps(state))
    asked: list[str | None] = []

    def ask(settings: Settings) -> Iterator[Check]:
        asked.append(settings.database_url)
        return iter(())

    for name in ("ffmpeg", "sandbox", "workers", "home", "redis", "api"):
        monkeypatch.setattr(doctor_checks, f"check_{name}", lambda _: iter(()))
    monkeypatch.setattr(doctor_checks, "check_database", ask)
    words = {finding.part: finding.message for finding in doctor_checks.run_checks(load())}
    assert "DATABASE_URL" not in words["settings"]
    assert asked == ["postgresql://127.0.0.1:1/d"]


@pytest.mark.parametrize("product", ["Valkey", "Redis"])
def test_doctor_names_the_redis_product(
    home: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    facts = inspection.RedisFacts("9.1.2", True, "noeviction", 0.001, product)
    monkeypatch.setattr(inspection, "inspect_redis", lambda _: facts)
    (found,) = doctor_checks.check_redis(Settings(home=home, redis_url="redis://127.0.0.1:1"))
    assert found.message == f"{product} 9.1.2, responds in 1.0 ms"


@pytest.mark.parametrize(("days", "level"), [(None, Level.OK), (0.5, Level.WARN), (3.0, Level.OK)])
def test_doctor_warns_for_a_day_that_the_database_clock_was_set(
    home: Path, monkeypatch: pytest.MonkeyPatch, days: float | None, level: Level
) -> None:
    jump = days and ClockJump(2, -7200.0, datetime.now(UTC) - timedelta(days=days))
    extensions = frozenset({"vector", "pg_trgm"})
    facts = inspection.DatabaseFacts("18.0", "0023", extensions, 0.1, 0.001, jump or None)
    monkeypatch.setattr(inspection, "inspect_database", lambda *_, **__: facts)
    settings = Settings(home=home, database_url="postgresql://127.0.0.1:1/d")
    found = {check.part: check for check in doctor_checks.check_database(settings)}["clock"]
    assert found.level is level
    assert ("which was set by -7,200 s on " in found.message) is bool(jump)


def test_doctor_names_missing_shared_memory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "find_problem", lambda: "/dev/shm does not exist")
    *_, found = doctor_checks.check_machine(Settings(home=home))
    assert (found.level, found.message) == (Level.WARN, "/dev/shm does not exist")
    assert "--shm-size" in found.hint


def test_doctor_port_in_use_fails(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (found,) = doctor_checks.check_api(Settings(home=home, port=port))
    assert found.level is Level.FAIL
    assert "CINEMILL_PORT" in found.hint


@pytest.mark.parametrize(
    ("check", "field", "value"),
    [
        (doctor_checks.check_database, "database_url", "postgresql://127.0.0.1:1/d"),
        (doctor_checks.check_redis, "redis_url", "redis://127.0.0.1:1"),
        (doctor_checks.check_qdrant, "qdrant_url", "http://127.0.0.1:1"),
    ],
)
def test_doctor_unreachable_server_fails_and_other_checks_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, check: object, field: str, value: str
) -> None:
    settings = Settings.model_validate({"home": home, "port": free_port(), field: value})
    for name in ("ffmpeg", "sandbox", "workers", "database", "redis", "qdrant"):
        if getattr(doctor_checks, f"check_{name}") is not check:
            monkeypatch.setattr(doctor_checks, f"check_{name}", lambda _: iter(()))
    found = list(doctor_checks.run_checks(settings))
    failed = [finding for finding in found if finding.level is Level.FAIL]
    assert len(failed) == 1
    assert failed[0].hint
    assert found[-1].part == "API"


def test_doctor_ffmpeg_check_encodes(home: Path) -> None:
    (found,) = doctor_checks.check_ffmpeg(Settings(home=home))
    assert found.level is Level.OK
    assert "libx264" in found.message


def check_found_hardware(
    home: Path, monkeypatch: pytest.MonkeyPatch, found: Hardware
) -> list[Check]:
    monkeypatch.setattr("cinemill.worker.hardware.detection.find_hardware", lambda _: found)
    return list(doctor_checks.check_hardware(Settings(home=home)))


def test_doctor_suspended_encoder_of_any_worker_is_a_warning(
    home: Path, fake_server: LittleServer
) -> None:
    offers = [
        {"node": "celery@one", "encoder": "h264_qsv", "status": "serving"},
        {
            "node": "celery@two",
            "encoder": "h264_nvenc",
            "status": "resting",
            "reason": "No capable devices found",
        },
    ]
    fake_server.on(
        "GET /api/v1/health", lambda x: x.send_json({"status": "ok", "hardware": "resting"})
    )
    fake_server.on("GET /api/v1/stats", lambda x: x.send_json({"hardware": offers}))
    api, suspended = doctor_checks.check_api(Settings(home=home))
    assert "hardware resting" in api.message
    assert suspended.level is Level.WARN
    assert suspended.message == (
        "h264_nvenc of celery@two was suspended after repeated failures: No capable devices found"
    )


def test_doctor_machine_without_hardware_passes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = check_found_hardware(home, monkeypatch, Hardware())
    assert result.level is Level.OK
    assert "software" in result.message


def test_doctor_lists_working_and_failing_encoders(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = HardwareEncoder("h264_vaapi", VideoCodec.H264, VAAPI)
    found = Hardware((encoder,), {"av1_vaapi": "No usable profile", "h264_qsv": "No session"})
    result = check_found_hardware(home, monkeypatch, found)
    assert [finding.message for finding in result] == [
        "encoded with h264_vaapi",
        "no av1_vaapi: No usable profile; no h264_qsv: No session",
    ]
    assert [finding.level for finding in result] == [Level.OK, Level.OK]


def test_doctor_only_failing_encoders_is_a_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = check_found_hardware(home, monkeypatch, Hardware((), {"h264_nvenc": "No libcuda"}))
    assert result.level is Level.WARN
    assert result.hint


def test_doctor_failure_is_exit_code_3_with_all_checks_reported(
    cinemill: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    monkeypatch.setattr(doctor_checks, "check_ffmpeg", lambda _: iter(()))
    result = cinemill("doctor", "--json")
    assert result.exit_code == ExitCode.UNAVAILABLE
    parts = {finding["part"]: finding["level"] for finding in json.loads(result.stdout)}
    assert parts["home"] == "fail"
    assert {"Python", "sandbox", "database", "Redis", "API", "workers"} <= set(parts)


def test_doctor_reports_redis_that_refuses_writes_or_is_nearly_full(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = inspection.RedisFacts("9.1.2", True, "noeviction", 0.001, refusal="OOM", fullness=0.93)
    monkeypatch.setattr(inspection, "inspect_redis", lambda _: facts)
    found = list(doctor_checks.check_redis(Settings(home=home, redis_url="redis://127.0.0.1:1")))
    assert levels(found) == [
        ("Redis", Level.OK),
        ("Redis", Level.FAIL),
        ("Redis", Level.WARN),
    ]
    assert found[1].message == "refuses writes: OOM"
    assert found[2].message == "uses 93% of its memory"
    assert "maxmemory" in found[2].hint


@pytest.mark.parametrize("name", SECRET_FILES)
@pytest.mark.parametrize("content", ["", "\n", "short"])
def test_doctor_invalid_secret_file_fails(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch(mode=0o600)
    (tmp_path / name).write_text(content)
    [found] = doctor_checks.check_secrets(Settings(home=tmp_path))
    assert found.level is Level.FAIL
    assert str(tmp_path / name) in found.message
    assert "Delete the file" in found.hint


def test_doctor_secret_readable_by_others_is_a_warning(tmp_path: Path) -> None:
    read_or_make_secret(tmp_path / "token")
    (tmp_path / "token").chmod(0o644)
    [found] = doctor_checks.check_secrets(Settings(home=tmp_path))
    assert found.level is Level.WARN
    assert found.hint == f"Run: chmod 600 {tmp_path / 'token'}"


def test_doctor_valid_secrets_pass_and_unused_passwords_are_ignored(
    tmp_path: Path,
) -> None:
    read_or_make_secret(tmp_path / "token")
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "password").touch(mode=0o600)
    settings = Settings(home=tmp_path, redis_url="redis://127.0.0.1/0")
    assert levels(list(doctor_checks.check_secrets(settings))) == [("secrets", Level.OK)]


def test_packages_are_reported_where_ffmpeg_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = Installed(
        Origin("cinemill-echo", "1.0", "echo"), Capability("echo", (), (), lambda _: {})
    )
    lost = LeftOut.because(Origin("cinemill-lost", "1.0", "lost"), "cannot be imported: why.")
    composition = replace(catalog.COMPOSITION, installed=(echo,), left_out=(lost,))
    monkeypatch.setattr(catalog, "COMPOSITION", composition)
    broken_ffmpeg = tmp_path / "ffmpeg"
    broken_ffmpeg.write_text("#!/bin/sh\nexit 1\n")
    broken_ffmpeg.chmod(0o755)
    settings = load(
        {
            "CINEMILL_HOME": str(tmp_path),
            "DATABASE_URL": "postgresql://127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "FFMPEG_PATH": str(broken_ffmpeg),
        }
    )
    found = list(doctor_checks.check_packages(settings, commands=()))
    assert levels(found) == [("packages", Level.WARN), ("packages", Level.OK)]
    assert "cinemill-lost" in found[0].message
