"""Chapters and key moments of stored videos: by meaning, by words, and none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    MODEL,
    SPEECH,
    make_passages,
    mention,
    register,
    relation,
    save,
    tell,
)
from tests.subjects import CHANGE_MS, MONEY, ROSES, TALK

from cinemill.capabilities.search.chapters import video_chapters
from cinemill.capabilities.search.chapters.video_chapters import (
    Comparison,
    VideoChapters,
    read_chapters,
)
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.storage.database import Database
from cinemill.storage.findings import sets
from cinemill.storage.knowledge.evidence import PassageEvidence
from cinemill.storage.media.assets import delete_asset, get_asset
from cinemill.storage.retrieval.models import find_active_model
from cinemill.storage.retrieval.passages import save_passages
from cinemill.storage.retrieval.vectors import fill_model

from .library import TEXT_MODEL

LENGTH_MS = 10_000 * len(TALK)
IDLING = text(
    """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
    """
)


@pytest.fixture
def film(unindexed: Database) -> Iterator[str]:
    """A video of which nothing is known yet."""
    yield register(unindexed, "film")
    with unindexed.begin() as connection:
        delete_asset(connection, "film")


def read(database: Database) -> VideoChapters:
    return read_chapters(database, get_asset(database, "film"))


def list_starts(found: VideoChapters) -> list[int]:
    return [one.start_ms for one in found.chapters]


def cut(database: Database, starts_ms: Sequence[int]) -> None:
    """Store shots that begin then."""
    shots = [Finding(start, end, "") for start, end in pairwise([*starts_ms, LENGTH_MS])]
    with database.begin() as connection:
        found = sets.open_set(connection, "film", FindingKind.SHOT, MODEL, "params")
        sets.save_part(connection, found.id, 0, shots)
        sets.activate_set(connection, found.id)


def test_subjects_are_chapters_without_gaps(unindexed: Database, film: str) -> None:
    tell(unindexed, film, TALK)
    found = read(unindexed)
    assert (found.track, found.comparison) == (PassageTrack.SPEECH, Comparison.WORDS)
    assert [(one.start_ms, one.end_ms) for one in found.chapters] == [
        (0, CHANGE_MS),
        (CHANGE_MS, LENGTH_MS),
    ]
    roses, money = (one.words for one in found.chapters)
    assert "garden" in roses
    assert "bank" in money
    assert found.key_moments == []


@pytest.mark.parametrize(
    "long_work",
    ["list_terms", "compare_windows", "find_boundaries", "choose_titles", "choose_key_moments"],
)
def test_no_transaction_is_open_while_chapters_are_computed(
    unindexed: Database, film: str, monkeypatch: pytest.MonkeyPatch, long_work: str
) -> None:
    """PostgreSQL ends one that idles for 15 s."""
    tell(unindexed, film, TALK)
    cut(unindexed, [0, CHANGE_MS])
    work = getattr(video_chapters, long_work)
    idling: list[int] = []

    def count_idling(*given: Any, **named: Any) -> Any:
        with unindexed.once() as connection:
            idling.append(connection.execute(IDLING).scalar_one())
        return work(*given, **named)

    monkeypatch.setattr(video_chapters, long_work, count_idling)
    assert len(read(unindexed).chapters) == 2
    assert {*idling} == {0}


def test_names_are_in_titles_and_make_key_moments(unindexed: Database, film: str) -> None:
    ids = tell(unindexed, film, TALK)
    alice, rossi = mention("Alice Walker"), mention("Thomas Rossi", start_ms=90_000)
    bank = mention("Harbor Bank", EntityKind.ORGANIZATION, start_ms=90_000)
    said = relation("Harbor Bank", "raise", "Thomas Rossi")
    save(
        unindexed,
        film,
        [
            PassageEvidence(ids[1], [alice] * 9, []),
            PassageEvidence(ids[9], [bank, rossi], [said]),
        ],
    )
    found = read(unindexed)
    assert found.chapters[0].words[0] == "Alice Walker"
    (moment,) = found.key_moments
    assert (moment.passage_id, moment.text) == (ids[9], MONEY[1])
    assert (moment.names, moment.statement_count) == (("Harbor Bank", "Thomas Rossi"), 1)


def test_chapter_begins_at_the_last_cut_before_its_words(unindexed: Database, film: str) -> None:
    """Between two passages there are five seconds of silence."""
    pauses = [replace(one, end_ms=one.end_ms - 5_000) for one in make_passages(TALK)]
    with unindexed.begin() as connection:
        save_passages(connection, film, SPEECH, pauses)
    assert list_starts(read(unindexed)) == [0, CHANGE_MS]
    cut(unindexed, [0, CHANGE_MS - 7_000, CHANGE_MS - 4_500, CHANGE_MS - 2_000, CHANGE_MS + 1])
    assert list_starts(read(unindexed)) == [0, CHANGE_MS - 2_000]


def test_cut_that_would_shorten_the_chapter_before_too_much_begins_none(
    unindexed: Database, film: str
) -> None:
    """The second subject begins at 48 s, after five seconds of silence."""
    fast = [
        replace(one, start_ms=one.start_ms * 6 // 10, end_ms=one.end_ms * 6 // 10 - 5_000)
        for one in make_passages(TALK)
    ]
    fast[-1] = replace(fast[-1], end_ms=96_000)
    with unindexed.begin() as connection:
        save_passages(connection, film, SPEECH, fast)
    cut(unindexed, [0, 44_000])
    assert list_starts(read(unindexed)) == [0, 48_000]
    cut(unindexed, [0, 44_000, 45_000])
    assert list_starts(read(unindexed)) == [0, 45_000]


def test_real_model_divides_the_same_talk(indexed: Database, models_dir: Path) -> None:
    register(indexed, "film")
    tell(indexed, "film", TALK)
    with indexed.begin() as connection:
        model = find_active_model(connection, "text")
    assert model is not None
    try:
        assert read(indexed).comparison is Comparison.WORDS
        embedder = open_text_embedder(TEXT_MODEL, models_dir)
        fill_model(
            indexed, model.id, lambda batch: list(embedder.embed([one.text for one in batch]))
        )
        found = read(indexed)
        assert found.comparison is Comparison.MEANING
        assert list_starts(found) == [0, CHANGE_MS]
    finally:
        with indexed.begin() as connection:
            delete_asset(connection, "film")


def test_one_subject_has_no_chapters(unindexed: Database, film: str) -> None:
    tell(unindexed, film, [*ROSES, *reversed(ROSES)])
    found = read(unindexed)
    assert found.chapters == []
    assert found.track is PassageTrack.SPEECH


def test_written_text_divides_where_nobody_speaks(unindexed: Database, film: str) -> None:
    tell(unindexed, film, TALK, track=PassageTrack.TEXT)
    found = read(unindexed)
    assert found.track is PassageTrack.TEXT
    assert len(found.chapters) == 2


def test_silent_video_has_none(unindexed: Database, film: str) -> None:
    tell(unindexed, film, TALK[:1])
    tell(unindexed, film, TALK, track=PassageTrack.PICTURE)
    assert read(unindexed) == VideoChapters()
