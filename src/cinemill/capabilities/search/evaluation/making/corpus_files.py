"""The folder of a corpus: videos with their truth, questions, and who has read the final ones.

::

    corpus.json              what it was made from
    questions.json           of the splits tune and validate
    questions-final.json     of the split test
    final-readings.jsonl     one line each time that these were read
    videos/v01.mp4           a video …
    videos/v01.json          … and its truth, written last
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import Question, Split
from cinemill.errors import Conflict, InputRejected

LARGEST_FILE_BYTES = 64 * 1024 * 1024
MAKING_VERSION = 1
"""Of how videos are made from a plan; another one makes other videos."""
CORPUS_NAME = "corpus.json"
QUESTIONS_NAME = "questions.json"
FINAL_QUESTIONS_NAME = "questions-final.json"
READINGS_NAME = "final-readings.jsonl"
VIDEOS_FOLDER = "videos"
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_Document = TypeVar("_Document")


class CorpusInvalid(InputRejected):
    """A folder holds no corpus, or a file of it is damaged."""

    code = "corpus_invalid"
    hint = "Make the corpus again, into an empty folder."


class CorpusDiffers(Conflict):
    """A folder holds a corpus that was made from another plan."""

    code = "corpus_differs"
    hint = "Choose an empty folder, or the seed and the size that this corpus was made from."


class CommitInvalid(InputRejected):
    """The final questions are read for a commit, so that its figures can be made again."""

    code = "commit_invalid"
    hint = "Give the full hash of the commit that is measured, as 'git rev-parse HEAD' prints it."


@dataclass(frozen=True, slots=True)
class CorpusDescription:
    """What a corpus was made from; another value makes another corpus."""

    seed: int
    plan_sha256: str
    """Of everything that is said, shown and asked."""
    synthesizer: str
    videos: tuple[str, ...]
    """Their names, in order."""
    version: int = MAKING_VERSION


class CorpusFolder:
    """The files of a corpus that is made, or being made."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, description: CorpusDescription, questions: Sequence[Question]) -> None:
        """Write what the corpus is made from, and its questions.

        Raises CorpusDiffers if the folder has another one, CorpusInvalid.
        """
        if (self.root / CORPUS_NAME).exists() and self.read_description() != description:
            raise CorpusDiffers(f"{self.root} holds a corpus that was made otherwise.")
        (self.root / VIDEOS_FOLDER).mkdir(parents=True, exist_ok=True)
        final = tuple(one for one in questions if one.split is Split.TEST)
        others = tuple(one for one in questions if one.split is not Split.TEST)
        _write(self.root / QUESTIONS_NAME, _QUESTIONS, others)
        _write(self.root / FINAL_QUESTIONS_NAME, _QUESTIONS, final)
        _write(self.root / CORPUS_NAME, _DESCRIPTION, description)

    def read_description(self) -> CorpusDescription:
        """Return what the corpus was made from. Raises CorpusInvalid."""
        return _read(self.root / CORPUS_NAME, _DESCRIPTION)

    def read_questions(self) -> tuple[Question, ...]:
        """Return the questions for tuning and validation. Raises CorpusInvalid."""
        return _read(self.root / QUESTIONS_NAME, _QUESTIONS)

    def read_final_questions(self, *, commit: str) -> tuple[Question, ...]:
        """Return the questions of the split test, and record that this commit was measured.

        Raises CommitInvalid, CorpusInvalid.
        """
        if not _COMMIT.fullmatch(commit):
            raise CommitInvalid(f"{commit!r} is no hash of a commit.")
        questions = _read(self.root / FINAL_QUESTIONS_NAME, _QUESTIONS)
        with (self.root / READINGS_NAME).open("a", encoding="utf-8") as file:
            file.write(_FINAL_READING.dump_json(_FinalReading(commit)).decode() + "\n")
        return questions

    def list_final_readings(self) -> list[str]:
        """Return the commits that were measured on the split test, in order.

        Raises CorpusInvalid.
        """
        path = self.root / READINGS_NAME
        if not path.exists():
            return []
        lines = _read_bounded(path).splitlines()
        return [_validate(path, _FINAL_READING, line).commit for line in lines]

    def locate_video(self, name: str) -> Path:
        """Return the path of a video, whether it is there or not. Raises CorpusInvalid."""
        return self._path(name, "mp4")

    def has_video(self, name: str) -> bool:
        """Check whether a video and its truth are there."""
        return self._path(name, "json").is_file() and self._path(name, "mp4").is_file()

    def place_video(self, made: Path, truth: TrueVideo) -> None:
        """Move a video into the corpus, from a folder on the same disk, and write its truth."""
        made.replace(self._path(truth.name, "mp4"))
        _write(self._path(truth.name, "json"), _TRUTH, truth)

    def read_video(self, name: str) -> TrueVideo:
        """Return the truth about a video. Raises CorpusInvalid."""
        return _read(self._path(name, "json"), _TRUTH)

    def read_videos(self) -> dict[str, TrueVideo]:
        """Return the truth about all videos by name. Raises CorpusInvalid if one is missing."""
        return {name: self.read_video(name) for name in self.read_description().videos}

    def _path(self, name: str, suffix: str) -> Path:
        if not _NAME.fullmatch(name):
            raise CorpusInvalid(f"{name[:80]!r} is no name of a video.")
        return self.root / VIDEOS_FOLDER / f"{name}.{suffix}"


@dataclass(frozen=True, slots=True)
class _FinalReading:
    commit: str


_QUESTIONS: TypeAdapter[tuple[Question, ...]] = TypeAdapter(tuple[Question, ...])
_DESCRIPTION = TypeAdapter(CorpusDescription)
_TRUTH = TypeAdapter(TrueVideo)
_FINAL_READING = TypeAdapter(_FinalReading)


def _read(path: Path, adapter: TypeAdapter[_Document]) -> _Document:
    return _validate(path, adapter, _read_bounded(path))


def _validate(path: Path, adapter: TypeAdapter[_Document], content: bytes) -> _Document:
    try:
        return adapter.validate_json(content)
    except ValidationError as damaged:
        raise CorpusInvalid(f"{path} is damaged: {damaged.error_count()} errors.") from damaged


def _read_bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as missing:
        raise CorpusInvalid(f"{path} cannot be read: {missing.strerror}.") from missing
    if len(content) > LARGEST_FILE_BYTES:
        raise CorpusInvalid(f"{path} is larger than {LARGEST_FILE_BYTES >> 20} MiB.")
    return content


def _write(path: Path, adapter: TypeAdapter[_Document], document: _Document) -> None:
    """Write JSON so that the file is whole or missing, whatever happens."""
    staged = path.with_suffix(f"{path.suffix}.part")
    staged.write_bytes(adapter.dump_json(document, indent=1) + b"\n")
    staged.replace(path)
