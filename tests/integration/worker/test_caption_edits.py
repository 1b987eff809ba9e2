"""Captions that a person edits: what they wrote is what is searched, cited and known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import text
from tests import films
from tests.integration.worker.conftest import Stack
from tests.integration.worker.ingestion_rows import read_all_rows
from tests.integration.worker.test_ingestion import MODELS, ingest, read_rows, run_alone, search
from tests.integration.worker.walk import Walk, read_probe
from tests.model_files import link_models, without_model
from tests.waiting import PATIENCE_SECONDS, wait_until
from tools.samples import fetch

from cinemill.capabilities.captions.caption_files import read_caption_file
from cinemill.capabilities.captions.edit_store import (
    CaptionStore,
    correct_captions,
    discard_correction,
)
from cinemill.capabilities.knowledge.caption_edits import apply_caption_edits
from cinemill.capabilities.knowledge.handlers import find_relationships
from cinemill.capabilities.search.passage_handler import write_passages
from cinemill.core.job import Job, JobState, StepSpec
from cinemill.core.media import ArtifactKind
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.core.text.segmentation import Cue
from cinemill.errors import Postponed
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.storage.findings.gaps import list_gaps
from cinemill.storage.media import assets
from cinemill.storage.media.captions import CaptionSet, find_captions
from cinemill.storage.retrieval.models import find_active_model
from cinemill.storage.retrieval.passages import list_passages
from cinemill.storage.retrieval.search import find_candidates
from cinemill.storage.retrieval.vectors import get_vector

HEARD, WRITTEN = "negotiations", "carpentry"
PLACE_HEARD, PLACE_WRITTEN = "United States", "Germany"


pytestmark = pytest.mark.usefixtures("own_videos")


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack) -> None:
    link_models(stack.home / "models", *MODELS)


def copy_speech(films_folder: Path, name: str) -> Path:
    """Return the speech in bytes that no other test has."""
    sample = fetch("obama_speech")
    return films.remux(sample, films_folder / f"{name}.mp4", "-metadata", f"title={name}")


@dataclass(frozen=True)
class Editor:
    """A person who edits the captions of one video."""

    stack: Stack
    shelf: Path
    asset_id: str

    @property
    def store(self) -> CaptionStore:
        return CaptionStore(self.stack.database, self.stack.files, self.shelf, self.stack.service)

    def find(self, language: str = "en") -> CaptionSet:
        with self.stack.database.begin() as connection:
            return find_captions(connection, self.asset_id)[language]

    def read(self, language: str = "en") -> list[Cue]:
        path = self.stack.files.path(self.find(language).files[ArtifactKind.CAPTIONS_JSON].sha256)
        cues = json.loads(path.read_text("utf-8"))["captions"]
        return [Cue(cue["start_ms"], cue["end_ms"], tuple(cue["lines"]), ()) for cue in cues]

    def save(self, cues: Sequence[Cue], language: str = "en") -> str | None:
        """Save captions over those that are there; return the id of the job that follows."""
        asset = assets.get_asset(self.stack.database, self.asset_id)
        with self.stack.database.begin() as connection:
            is_known = language in find_captions(connection, self.asset_id)
        version = "*" if is_known else None
        return correct_captions(self.store, asset, language, cues, version).job_id

    def replace(self, *pairs: tuple[str, str]) -> str | None:
        """Put other words into the captions; return the id of the job that follows."""
        return self.save([replace_words(cue, pairs) for cue in self.read()])

    def discard(self, language: str = "en") -> str | None:
        asset = assets.get_asset(self.stack.database, self.asset_id)
        return discard_correction(self.store, asset, language, "*")


def replace_words(cue: Cue, pairs: Sequence[tuple[str, str]]) -> Cue:
    """Return a cue in one line, so that no words are parted, with other words in it."""
    line = " ".join(cue.lines)
    for old, new in pairs:
        line = line.replace(old, new)
    return replace(cue, lines=(line,))


Ingest = Callable[..., Editor]


@pytest.fixture(scope="module")
def known(
    stack: Stack,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    models: None,
    own_videos: None,
) -> Ingest:
    """Return a function that ingests the speech under a name of its own."""
    shelf = tmp_path_factory.mktemp("shelf")

    def ingest_speech(name: str, profile: str = "standard") -> Editor:
        result = ingest(stack, copy_speech(films_folder, name), profile)
        assert result["gaps"] == []
        return Editor(stack, shelf, result["asset_id"])

    return ingest_speech


@pytest.fixture(scope="module")
def ingested_quickly(known: Ingest) -> Editor:
    return known("edited and taken back, quick", "quick")


@pytest.fixture(scope="module")
def ingested(known: Ingest) -> Editor:
    return known("edited and taken back")


@pytest.fixture
def quick(ingested_quickly: Editor) -> Iterator[Editor]:
    """Yield the editor of a video of which little is known; no edit stays."""
    with taking_back_edits(ingested_quickly) as editor:
        yield editor


@pytest.fixture
def standard(ingested: Editor) -> Iterator[Editor]:
    """Yield the editor of a video of which its passages and entities are known; no edit stays."""
    with taking_back_edits(ingested) as editor:
        yield editor


@contextmanager
def taking_back_edits(editor: Editor) -> Iterator[Editor]:
    """Discard all edits afterwards, until the video is known as it was heard."""
    before = read_all_rows(editor.stack, editor.asset_id)
    yield editor
    with editor.stack.database.begin() as connection:
        captions = find_captions(connection, editor.asset_id)
    for language, one in captions.items():
        if one.is_corrected:
            complete(editor.stack, editor.discard(language))
    assert list_changes(editor, before) == set()


def list_changes(editor: Editor, before: dict[str, list[str]]) -> set[str]:
    """Return the tables that have other rows about the video than before, except for vectors.

    How a vector is rounded depends on the texts that it was embedded with.
    """
    after = read_all_rows(editor.stack, editor.asset_id)
    return {name for name in before if after[name] != before[name]} - {"embedding"}


def wait_for(stack: Stack, job_id: str | None) -> Job:
    assert job_id is not None
    wait_until(lambda: stack.service.get_job(job_id).state.is_final)
    return stack.service.get_job(job_id)


def complete(stack: Stack, job_id: str | None) -> None:
    done = wait_for(stack, job_id)
    assert done.state is JobState.COMPLETED, done.failure


def list_said(stack: Stack, asset_id: str) -> list[tuple[int, int, str]]:
    """Return start, end and text of what is said in a video, as searches know it."""
    with stack.database.begin() as connection:
        listed = list_passages(connection, asset_id, PassageTrack.SPEECH)
    return [(one.passage.start_ms, one.passage.end_ms, one.passage.text) for one in listed]


def find_words(stack: Stack, asset_id: str, words: str, speaker: str = "") -> list[Any]:
    """Return the passages of a video that have these words."""
    filters = SearchFilters(asset_ids=(asset_id,), speakers=(speaker,) if speaker else ())
    scope = SearchScope(assets.get_asset(stack.database, asset_id).owner)
    with stack.database.begin() as connection:
        query = CandidateQuery(scope, text=words, filters=filters, limit=10)
        return [one for one in find_candidates(connection, query) if one.scores.text]


def list_names(stack: Stack, asset_id: str) -> set[str]:
    query = text(
        "SELECT name FROM mention WHERE asset_id = :id AND modality = 'speech' "
        "AND passage_id IS NOT NULL"
    )
    with stack.database.begin() as connection:
        return set(connection.execute(query, {"id": asset_id}).scalars())


def count_runs(stack: Stack, asset_id: str, kind: str) -> int:
    query = text(
        "SELECT count(*) FROM run JOIN job ON job.id = run.job_id "
        "WHERE job.asset_id = :id AND run.kind = :kind"
    )
    with stack.database.begin() as connection:
        return int(connection.execute(query, {"id": asset_id, "kind": kind}).scalar_one())


def test_what_a_person_wrote_is_found_and_what_was_heard_is_not(
    stack: Stack, known: Ingest
) -> None:
    editor = known("edited speech", "full")
    asset_id = editor.asset_id
    assert find_words(stack, asset_id, HEARD)
    assert PLACE_HEARD in list_names(stack, asset_id)
    moments = read_moments(stack, asset_id)
    listened = count_runs(stack, asset_id, "transcribe_speech")

    complete(stack, editor.replace((HEARD, WRITTEN), (PLACE_HEARD, PLACE_WRITTEN)))
    assert find_words(stack, asset_id, HEARD) == []
    (found,) = find_words(stack, asset_id, WRITTEN)
    (cue,) = [one for one in editor.read() if WRITTEN in " ".join(one.lines)]
    assert found.start_ms <= cue.start_ms < cue.end_ms <= found.end_ms
    assert 3_000 <= found.end_ms - found.start_ms <= 20_000
    # By meaning, too: each passage has the vector of its own words.
    best = search(stack, found.text)[0]
    assert (best.asset_id, best.text) == (asset_id, found.text)
    assert best.scores.vector > 0.99
    assert PLACE_WRITTEN in list_names(stack, asset_id)
    assert PLACE_HEARD not in list_names(stack, asset_id)
    words = read_all_rows(stack, asset_id)["asset_word"]
    assert (str((WRITTEN,)) in words, str((HEARD,)) in words) == (True, False)
    assert not any(HEARD in one for one in read_rows(stack, asset_id)["relation"])
    # Pictures are found together with what is said meanwhile.
    assert read_moments(stack, asset_id) != moments
    assert count_runs(stack, asset_id, "transcribe_speech") == listened


def read_moments(stack: Stack, asset_id: str) -> list[str]:
    with stack.database.begin() as connection:
        model = find_active_model(connection, "moment")
        assert model is not None
        query = text(
            f"SELECT CAST(embedding AS text) FROM {model.partition} "
            "JOIN passage ON passage.id = passage_id WHERE asset_id = :id ORDER BY number"
        )
        moments = [*connection.execute(query, {"id": asset_id}).scalars()]
    assert moments
    return moments


def test_vectors_are_those_of_the_new_words(stack: Stack, quick: Editor) -> None:
    complete(stack, quick.replace((HEARD, WRITTEN)))
    embedder = open_text_embedder("minilm-l6-v2-int8", stack.home / "models")
    owner = assets.get_asset(stack.database, quick.asset_id).owner
    with stack.database.begin() as connection:
        model = find_active_model(connection, "text")
        assert model is not None
        said = list_passages(connection, quick.asset_id, PassageTrack.SPEECH)
        stored = [get_vector(connection, model, owner, one.id) for one in said]
    expected = embedder.embed([one.passage.text for one in said])
    assert np.einsum("ij,ij->i", np.asarray(stored), expected) == pytest.approx(1, abs=0.01)


def test_of_edits_in_quick_succession_the_last_one_wins(stack: Stack, quick: Editor) -> None:
    jobs = [quick.replace((HEARD, "first")), quick.replace(("first", "second"))]
    for job_id in jobs:
        complete(stack, job_id)
    assert [bool(find_words(stack, quick.asset_id, one)) for one in ("first", "second")] == [
        False,
        True,
    ]


@pytest.mark.parametrize("handler", [apply_caption_edits, write_passages, find_relationships])
def test_step_whose_captions_are_edited_meanwhile_begins_again(
    stack: Stack, standard: Editor, tmp_path: Path, handler: Callable[..., Any]
) -> None:
    """Whatever it found out before the edit is not stored over what follows from the edit."""
    complete(stack, standard.replace((HEARD, "first")))
    with stack.database.begin() as connection:  # so that nothing is known already
        connection.execute(
            text("UPDATE finding_set SET id = gen_random_uuid() "
                 "WHERE kind = 'knowledge' AND asset_id = :id"),
            {"id": standard.asset_id},
        )  # fmt: skip

    def edit_meanwhile(*arguments: Any) -> Any:
        outcome = handler(*arguments)
        complete(stack, standard.replace(("first", "second")))
        return outcome

    walk = Walk(stack, tmp_path, standard.asset_id, {"probe": read_probe(stack, standard.asset_id)})
    spec = StepSpec(handler.__name__, handler.__name__, {"profile": "standard"})
    with pytest.raises(Postponed):
        walk.run(edit_meanwhile, spec)
    walk.run(handler, replace(spec, name="again"))
    assert find_words(stack, standard.asset_id, "first") == []
    assert find_words(stack, standard.asset_id, "second")


def test_ingesting_again_keeps_what_a_person_wrote_and_does_not_listen(
    stack: Stack, films_folder: Path, known: Ingest
) -> None:
    editor = known("edited and ingested again", "quick")
    complete(stack, editor.replace((HEARD, WRITTEN), (PLACE_HEARD, PLACE_WRITTEN)))
    written = list_said(stack, editor.asset_id)
    film = films_folder / "edited and ingested again.mp4"
    with without_model(stack.home / "models", "base"):
        again = ingest(stack, film, "standard")
    assert again["asset_id"] == editor.asset_id
    assert again["gaps"] == []
    assert list_said(stack, editor.asset_id) == written
    assert PLACE_WRITTEN in list_names(stack, editor.asset_id)
    assert PLACE_HEARD not in list_names(stack, editor.asset_id)


def test_discarding_an_edit_brings_back_what_was_heard(stack: Stack, standard: Editor) -> None:
    before = read_all_rows(stack, standard.asset_id)
    complete(stack, standard.replace((HEARD, WRITTEN), (PLACE_HEARD, PLACE_WRITTEN)))
    assert {"passage", "mention", "asset_word"} <= list_changes(standard, before)
    complete(stack, standard.discard())
    assert list_changes(standard, before) == set()


def test_captions_of_a_video_that_was_never_ingested_start_nothing(
    stack: Stack, films_folder: Path, tmp_path: Path
) -> None:
    editor = prepare(stack, copy_speech(films_folder, "only prepared"), tmp_path)
    assert editor.save([Cue(0, 1500, ("Nobody searches this.",), ())]) is None
    # Nor does the job that somebody asks for.
    assert run_alone(stack, "apply_caption_edits", editor.asset_id)["reused"]
    assert list_said(stack, editor.asset_id) == []


def prepare(stack: Stack, film: Path, shelf: Path) -> Editor:
    """Return the editor of a video that is stored, and of which nothing is known."""
    task = stack.app.tasks["process_video"]
    result = task.apply_async(args=[str(film)]).get(timeout=PATIENCE_SECONDS)
    return Editor(stack, shelf, result["asset_id"])


VTT = b"""WEBVTT

