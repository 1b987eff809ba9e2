"""What a supervisor says of its services, and what others on its home read of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cinemill.config.running import SERVICES_FILE, read_service
from cinemill.local.supervisor.service_reports import ServiceReports
from cinemill.local.supervisor.spec import ServiceSpec


@pytest.fixture
def specs(tmp_path: Path) -> list[ServiceSpec]:
    log = tmp_path / "log"
    return [ServiceSpec(name, ("true",), log / f"{name}.out") for name in ("worker", "beat")]


@pytest.fixture
def reports(tmp_path: Path, specs: list[ServiceSpec]) -> ServiceReports:
    (tmp_path / "run").mkdir()
    reports = ServiceReports(tmp_path / "run" / SERVICES_FILE)
    reports.begin(specs)
    return reports


def test_service_is_followed_from_start_to_end(
    tmp_path: Path, specs: list[ServiceSpec], reports: ServiceReports
) -> None:
    worker = specs[0]
    first = read_service(tmp_path, "worker")
    assert first is not None
    assert (first.supervisor_pid, first.is_ready, first.how) == (os.getpid(), False, "")
    assert f"'cinemill up' (process {os.getpid()}) is starting it;" in first.describe()
    reports.note(worker, is_ready=True)
    ready = read_service(tmp_path, "worker")
    assert ready is not None
    assert "keeps it running" in ready.describe()
    reports.note(worker, is_ready=False, how="was killed by SIGKILL")
    ended = read_service(tmp_path, "worker")
    assert ended is not None
    assert "is starting it again (was killed by SIGKILL); see " in ended.describe()
    assert str(worker.log_file) in ended.describe()
    assert read_service(tmp_path, "flower") is None
    reports.end()
    assert read_service(tmp_path, "worker") is None


def test_nothing_is_said_after_the_end(
    tmp_path: Path, specs: list[ServiceSpec], reports: ServiceReports
) -> None:
    reports.end()
    reports.note(specs[0], is_ready=True)
    assert list((tmp_path / "run").iterdir()) == []


def test_without_a_path_nothing_is_written(tmp_path: Path, specs: list[ServiceSpec]) -> None:
    silent = ServiceReports()
    silent.begin(specs)
    silent.note(specs[0], is_ready=True)
    silent.end()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone_ends_nothing(tmp_path: Path, specs: list[ServiceSpec]) -> None:
    ServiceReports(tmp_path / "none" / SERVICES_FILE).begin(specs)
