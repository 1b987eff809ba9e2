"""Work folders of attempts, and their leftovers from killed processes."""

from __future__ import annotations

import shutil
from pathlib import Path

from cinemill.errors import CinemillError
from cinemill.jobs.runs.leftovers import is_work_folder
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def remove_abandoned_work(database: Database, work_folder: Path) -> None:
    """Remove folders of attempts that are over, left by killed processes."""
    try:
        folders = [path for path in work_folder.iterdir() if is_work_folder(path.name)]
    except FileNotFoundError:
        return
    for folder in folders:
        try:
            with database.begin() as connection:
                is_live = claims.is_live_token(connection, folder.name)
        except CinemillError as error:
            log.warning("abandoned work folders could not be searched", why=error.message)
            return
        if not is_live:
            shutil.rmtree(folder, ignore_errors=True)
