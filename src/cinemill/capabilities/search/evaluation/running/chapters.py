"""Chapters of joined talks, as the real code divides them, against where they were joined."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from cinemill.capabilities.search.chapters.video_chapters import (
    Comparison,
    VideoChapters,
    divide_passages,
)
from cinemill.capabilities.search.evaluation.making.talks import Talk
from cinemill.capabilities.search.evaluation.metrics.segmentation import (
    SegmentationScore,
    measure_f1,
    score_division,
)
from cinemill.capabilities.search.evaluation.running.library import CorpusLibrary
from cinemill.capabilities.search.evaluation.running.video_passages import VideoPassages
from cinemill.core.documents import JsonObject
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.steps.ingestion.speech_passages import make_passages
from cinemill.storage.media.assets import get_asset
from cinemill.storage.retrieval.passages import StoredPassage, list_passages

TOLERANCE = 1
"""Passages by which a boundary may be off: about ten seconds."""
EVENLY, UNDIVIDED = "evenly spaced, right number", "undivided"


@dataclass(frozen=True, slots=True)
class ChapterFigures:
    """Of one way to divide all talks."""

    pk: float
    window_diff: float
    precision: float
    recall: float
    f1: float

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChapterEvaluation:
    """Figures by the name of a way to divide; also of talks that have one subject."""

    figures: Mapping[str, ChapterFigures]
    needless: Mapping[str, float]
    """Boundaries that were put into a talk of one subject, on average."""
    talks: int
    passages: int

    def to_json(self) -> JsonObject:
        """Return plain JSON values."""
        return {
            "talks": self.talks,
            "passages": self.passages,
            "figures": {name: one.to_json() for name, one in self.figures.items()},
            "needless_boundaries": dict(self.needless),
        }


def make_talk_passages(talks: Sequence[Talk]) -> dict[str, VideoPassages]:
    """Return what is said in each talk as passages, by its name."""
    return {
        one.name: {PassageTrack.SPEECH: make_passages(one.transcript, one.cuts_ms)} for one in talks
    }


def evaluate_chapters(
    library: CorpusLibrary, talks: Sequence[Talk], single: Sequence[Talk]
) -> ChapterEvaluation:
    """Return the figures of talks, and of ``single`` ones that have one subject.

    The library holds the passages of all of them.
    """
    assets = {name: asset_id for asset_id, name in library.names.items()}
    scores: dict[str, list[SegmentationScore]] = {}
    passages = 0
    for talk in talks:
        said = _read(library, assets[talk.name])
        passages += len(said)
        truth = _number(said, talk.starts_ms)
        ways = {
            **{way: _number(said, starts) for way, starts in _divide(library, said).items()},
            EVENLY: [at * len(talk.starts_ms) // len(said) for at in range(len(said))],
            UNDIVIDED: [0] * len(said),
        }
        for way, claimed in ways.items():
            score = score_division(truth, claimed, tolerance=TOLERANCE)
            scores.setdefault(way, []).append(score)
    needless: dict[str, list[int]] = {}
    for talk in single:
        for way, starts in _divide(library, _read(library, assets[talk.name])).items():
            needless.setdefault(way, []).append(max(0, len(starts) - 1))
    return ChapterEvaluation(
        {way: _sum_up(listed) for way, listed in scores.items()},
        {way: fmean(counts) for way, counts in needless.items()},
        len(talks),
        passages,
    )


def _read(library: CorpusLibrary, asset_id: str) -> list[StoredPassage]:
    with library.database.begin() as connection:
        return list_passages(connection, asset_id, PassageTrack.SPEECH, limit=10_000)


def _divide(library: CorpusLibrary, said: Sequence[StoredPassage]) -> dict[str, list[int]]:
    """Return when chapters begin, by the way in which passages are compared."""
    asset = get_asset(library.database, said[0].asset_id)
    found = {
        Comparison.MEANING.value: divide_passages(library.database, asset, said, library.model),
        Comparison.WORDS.value: divide_passages(library.database, asset, said, None),
    }
    return {way: _list_starts(one) for way, one in found.items()}


def _list_starts(found: VideoChapters) -> list[int]:
    return [one.start_ms for one in found.chapters] or [0]


def _number(said: Sequence[StoredPassage], starts_ms: Sequence[int]) -> list[int]:
    """Return the number of the chapter that the middle of each passage is in."""
    middles = [(one.passage.start_ms + one.passage.end_ms) // 2 for one in said]
    return [bisect_right(starts_ms, middle) for middle in middles]


def _sum_up(scores: Sequence[SegmentationScore]) -> ChapterFigures:
    found = sum(one.found for one in scores)
    return ChapterFigures(
        pk=fmean(one.pk for one in scores),
        window_diff=fmean(one.window_diff for one in scores),
        precision=found / max(1, sum(one.claimed for one in scores)),
        recall=found / max(1, sum(one.true for one in scores)),
        f1=measure_f1(scores),
    )
