"""MSR-VTT: captions of clips of 10 to 30 seconds; the clip is to be found by its caption."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from cinemill.capabilities.search.evaluation.benchmarks.files import (
    MOST_ENTRIES,
    Entry,
    Identifier,
    Seconds,
    Text,
    VideoName,
    read_document,
    read_rows,
    refuse_duplicates,
    to_ms,
)
from cinemill.capabilities.search.evaluation.benchmarks.records import (
    BenchmarkInvalid,
    MomentBenchmark,
)
from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment

NAME = "MSR-VTT"
LONGEST_CLIP_MS = 30_000
"""Assumed where a file does not state a clip's length."""


class _Video(Entry):
    video_id: VideoName
    split: Identifier
    start: Annotated[Seconds, Field(alias="start time")]
    end: Annotated[Seconds, Field(alias="end time")]


class _Sentence(Entry):
    video_id: VideoName
    sen_id: Identifier
    caption: Text


class _Document(Entry):
    videos: Annotated[list[_Video], Field(max_length=MOST_ENTRIES)]
    sentences: Annotated[list[_Sentence], Field(max_length=MOST_ENTRIES)]


class _Row(Entry):
    key: Identifier
    video_id: VideoName
    sentence: Text


def read_msr_vtt(path: Path, *, split: str = "test") -> MomentBenchmark:
    """Return the captions of a split (``train``, ``validate`` or ``test``) as questions.

    ``path`` is ``train_val_videodatainfo.json`` or ``test_videodatainfo.json``, or the table of the
    split "1k-A", ``MSRVTT_JSFUSION_test.csv``, which has one caption a clip and names no split.

    Raises BenchmarkInvalid (``dataset_invalid``), BenchmarkTooLarge (``dataset_too_large``).
    """
    if path.suffix.lower() == ".csv":
        return _read_table(path)
    document = read_document(path, TypeAdapter(_Document))
    lengths = {
        video.video_id: to_ms(video.end - video.start)
        for video in document.videos
        if video.split == split
    }
    if any(length <= 0 for length in lengths.values()):
        raise BenchmarkInvalid(f"{path} has a clip that ends before it begins.")
    refuse_duplicates(path, (one.sen_id for one in document.sentences))
    questions = [
        _ask(one.sen_id, one.video_id, one.caption, lengths[one.video_id])
        for one in document.sentences
        if one.video_id in lengths
    ]
    if not questions:
        raise BenchmarkInvalid(f"{path} has no captions of the split {split!r}.")
    skipped = Counter({"from another split": len(document.sentences) - len(questions)})
    return MomentBenchmark(NAME, tuple(questions), lengths, dict(+skipped))


def _read_table(path: Path) -> MomentBenchmark:
    rows = read_rows(path, _Row)
    if not rows:
        raise BenchmarkInvalid(f"{path} has no rows.")
    refuse_duplicates(path, (row.key for row in rows))
    questions = tuple(_ask(row.key, row.video_id, row.sentence, LONGEST_CLIP_MS) for row in rows)
    return MomentBenchmark(NAME, questions, {})


def _ask(identifier: str, video: str, caption: str, length_ms: int) -> AskedQuestion:
    return AskedQuestion(identifier, caption, video, (Moment(video, 0, length_ms),))
