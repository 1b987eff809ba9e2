"""Step resources of this suite, for handlers that are called as the runner calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import fresh_database
from tests.integration.storage.rows import forget_everything

from cinemill.catalog import CATALOG
from cinemill.core.job import ClaimedRun
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.service import JobService
from cinemill.jobs.step import ProgressCallback, StepContext
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.steps.resources import StepResources
from cinemill.storage.cache.caches import open_caches
from cinemill.storage.database import Database, migrate
from cinemill.storage.media.files import LocalFiles

Opener = Callable[..., StepContext]


@pytest.fixture(scope="package")
def migrated(database_url: str) -> Iterator[Database]:
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def resources(migrated: Database, tmp_path: Path) -> Iterator[StepResources]:
    """Step resources that accept input files below ``tmp_path``."""
    forget_everything(migrated)
    yield StepResources(
        database=migrated,
        files=LocalFiles(tmp_path / "objects"),
        ffmpeg_binary=find_ffmpeg(None),
        sandbox=detect_sandbox(),
        limits=Limits(),
        input_roots=(tmp_path,),
        min_free_bytes=0,
        render_dir=tmp_path / "renders",
        preview_dir=tmp_path / "previews",
        models_dir=tmp_path / "models",
        home=tmp_path,
        work_folder=tmp_path / "work",
        service=JobService(migrated, catalog=CATALOG),
        events=EventPublisher("redis://127.0.0.1:1/0", catalog=CATALOG),
        caches=open_caches(
            "redis://127.0.0.1:1/0", embeddings_ttl_seconds=60, results_ttl_seconds=60
        ),
    )
    forget_everything(migrated)


def make_run(job_kind: str, **changes: Any) -> ClaimedRun:
    """Return what a worker claimed of a job of this kind: a step without parameters or inputs."""
    run = ClaimedRun(
        *("run", "token", "job", job_kind, "step", "name", "kind", "ann"),
        asset_id=None,
        attempt=1,
        params={},
        job_params={},
        inputs={},
    )
    return replace(run, **changes)


@pytest.fixture
def open_context(tmp_path: Path) -> Opener:
    """Return a function that creates the step context of a render of ``timeline``.

    ``inputs`` are the results of earlier steps by name.
    """

    def open_context(
        timeline: Mapping[str, Any],
        *,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Mapping[str, Any]] | None = None,
        report: ProgressCallback = lambda fraction, message: None,
    ) -> StepContext:
        run = make_run(
            "render_video", params=params or {}, job_params={"job": timeline}, inputs=inputs or {}
        )
        folder = tmp_path / "work"
        folder.mkdir()
        return StepContext(run, folder, report, lambda: None, memory_bytes=4 << 30)

    return open_context
