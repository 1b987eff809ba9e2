"""Commands that fail in the same way each time: rejected at the second attempt, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import films
from tests.integration.redis_databases import take_redis_database
from tests.integration.storage import rows
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import Job, JobState

OWN_REDIS_DATABASE = 14
LIMIT_BYTES = 20_000


@pytest.fixture(scope="module")
def narrow(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Yield an instance on which nearly every output is too large, and its delays as they are."""
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("narrow")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "CINEMILL_MAX_OUTPUT_BYTES": str(LIMIT_BYTES),
        "CELERY_TASK_DEFAULT_RETRY_DELAY": "3600",
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        for module in ("cinemill.worker", "cinemill.worker.beat"):
            undo.callback(stop_service, start_service(module, stack))
        yield stack


def run(stack: Stack, kind: str, film: Path, *args: object) -> Job:
    task = stack.app.tasks[kind].apply_async(args=[str(film), *args])
    task.get(timeout=PATIENCE_SECONDS, propagate=False)
    return stack.service.get_job(task.id)


@pytest.mark.parametrize(
    ("kind", "args"),
    [("process_video", ()), ("transcode", ({"codec": "h264"},)), ("make_ladder", ("mobile",))],
)
def test_real_command_that_fails_twice_is_rejected(
    narrow: Stack, films_folder: Path, kind: str, args: tuple[object, ...]
) -> None:
    """The delay before an ordinary attempt is an hour: nobody waits for that."""
    film = films.make_film(
        films_folder / f"narrow-{kind}.mkv", seconds=3, filters="noise=alls=20:allf=t"
    )
    job = run(narrow, kind, film, *args)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure.code == "output_too_large"
    assert job.failure.message == (
        f"The outputs exceeded the limit of {LIMIT_BYTES} bytes. "
        "A second attempt ended in the same way."
    )
    assert "CINEMILL_MAX_OUTPUT_BYTES" in job.failure.hint
    assert not job.failure.retryable
    states = rows.run_states(narrow.database, job)
    optional = 1 if kind == "make_ladder" else 0  # its quick start is tried once
    assert (states.count("failed"), states.count("rejected")) == (1 + optional, 1)
