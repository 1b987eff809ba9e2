"""Work folders of attempts that were killed: the next attempt at the step removes them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from cinemill.core.job import ClaimedRun
from cinemill.errors import CinemillError
from cinemill.storage.database import Database
from cinemill.storage.jobs import claims
from cinemill.telemetry import get_logger

log = get_logger(__name__)


def remove_leftovers(database: Database, work_folder: Path, run: ClaimedRun) -> None:
    """Remove the folders of former attempts at this run's step, if they are on this machine.

    Raises nothing: the attempt is more important.
    """
    if run.attempt <= 1:
        return
    try:
        with database.once() as connection:
            tokens = claims.list_former_tokens(connection, run.step_id)
    except CinemillError as error:
        log.info("leftovers of killed attempts could not be searched", why=error.message)
        return
    for token in filter(is_work_folder, tokens):
        shutil.rmtree(work_folder / token, ignore_errors=True)


def is_work_folder(name: str) -> bool:
    """Check whether it is named like a claim's token.

    TEMP_DIR may be /tmp, and hold other folders.
    """
    return re.fullmatch(r"[0-9a-f]{32}", name) is not None
