"""What was asked, what was found and answered: the input of every figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import Question


@dataclass(frozen=True, slots=True)
class Moment:
    """A range of a video's time: milliseconds, half-open."""

    video: str
    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with the moments that answer it."""

    id: str
    text: str
    video: str
    """Questions with the same one are drawn together for intervals."""
    evidence: tuple[Moment, ...]
    """Empty where the question has no answer."""
    groups: tuple[str, ...] = ()
    """What figures are given for, apart from all: ``class: who``, ``family: opening``."""
    answer: str = ""
    """Words that a right answer contains; empty where none are known."""
    after: str = ""
    """ID of the question that was asked just before; empty where it stands alone."""

    @property
    def is_answerable(self) -> bool:
        return bool(self.evidence)


@dataclass(frozen=True, slots=True)
class CitedClaim:
    """A sentence of an answer, and the moments that it cites."""

    text: str
    citations: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search or an answer made of a question."""

    question: AskedQuestion
    hits: tuple[Moment, ...] = ()
    """The best first, also where the answer abstained."""
    abstained: bool = False
    claims: tuple[CitedClaim, ...] = ()


def locate_questions(
    questions: Iterable[Question], videos: Mapping[str, TrueVideo]
) -> list[AskedQuestion]:
    """Return the corpus' questions with their evidence in the videos that were made.

    ``videos`` are the true videos by name. Raises KeyError if one is missing.
    """
    return [_locate(question, videos[question.video]) for question in questions]


def _locate(question: Question, video: TrueVideo) -> AskedQuestion:
    evidence = Moment(video.name, *video.locate(question))
    groups = [f"class: {question.query_class}", f"family: {question.family}"]
    if question.miss is not None:
        groups.append(f"near miss: {question.miss}")
    return AskedQuestion(
        id=question.id,
        text=question.text,
        video=video.name,
        evidence=(evidence,) if question.is_answerable else (),
        groups=tuple(groups),
        answer=question.answer,
        after=question.after,
    )
