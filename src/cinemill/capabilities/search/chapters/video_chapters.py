"""Chapters and key moments of a stored video, from its passages and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from cinemill.capabilities.search.chapters.boundaries import (
    LEAST_CHAPTER_MS,
    WINDOW,
    find_boundaries,
)
from cinemill.capabilities.search.chapters.key_moments import KeyMoment, choose_key_moments
from cinemill.capabilities.search.chapters.terms import Term, compare_windows, list_terms
from cinemill.capabilities.search.chapters.titles import ChapterWords, choose_titles
from cinemill.core.findings.finding import FindingKind
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import Space
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.sets import find_active, list_findings
from cinemill.storage.knowledge.passage_facts import (
    PassageName,
    count_passage_statements,
    list_passage_names,
)
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.retrieval.models import EmbeddingModel, find_active_model
from cinemill.storage.retrieval.passage_similarity import measure_gap_similarities
from cinemill.storage.retrieval.passages import StoredPassage, list_passages

TRACKS = (PassageTrack.SPEECH, PassageTrack.DESCRIPTION, PassageTrack.TEXT)
"""What chapters are made of: the first of these that the video has enough of."""
FEWEST_PASSAGES = 4
MOST_PASSAGES = 20_000
"""Twelve hours of speech have at most 14,400."""
_SNAP_MS = 5_000
"""A cut at most so long before the words begins the chapter."""
_MOST_CUTS = 50


class Comparison(StrEnum):
    """What the passages were compared by."""

    MEANING = "meaning"
    WORDS = "words"
    """Where not all of them have a vector."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a video, which ends where the next one begins."""

    start_ms: int
    end_ms: int
    words: tuple[str, ...]
    """Said in this chapter and in few others, the most characteristic first; may be empty."""


@dataclass(frozen=True, slots=True)
class VideoChapters:
    """The chapters of a video, in order and without gaps, and its key moments."""

    chapters: Sequence[Chapter] = ()
    """None, or two and more: one would only repeat the video."""
    key_moments: Sequence[KeyMoment] = ()
    track: PassageTrack | None = None
    """What they were made of; None where the video has too little of everything."""
    comparison: Comparison | None = None


def read_chapters(database: Database, asset: AssetRecord) -> VideoChapters:
    """Return the chapters and key moments of a video; none where nothing is said or written.

    They follow whatever is stored at this moment.
    Raises DatabaseUnavailable, LockTimeout.
    """
    with database.begin() as connection:
        model = find_active_model(connection, Space.TEXT)
        for track in TRACKS:
            passages = list_passages(connection, asset.id, track, limit=MOST_PASSAGES)
            if len(passages) >= FEWEST_PASSAGES:
                break
        else:
            return VideoChapters()
    return divide_passages(database, asset, passages, model)


def divide_passages(
    database: Database,
    asset: AssetRecord,
    passages: Sequence[StoredPassage],
    model: EmbeddingModel | None,
) -> VideoChapters:
    """Return the chapters and key moments of a video by all passages of one of its tracks.

    They are compared by the vectors of this model; without one, or where a vector is missing, by
    their words. There must be at least one passage.
    Raises DatabaseUnavailable, LockTimeout.
    """
    track = passages[0].passage.track
    # What takes long with many passages is computed outside of transactions, which must not idle.
    with database.begin() as connection:
        by_vectors = _compare_vectors(connection, passages, model)
        names = list_passage_names(connection, asset.id)
        statements = count_passage_statements(connection, asset.id)
    terms = [list_terms(one.passage.text) for one in passages]
    comparison, similarities = _compare(terms, by_vectors)
    end_ms = _find_end(asset, passages)
    firsts = find_boundaries(similarities, [one.passage.start_ms for one in passages], end_ms)
    chapters: list[Chapter] = []
    if firsts:
        with database.begin() as connection:
            times = [*_place(connection, asset.id, passages, firsts), end_ms]
        titles = choose_titles(_list_words(passages, terms, names, firsts))
        chapters = [
            Chapter(start_ms, until_ms, words)
            for (start_ms, until_ms), words in zip(pairwise(times), titles, strict=True)
        ]
    moments = choose_key_moments(passages, names, statements)
    return VideoChapters(chapters, moments, track, comparison)


def _compare_vectors(
    connection: Connection, passages: Sequence[StoredPassage], model: EmbeddingModel | None
) -> Sequence[float] | None:
    """Return how alike both sides of each gap are by their vectors; None where some are missing."""
    if model is None:
        return None
    first = passages[0]
    found = measure_gap_similarities(
        connection,
        first.asset_id,
        first.passage.track,
        model,
        window=WINDOW,
        limit=MOST_PASSAGES,
    )
    # An ingestion may have replaced the passages between the two statements.
    return found if found is not None and len(found) == len(passages) - 1 else None


def _compare(
    terms: Sequence[Sequence[Term]], by_vectors: Sequence[float] | None
) -> tuple[Comparison, Sequence[float]]:
    """Return how alike both sides of each gap are, and by what they were compared."""
    if by_vectors is not None:
        return Comparison.MEANING, by_vectors
    return Comparison.WORDS, compare_windows(terms, window=WINDOW)


def _list_words(
    passages: Sequence[StoredPassage],
    terms: Sequence[Sequence[Term]],
    names: Mapping[str, Sequence[PassageName]],
    firsts: Sequence[int],
) -> list[ChapterWords]:
    """Return the words and names of the chapters that begin with these passages, and the first."""
    return [
        ChapterWords(
            [term for listed in terms[first:end] for term in listed],
            [name for one in passages[first:end] for name in names.get(one.id, ())],
        )
        for first, end in pairwise([0, *firsts, len(passages)])
    ]


def _find_end(asset: AssetRecord, passages: Sequence[StoredPassage]) -> int:
    """Return when a video ends, in milliseconds; a header may say less than is there."""
    stated = 0.0 if asset.media is None else float(asset.media.duration_seconds_from_header)
    return max(round(1000 * stated), passages[-1].passage.end_ms)


def _place(
    connection: Connection, asset_id: str, passages: Sequence[StoredPassage], firsts: Sequence[int]
) -> list[int]:
    """Return when the chapters begin: at 0, and then those that have these first passages.

    Each at the last cut between two passages, as far as it is near and leaves the chapter before
    long enough, else with the first word.
    """
    shots = find_active(connection, asset_id, FindingKind.SHOT)
    places = [0]
    for first in firsts:
        start_ms = passages[first].passage.start_ms
        earliest_ms = max(
            passages[first - 1].passage.end_ms,
            start_ms - _SNAP_MS,
            places[-1] + LEAST_CHAPTER_MS,
        )
        cuts = [] if shots is None else _list_cuts(connection, shots.id, earliest_ms, start_ms)
        places.append(max(cuts, default=start_ms))
    return places


def _list_cuts(connection: Connection, set_id: str, from_ms: int, to_ms: int) -> list[int]:
    """Return when shots begin in a range of time, its end included."""
    found = list_findings(connection, set_id, from_ms=from_ms, to_ms=to_ms + 1, limit=_MOST_CUTS)
    return [shot.start_ms for _, shot in found if from_ms <= shot.start_ms <= to_ms]
