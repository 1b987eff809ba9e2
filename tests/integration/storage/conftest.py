"""A migrated database of this suite's own: no other suite's relay looks into it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import fresh_database
from tests.integration.storage import rows
from tests.integration.storage.rows import forget_everything

from cinemill.storage import sessions
from cinemill.storage.database import Database, migrate


@pytest.fixture(scope="package")
def migrated(database_url: str) -> Iterator[Database]:
    with fresh_database(database_url) as url:
        migrate(url)
        forgo_durability(url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sessions, "FORGETFUL", "")
            database = Database(url, pool_size=20)
            yield database
            database.close()


def forgo_durability(url: str) -> None:
    """Nobody cuts the power here: commits need not wait for the disk."""
    name = url.rsplit("/", 1)[-1]
    database = Database(url)
    rows.change(database, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    database.close()


@pytest.fixture
def database(migrated: Database) -> Iterator[Database]:
    """Without rows, before and after."""
    forget_everything(migrated)
    yield migrated
    forget_everything(migrated)


@pytest.fixture
def empty_url(database_url: str) -> Iterator[str]:
    """A database without tables."""
    with fresh_database(database_url) as url:
        yield url
