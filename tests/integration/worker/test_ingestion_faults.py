"""Ingestions that are disturbed: workers killed at every step, videos deleted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from tests import films
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, open_stack, start_service, stop_service
from tests.integration.worker.ingestion_rows import read_all_rows
from tests.integration.worker.test_ingestion import MODELS
from tests.model_files import link_models
from tests.waiting import PATIENCE_SECONDS, wait_until
from tools.samples import fetch

from cinemill.capabilities.captions.edit_store import (
    CaptionStore,
    correct_captions,
    discard_correction,
)
from cinemill.core.job import Job, JobState
from cinemill.core.text.segmentation import Cue
from cinemill.storage.media.assets import delete_asset, get_asset

OWN_REDIS_DATABASE = 12
LEASE_SECONDS = 3
GATE = 4711
STEPS = (
    *("intake_source", "probe_source", "prepare_source", "detect_shot_boundaries"),
    *("extract_keyframes", "chunk_video", "analyze_chunk", "merge_chunks", "classify_sound"),
    *("transcribe_speech", "caption_speech", "write_passages", "generate_text_embeddings"),
    *("generate_visual_embeddings", "generate_multimodal_embeddings"),
    *("extract_relationships", "build_scene_graph", "index_embeddings", "summarize_ingestion"),
)


@pytest.fixture(scope="module")
def idle_stack(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Yield an instance that notices a dead worker soon, with models and beat, without a worker."""
    home = tmp_path_factory.mktemp("faults")
    link_models(home / "models", *MODELS)
    settings = {
        "CINEMILL_HOME": str(home),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "CINEMILL_LEASE_SECONDS": str(LEASE_SECONDS),
        "CINEMILL_HEARTBEAT_SECONDS": "1",
        "CELERY_WORKER_CONCURRENCY": "1",
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with open_stack(database_url, settings) as stack, ExitStack() as undo:
        undo.callback(stop_service, start_service("cinemill.worker.beat", stack))
        yield stack


@contextmanager
def running_worker(stack: Stack) -> Iterator[subprocess.Popen[bytes]]:
    (stack.home / "cinemill.worker.ready").unlink(missing_ok=True)
    worker = start_service("cinemill.worker", stack)
    try:
        yield worker
        if worker.poll() is None:
            stop_service(worker)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)


@pytest.fixture
def stack(idle_stack: Stack) -> Iterator[Stack]:
    """Yield the instance with a worker that nobody kills."""
    with running_worker(idle_stack):
        yield idle_stack


@pytest.fixture(scope="module")
def talk(films_folder: Path) -> Path:
    """Return a video with speech, text in the picture and faces."""
    sample = fetch("obama_speech")
    return Path(shutil.copy(sample, films_folder / f"faults-{sample.name}"))


def copy_film(film: Path, name: str) -> Path:
    """Return the same frames and audio in another file: the same bytes are ingested once."""
    return films.remux(film, film.with_name(f"{name}.mp4"), "-metadata", f"title={name}")


def start(stack: Stack, film: Path, profile: str = "full") -> Job:
    params = {"path": str(film), "profile": profile}
    return stack.service.create_job("process_video", params=params)


def wait_for_end(stack: Stack, job: Job) -> Job:
    wait_until(lambda: stack.service.get_job(job.id).state.is_final, seconds=2 * PATIENCE_SECONDS)
    return stack.service.get_job(job.id)


def ingest(stack: Stack, film: Path, profile: str = "full") -> dict[str, Any]:
    done = wait_for_end(stack, start(stack, film, profile))
    assert done.state is JobState.COMPLETED, done.failure
    return dict(done.result or {})


