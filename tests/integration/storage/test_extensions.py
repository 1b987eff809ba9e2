"""A database without an extension that its role cannot create is reported with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from tests.conftest import fresh_database

from cinemill.errors import DependencyUnavailable
from cinemill.storage import extensions
from cinemill.storage.database import Database, check_version, migrate


@pytest.fixture
def bare_url(database_url: str) -> Iterator[str]:
    """A database as a server has them where nobody has installed an extension."""
    with fresh_database(database_url) as url:
        name = url.rsplit("/", 1)[-1]
        address = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        with psycopg.connect(address, autocommit=True) as connection:
            quoted = sql.Identifier(name)
            connection.execute(sql.SQL("DROP DATABASE {}").format(quoted))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(quoted))
        yield url


def test_missing_extension_is_reported_before_anything_is_changed(bare_url: str) -> None:
    database = Database(bare_url)
    with database.begin() as connection:
        may_create = connection.exec_driver_sql(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).scalar_one()
    database.close()
    if may_create:
        pytest.skip("the role of DATABASE_URL is a superuser, and creates every extension")
    with pytest.raises(DependencyUnavailable) as refused:
        migrate(bare_url)
    assert refused.value.code == "database_extension_missing"
    assert "lacks the extension vector" in refused.value.message
    assert "CREATE EXTENSION vector;" in refused.value.hint
    assert check_version(bare_url) in {None, "0011"}


def test_old_extension_is_reported(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extensions.EXTENSIONS, "vector", (99, 0))
    with database.begin() as connection, pytest.raises(DependencyUnavailable) as refused:
        extensions.require_extensions(connection)
    assert refused.value.code == "database_extension_old"
    assert "ALTER EXTENSION vector UPDATE" in refused.value.hint
