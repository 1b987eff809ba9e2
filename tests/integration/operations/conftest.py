"""A database and a file store for this suite only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import fresh_database
from tests.integration.storage.rows import forget_everything

from cinemill.storage.database import Database, migrate
from cinemill.storage.media.files import LocalFiles


@pytest.fixture(scope="package")
def migrated(database_url: str) -> Iterator[Database]:
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def database(migrated: Database) -> Iterator[Database]:
    forget_everything(migrated)
    yield migrated
    forget_everything(migrated)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    return LocalFiles(tmp_path / "objects")