@dataclass
class Gate:
    """Stops the commits of steps of chosen kinds: their work is done, and nothing is stored yet."""

    stack: Stack
    holder: Connection
    kinds: Sequence[str]

    def open(self) -> None:
        self._execute("CREATE TABLE gate (kind text PRIMARY KEY)")
        self._execute(
            f"""
            CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.state = 'succeeded' AND EXISTS (SELECT FROM gate WHERE kind = NEW.kind) THEN
                    PERFORM pg_advisory_xact_lock({GATE});
                END IF;
                RETURN NEW;
            END $$
            """
        )
        self._execute(
            "CREATE TRIGGER gate BEFORE UPDATE ON run FOR EACH ROW EXECUTE FUNCTION wait_at_gate()"
        )
        for kind in self.kinds:
            self._execute("INSERT INTO gate VALUES (:kind)", kind=kind)
        self.holder.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
        self.holder.commit()

    def close(self) -> None:
        self.holder.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
        self.holder.commit()
        self._execute("DROP TRIGGER gate ON run")
        self._execute("DROP FUNCTION wait_at_gate()")
        self._execute("DROP TABLE gate")

    def list_waiting(self) -> list[int]:
        """Return the processes of the database whose commits wait."""
        return list(
            self._read(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                f"AND objid = {GATE}"
            )
        )

    def find_kind(self, job: Job) -> str:
        """Return the kind of the step that waits: of those that run, all others are dead."""
        (kind,) = self._read(
            "SELECT kind FROM run WHERE job_id = :id AND state = 'running' "
            "AND kind IN (SELECT kind FROM gate)",
            id=job.id,
        )
        return str(kind)

    def let_through(self, kind: str) -> None:
        """End the waiting sessions, whose worker is dead, and stop no more steps of this kind."""
        for pid in self.list_waiting():
            self._execute("SELECT pg_terminate_backend(:pid)", pid=pid)
        wait_until(lambda: not self.list_waiting())
        self._execute("DELETE FROM gate WHERE kind = :kind", kind=kind)

    def _execute(self, statement: str, **values: Any) -> None:
        with self.stack.database.begin() as connection:
            connection.execute(text(statement), values)

    def _read(self, query: str, **values: Any) -> list[Any]:
        with self.stack.database.begin() as connection:
            return list(connection.execute(text(query), values).scalars())


@contextmanager
def open_gate(stack: Stack, kinds: Sequence[str]) -> Iterator[Gate]:
    engine = create_engine(stack.database.url, poolclass=NullPool)
    with engine.connect() as holder:
        gate = Gate(stack, holder, kinds)
        gate.open()
        yield gate
        gate.close()


@pytest.fixture(
    params=[
        pytest.param(STEPS[::4], id="every fourth step"),
        pytest.param(STEPS, id="every step", marks=pytest.mark.nightly),
    ]
)
def gate(idle_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Gate]:
    with open_gate(idle_stack, request.param) as gate:
        yield gate


def count_crashes(stack: Stack, job: Job) -> int:
    query = text("SELECT count(*) FROM run WHERE job_id = :id AND state = 'crashed'")
    with stack.database.begin() as connection:
        return int(connection.execute(query, {"id": job.id}).scalar_one())


def list_failures(stack: Stack, job: Job) -> list[str]:
    """Return the codes of all attempts of the job that failed."""
    query = text("SELECT failure ->> 'code' FROM run WHERE job_id = :id AND failure IS NOT NULL")
    with stack.database.begin() as connection:
        return list(connection.execute(query, {"id": job.id}).scalars())


@dataclass(frozen=True)
class Ingested:
    """A video, and what was known of it at the end of its ingestion."""

    result: dict[str, Any]
    rows: dict[str, list[str]]

    @property
    def asset_id(self) -> str:
        return str(self.result["asset_id"])


@pytest.fixture(scope="module")
def undisturbed(idle_stack: Stack, talk: Path) -> Ingested:
    """Return a video whose ingestion nothing disturbed."""
    with running_worker(idle_stack):
        result = ingest(idle_stack, copy_film(talk, "undisturbed"))
    return Ingested(result, read_all_rows(idle_stack, result["asset_id"]))


def test_ingestion_killed_at_its_steps_has_the_same_rows(
    idle_stack: Stack, undisturbed: Ingested, talk: Path, gate: Gate
) -> None:
    job = start(idle_stack, copy_film(talk, f"killed {len(gate.kinds)} times"))
    killed = []
    for _ in gate.kinds:
        with running_worker(idle_stack) as worker:
            wait_until(gate.list_waiting)
            killed.append(gate.find_kind(job))
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        gate.let_through(killed[-1])
    with running_worker(idle_stack):
        done = wait_for_end(idle_stack, job)
    assert done.state is JobState.COMPLETED, done.failure
    assert sorted(killed) == sorted(gate.kinds)
    assert count_crashes(idle_stack, job) == len(gate.kinds)
    result = dict(done.result or {})
    for name in ("findings", "passages", "gaps"):
        assert result[name] == undisturbed.result[name]
    assert read_all_rows(idle_stack, result["asset_id"]) == undisturbed.rows
    assert {table for table, rows in undisturbed.rows.items() if not rows} <= {"finding_gap"}


