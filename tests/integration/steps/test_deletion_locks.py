"""A deletion looks for who needs a video before it locks its row: uploads do not wait for that."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest
from sqlalchemy import text
from tests.integration.storage import rows
from tests.waiting import wait_until

from cinemill.capabilities.ingest.deletion import carry_out, request_deletion
from cinemill.capabilities.ingest.stored_assets import delete_unused_asset
from cinemill.steps.resources import StepResources
from cinemill.storage.media.assets import register_asset

_WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST('step' AS regclass)"
)
_FREE = text("SELECT id FROM asset FOR UPDATE NOWAIT")


@pytest.mark.parametrize(
    "delete",
    [
        lambda resources, asset: request_deletion(resources.database, asset, undo_seconds=0),
        lambda resources, asset: carry_out(resources.database, resources.service, asset),
        lambda resources, asset: delete_unused_asset(resources.database, asset),
    ],
    ids=["request", "carry out", "unused"],
)
def test_row_is_free_while_unfinished_jobs_are_read(
    resources: StepResources, delete: Callable[[StepResources, str], object]
) -> None:
    database = resources.database
    with database.begin() as connection:
        asset, _ = register_asset(
            connection, owner="ann", sha256="film", size_bytes=1, filename="f.mp4"
        )
    thread = Thread(target=delete, args=(resources, asset.id))
    with rows.locked(database, "LOCK TABLE step"), rows.connect_as_stranger(database) as stranger:
        thread.start()
        wait_until(lambda: stranger.execute(_WAITING).scalar_one() > 0)
        assert stranger.execute(_FREE).scalar_one() == asset.id
        stranger.rollback()
    thread.join()
