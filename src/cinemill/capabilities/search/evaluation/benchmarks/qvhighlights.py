"""QVHighlights: descriptions of moments in clips of up to 150 seconds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cinemill.capabilities.search.evaluation.benchmarks.files import (
    Entry,
    Identifier,
    Seconds,
    Text,
    VideoName,
    read_json_lines,
    refuse_duplicates,
    to_ms,
)
from cinemill.capabilities.search.evaluation.benchmarks.records import (
    BenchmarkInvalid,
    MomentBenchmark,
)
from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment

NAME = "QVHighlights"
_HIDDEN = "windows not published, as in the test split"
_Window = tuple[Seconds, Seconds]


class _Line(Entry):
    qid: Identifier
    query: Text
    vid: VideoName
    duration: Seconds
    relevant_windows: Annotated[tuple[_Window, ...], Field(max_length=1000)] = ()


def read_qvhighlights(path: Path) -> MomentBenchmark:
    """Return the queries of ``highlight_train_release.jsonl`` or ``highlight_val_release.jsonl``.

    A window that ends after its clip is cut there. Queries without windows are counted as skipped.

    Raises BenchmarkInvalid (``dataset_invalid``), BenchmarkTooLarge (``dataset_too_large``).
    """
    questions: list[AskedQuestion] = []
    durations_ms: dict[str, int] = {}
    skipped: Counter[str] = Counter()
    for line in read_json_lines(path, _Line):
        durations_ms[line.vid] = to_ms(line.duration)
        if line.relevant_windows:
            evidence = tuple(_read_window(path, line, window) for window in line.relevant_windows)
            questions.append(AskedQuestion(line.qid, line.query, line.vid, evidence))
        else:
            skipped[_HIDDEN] += 1
    refuse_duplicates(path, (one.id for one in questions))
    if not questions:
        raise BenchmarkInvalid(f"{path} has no query with its windows.")
    return MomentBenchmark(NAME, tuple(questions), durations_ms, dict(skipped))


def _read_window(path: Path, line: _Line, window: _Window) -> Moment:
    start_ms, end_ms = to_ms(window[0]), min(to_ms(window[1]), to_ms(line.duration))
    if end_ms <= start_ms:
        raise BenchmarkInvalid(f"{path}: a window of query {line.qid} ends before it begins.")
    return Moment(line.vid, start_ms, end_ms)