def edit_captions(stack: Stack, asset_id: str, shelf: Path) -> Job:
    """Put other words into the captions of the talk; return the job that follows."""
    asset = get_asset(stack.database, asset_id)
    cues = [Cue(0, 4_000, ("Two years of carpentry",), ()), Cue(4_000, 9_000, ("in Oslo.",), ())]
    store = CaptionStore(stack.database, stack.files, shelf, stack.service)
    job_id = correct_captions(store, asset, "en", cues, "*").job_id
    assert job_id is not None
    return stack.service.get_job(job_id)


def discard_captions(stack: Stack, asset_id: str, shelf: Path) -> Job:
    """Discard the words that were put into the captions; return the job that follows."""
    asset = get_asset(stack.database, asset_id)
    store = CaptionStore(stack.database, stack.files, shelf, stack.service)
    job_id = discard_correction(store, asset, "en", "*")
    assert job_id is not None
    return stack.service.get_job(job_id)


def complete(stack: Stack, job: Job) -> None:
    done = wait_for_end(stack, job)
    assert done.state is JobState.COMPLETED, done.failure


def test_worker_killed_after_captions_were_edited_leaves_what_was_written(
    idle_stack: Stack, undisturbed: Ingested, tmp_path: Path
) -> None:
    kinds = ("apply_caption_edits", "generate_multimodal_embeddings")
    asset_id = undisturbed.asset_id
    before = read_all_rows(idle_stack, asset_id)
    job = edit_captions(idle_stack, asset_id, tmp_path)
    with open_gate(idle_stack, kinds) as gate:
        for kind in kinds:
            with running_worker(idle_stack) as worker:
                wait_until(gate.list_waiting)
                assert gate.find_kind(job) == kind
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            if kind == kinds[0]:
                # All is as it was until all of it is as it was written.
                now = read_all_rows(idle_stack, asset_id)
                for table in ("passage", "embedding", "mention", "relation_evidence"):
                    assert now[table] == before[table]
            gate.let_through(kind)
    with running_worker(idle_stack):
        complete(idle_stack, job)
        killed = read_all_rows(idle_stack, asset_id)
        complete(idle_stack, discard_captions(idle_stack, asset_id, tmp_path))
        heard = read_all_rows(idle_stack, asset_id)
        complete(idle_stack, edit_captions(idle_stack, asset_id, tmp_path))
        calm = read_all_rows(idle_stack, asset_id)
        complete(idle_stack, discard_captions(idle_stack, asset_id, tmp_path))
    assert count_crashes(idle_stack, job) == len(kinds)
    assert any("carpentry" in row for row in killed["passage"])
    assert killed == calm
    # Nothing of the attempts that were killed is left, which both edits would then have.
    assert {table for table in before if heard[table] != before[table]} <= {"embedding"}


@contextmanager
def paused_at(stack: Stack, job: Job, kind: str) -> Iterator[None]:
    """Freeze the worker's process that runs a step of this kind, between two transactions."""
    running = text("SELECT id, worker FROM run WHERE job_id = :id AND kind = :kind "
                   "AND state = 'running'")  # fmt: skip
    free = text("SELECT id FROM run WHERE id = :id AND state = 'running' FOR UPDATE SKIP LOCKED")
    frozen: list[psutil.Process] = []

    def freeze() -> bool:
        with stack.database.begin() as connection:
            row = connection.execute(running, {"id": job.id, "kind": kind}).first()
        if row is None:
            return False
        process = psutil.Process(int(row.worker.rpartition(":")[2]))
        process.suspend()
        with stack.database.begin() as connection:
            if connection.execute(free, {"id": row.id}).first() is not None:
                frozen.append(process)
                return True
        process.resume()
        return False

    wait_until(freeze)
    yield
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()


@pytest.mark.parametrize(
    "kind",
    [
        "prepare_source",
        pytest.param("analyze_chunk", marks=pytest.mark.nightly),
        pytest.param("transcribe_speech", marks=pytest.mark.nightly),
        "generate_text_embeddings",
    ],
)
def test_video_deleted_during_its_ingestion_leaves_nothing(
    undisturbed: Ingested, stack: Stack, talk: Path, kind: str
) -> None:
    others = read_all_rows(stack, undisturbed.asset_id)
    job = start(stack, copy_film(talk, f"deleted at {kind}"))
    with paused_at(stack, job, kind):
        asset_id = stack.service.get_job(job.id).asset_id
        assert asset_id is not None
        with stack.database.begin() as connection:
            assert delete_asset(connection, asset_id)
    done = wait_for_end(stack, job)
    assert done.state is JobState.FAILED
    assert list_failures(stack, job) == ["asset_not_found"]
    assert not any(read_all_rows(stack, asset_id).values())
    assert read_all_rows(stack, undisturbed.asset_id) == others
