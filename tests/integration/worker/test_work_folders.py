"""What a starting worker removes if its work folder is shared with other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.conftest import fresh_database
from tests.integration.storage import rows

from cinemill.capabilities.operations.work_folders import remove_abandoned_work
from cinemill.config import load
from cinemill.storage.database import migrate
from cinemill.worker.context import WorkerContext


@pytest.fixture
def context(database_url: str, tmp_path: Path) -> Iterator[WorkerContext]:
    with fresh_database(database_url) as url:
        migrate(url)
        home = {"CINEMILL_HOME": str(tmp_path / "home"), "TEMP_DIR": str(tmp_path / "shared")}
        context = WorkerContext(load({**home, "DATABASE_URL": url}))
        yield context
        context.database.close()


def make_folder(context: WorkerContext, name: str) -> Path:
    folder = context.work_folder / name
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"bytes")
    return folder


def test_work_folders_of_dead_runs_are_removed_and_live_ones_kept(context: WorkerContext) -> None:
    run = rows.start(context.database, rows.accept(context.database))
    living, dead = make_folder(context, run.token), make_folder(context, uuid4().hex)
    remove_abandoned_work(context.database, context.work_folder)
    assert living.exists()
    assert not dead.exists()


def test_work_folder_cleanup_keeps_foreign_folders(context: WorkerContext) -> None:
    """TEMP_DIR=/tmp must not delete the files of other programs."""
    thesis = make_folder(context, "thesis")
    remove_abandoned_work(context.database, context.work_folder)
    assert (thesis / "file").exists()


def test_work_folder_cleanup_without_a_folder_does_nothing(context: WorkerContext) -> None:
    remove_abandoned_work(context.database, context.work_folder)
    assert not context.work_folder.exists()
