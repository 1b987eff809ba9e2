"""Video-MME: questions with four options about videos of a minute to an hour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, TypeAdapter

from cinemill.capabilities.search.evaluation.benchmarks.files import (
    MOST_ENTRIES,
    Entry,
    Identifier,
    Text,
    VideoName,
    read_document,
    read_json_lines,
    refuse_duplicates,
)
from cinemill.capabilities.search.evaluation.benchmarks.records import (
    LETTERS,
    BenchmarkInvalid,
    ChoiceBenchmark,
    ChoiceQuestion,
)

NAME = "Video-MME"
_OPTION = re.compile(r"^\s*\(?([A-H])[.):]\s*")
_PARQUET = b"PAR1"


class _Asked(Entry):
    question_id: Identifier
    task_type: Annotated[str, Field(max_length=200)] = ""
    question: Text
    options: Annotated[
        list[Text],
        Field(
            min_length=2,
            max_length=len(LETTERS),
            validation_alias=AliasChoices("options", "choices"),
        ),
    ]
    answer: Annotated[str, Field(pattern=r"^[A-H]$")]


class _About(Entry):
    video_id: VideoName
    youtube_id: Annotated[VideoName | None, Field(validation_alias="videoID")] = None
    """Names the files of the published videos."""
    duration: Annotated[
        str, Field(max_length=200, validation_alias=AliasChoices("duration", "duration_category"))
    ] = ""
    domain: Annotated[
        str, Field(max_length=200, validation_alias=AliasChoices("domain", "video_category"))
    ] = ""


class _Row(_About, _Asked):
    """A row of the published table."""


class _Video(_About):
    """A video of the form in which results are handed in, with its questions."""

    questions: Annotated[list[_Asked], Field(max_length=1000)]


_Document = Annotated[list[_Video] | list[_Row], Field(max_length=MOST_ENTRIES)]


def read_video_mme(path: Path) -> ChoiceBenchmark:
    """Return the questions of a JSON document, or of a file with one JSON object a line.

    The published table is a Parquet file, which has to be saved as JSON first; the form in which
    results are handed in, with the questions of each video, is read as well.

    Raises BenchmarkInvalid (``dataset_invalid``), BenchmarkTooLarge (``dataset_too_large``).
    """
    _refuse_parquet(path)
    if path.suffix.lower() == ".jsonl":
        questions = [_ask(path, row, row) for row in read_json_lines(path, _Row)]
    else:
        questions = list(_list_questions(path, read_document(path, TypeAdapter(_Document))))
    if not questions:
        raise BenchmarkInvalid(f"{path} has no questions.")
    refuse_duplicates(path, (one.id for one in questions))
    return ChoiceBenchmark(NAME, tuple(questions))


def _list_questions(path: Path, entries: Iterable[_Video | _Row]) -> Iterator[ChoiceQuestion]:
    for entry in entries:
        if isinstance(entry, _Row):
            yield _ask(path, entry, entry)
        else:
            for asked in entry.questions:
                yield _ask(path, entry, asked)


def _ask(path: Path, about: _About, asked: _Asked) -> ChoiceQuestion:
    answer = LETTERS.index(asked.answer)
    if answer >= len(asked.options):
        raise BenchmarkInvalid(
            f"{path}: question {asked.question_id} has no option for its answer."
        )
    groups = {"duration": about.duration, "domain": about.domain, "task": asked.task_type}
    return ChoiceQuestion(
        id=asked.question_id,
        video=about.youtube_id or about.video_id,
        text=asked.question,
        options=tuple(_OPTION.sub("", option) for option in asked.options),
        answer=answer,
        groups=tuple(f"{name}: {value}" for name, value in groups.items() if value),
    )


def _refuse_parquet(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_PARQUET))
    except OSError as missing:
        raise BenchmarkInvalid(f"{path} cannot be read: {missing.strerror}.") from missing
    if head == _PARQUET:
        raise BenchmarkInvalid(
            f"{path} is a Parquet file, which is not read.",
            hint="Save it as JSON: pandas.read_parquet(PATH).to_json('video_mme.json', "
            "orient='records').",
        )
