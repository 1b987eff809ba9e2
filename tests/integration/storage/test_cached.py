"""What is only kept to save work: found by its key, shown to nobody, and gone when nobody asks."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from cinemill.core.media import Artifact, ArtifactKind
from cinemill.storage.database import Database
from cinemill.storage.media import assets

PIECE = Artifact(ArtifactKind.PIECE, "sha-piece", 3, "piece.mp4", "video/mp4", {"frames": 5})
PROXY = Artifact(ArtifactKind.PROXY, "sha-proxy", 3, "proxy.mp4", "video/mp4", {})


@pytest.fixture
def asset_id(database: Database) -> str:
    with database.begin() as connection:
        asset, _ = assets.register_asset(
            connection, owner="ann", sha256="sha", size_bytes=7, filename="film.mp4"
        )
        assets.save_artifacts(connection, asset.id, "key", [PIECE], variant="key")
        assets.save_artifacts(connection, asset.id, "other", [PROXY])
    return asset.id


def grow_old(database: Database, days: int) -> None:
    with database.begin() as connection:
        connection.execute(
            text("UPDATE artifact SET created_at = created_at - make_interval(days => :days)"),
            {"days": days},
        )


def forget(database: Database) -> int:
    with database.begin() as connection:
        return assets.forget_cached(connection, older_than_days=30)


def test_piece_is_found_by_its_key_and_not_listed(database: Database, asset_id: str) -> None:
    assert assets.take_cached(database, "key") == PIECE
    assert assets.take_cached(database, "other") is None
    listed = assets.list_artifacts(database, asset_id)
    assert [record.artifact for record in listed] == [PROXY]


def test_piece_that_nobody_asked_for_goes(database: Database, asset_id: str) -> None:
    grow_old(database, 31)
    assert forget(database) == 1
    assert assets.take_cached(database, "key") is None
    assert len(assets.list_artifacts(database, asset_id)) == 1


def test_piece_that_is_used_stays(database: Database, asset_id: str) -> None:
    grow_old(database, 31)
    assert assets.take_cached(database, "key") == PIECE
    assert forget(database) == 0


def test_piece_that_is_saved_again_stays(database: Database, asset_id: str) -> None:
    """As a sound is, that a render has just gathered once more."""
    grow_old(database, 31)
    with database.begin() as connection:
        assets.save_artifacts(connection, asset_id, "key", [PIECE], variant="key")
    assert forget(database) == 0


def test_asset_of_the_same_bytes_stands_in(database: Database, asset_id: str) -> None:
    with database.begin() as connection:
        assert assets.find_owned(connection, asset_id, "sha") == asset_id
        assert assets.find_owned(connection, "deleted", "sha") == asset_id
        assert assets.find_owned(connection, "deleted", "other") is None
