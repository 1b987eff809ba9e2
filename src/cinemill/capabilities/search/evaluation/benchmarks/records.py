"""What a published benchmark asks, once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion
from cinemill.errors import InputRejected

LETTERS = "ABCDEFGH"
"""Of options, in order."""


class BenchmarkInvalid(InputRejected):
    """A file is not one of the benchmark's, as it is published, or it is damaged."""

    code = "dataset_invalid"
    hint = "Give the benchmark's own file, unpacked and unchanged."


class BenchmarkTooLarge(BenchmarkInvalid):
    """A file is larger than any that the benchmark has."""

    code = "dataset_too_large"


@dataclass(frozen=True, slots=True)
class MomentBenchmark:
    """Questions whose answers are moments of videos."""

    name: str
    questions: tuple[AskedQuestion, ...]
    durations_ms: Mapping[str, int]
    """By the name of a video, for those whose length the file states."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Number of entries by a sentence that says why they are not used."""

    @property
    def videos(self) -> tuple[str, ...]:
        """Return the names of the videos that are asked about, in order of their first question."""
        return tuple(dict.fromkeys(question.video for question in self.questions))


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A question about one video, with options of which one is right.

    Raises BenchmarkInvalid for more options than there are ``LETTERS``.
    """

    id: str
    video: str
    text: str
    options: tuple[str, ...]
    """Without their letters."""
    answer: int
    """Which of the options is right, from 0."""
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.options) > len(LETTERS):
            raise BenchmarkInvalid(
                f"Question {self.id} has {len(self.options)} options; at most {len(LETTERS)} "
                "have a letter.",
                hint="Leave the question out.",
            )


@dataclass(frozen=True, slots=True)
class ChoiceBenchmark:
    """Questions with options."""

    name: str
    questions: tuple[ChoiceQuestion, ...]