00:00.500 --> 00:04.000
<v Alice Walker>Good evening from the harbor of Oslo.

00:04.000 --> 00:08.000
<v Bob>Thank you, Alice. The ferry leaves at noon.
"""


def test_captions_written_before_the_ingestion_are_what_is_said(
    stack: Stack, films_folder: Path, tmp_path: Path
) -> None:
    film = copy_speech(films_folder, "written before")
    editor = prepare(stack, film, tmp_path)
    assert editor.save(read_caption_file(VTT)) is None
    with without_model(stack.home / "models", "base"):
        result = ingest(stack, film, "standard")
    assert result["gaps"] == []
    asset_id = editor.asset_id
    assert [one[2] for one in list_said(stack, asset_id)] == [
        "Good evening from the harbor of Oslo.",
        "Thank you, Alice. The ferry leaves at noon.",
    ]
    assert read_all_rows(stack, asset_id)["transcript"] == []
    assert "Oslo" in list_names(stack, asset_id)
    (said,) = find_words(stack, asset_id, "ferry")
    assert (said.speaker, said.start_ms, said.end_ms) == ("Bob", 4_000, 8_000)
    assert find_words(stack, asset_id, "ferry", speaker="Bob") == [said]
    assert find_words(stack, asset_id, "ferry", speaker="Alice Walker") == []

    # Without them nobody knows what is said, and the video says so until it is heard.
    complete(stack, editor.discard())
    assert list_said(stack, asset_id) == []
    with stack.database.begin() as connection:
        (gap,) = list_gaps(connection, asset_id)
    assert (gap.subject, gap.code) == ("speech", "captions_discarded")
    assert ingest(stack, film, "standard")["gaps"] == []
    assert find_words(stack, asset_id, HEARD)


def test_captions_in_another_language_are_no_transcript(stack: Stack, quick: Editor) -> None:
    said = list_said(stack, quick.asset_id)
    complete(stack, quick.save([Cue(0, 4000, ("Nach zwei Jahren.",), ())], "de"))
    assert list_said(stack, quick.asset_id) == said


def test_edit_without_its_model_is_saved_and_searches_know_the_old_words_until_it_is_there(
    stack: Stack, standard: Editor
) -> None:
    before = read_rows(stack, standard.asset_id)
    for model in ("minilm-l6-v2-int8", "en-core-web-sm"):
        with without_model(stack.home / "models", model):
            failed = wait_for(stack, standard.replace((HEARD, WRITTEN), (WRITTEN, WRITTEN)))
        assert failed.state is JobState.FAILED
        assert failed.failure is not None
        assert failed.failure.code == "model_missing"
        assert read_rows(stack, standard.asset_id) == before
        assert standard.find().is_corrected
    stack.service.retry_job(failed.id)
    complete(stack, failed.id)
    assert find_words(stack, standard.asset_id, WRITTEN)
    assert find_words(stack, standard.asset_id, HEARD) == []


def test_edited_video_is_deleted_with_all_that_is_known_of_it(
    stack: Stack, known: Ingest, standard: Editor
) -> None:
    editor = known("edited and deleted")
    complete(stack, editor.replace((HEARD, f"word{uuid4().hex[:8]}")))
    rows = read_all_rows(stack, standard.asset_id)
    with stack.database.begin() as connection:
        assert assets.delete_asset(connection, editor.asset_id)
    assert not any(read_all_rows(stack, editor.asset_id).values())
    assert read_all_rows(stack, standard.asset_id) == rows


def test_captions_without_end_or_pause_are_bounded_passages(stack: Stack, quick: Editor) -> None:
    """What nobody could say is stored all the same, in passages that the database accepts."""
    cues = [Cue(at, at + 1, ("x" * 499,) * 10, ()) for at in range(300)]
    complete(stack, quick.save(cues))
    said = list_said(stack, quick.asset_id)
    assert sum(len(one[2].split()) for one in said) == 3_000
