"""Libraries in a database of this suite's own, with and without an index of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import fresh_database
from tests.integration.search.library import (
    TEXT_MODEL,
    fill_library,
    fill_others,
    index_library,
)
from tests.model_files import fetch_models

from cinemill.storage.database import Database, migrate


@pytest.fixture(scope="package")
def models_dir() -> Path:
    return fetch_models(TEXT_MODEL)


@pytest.fixture(scope="package")
def indexed(database_url: str, models_dir: Path) -> Iterator[Database]:
    """A library of ann's and a video of bob's, embedded by the real model."""
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url, pool_size=8)
        fill_library(database, "ann")
        fill_others(database, "bob")
        index_library(database, models_dir)
        yield database
        database.close()


@pytest.fixture(scope="package")
def unindexed(database_url: str) -> Iterator[Database]:
    """The same without vectors."""
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url, pool_size=8)
        fill_library(database, "ann")
        yield database
        database.close()
