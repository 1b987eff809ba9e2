"""Families of facts, and the scenes and questions that a plan draws from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Split(StrEnum):
    """What a video, a family and a question are used for; a split shares no name with another."""

    TUNE = "tune"
    """Weights are fitted on it."""
    VALIDATE = "validate"
    """Thresholds are set on it, and choices compared."""
    TEST = "test"
    """Measured once a choice is final; see ``making.corpus_files.read_final_questions``."""


class QueryClass(StrEnum):
    """What kind of question it is. Figures are given for each, as pooled ones flatter."""

    WHO = "who"
    WHAT = "what"
    WHERE = "where"
    WHEN = "when"
    HOW_MANY = "how-many"
    WHY = "why"
    PARAPHRASE = "paraphrase"
    """In other words than the video's."""
    RELATION = "relation"
    """Between two entities that are both named."""
    STATEMENT = "statement"
    """What somebody says or believes."""
    NEGATION = "negation"
    """What did not happen."""
    QUOTE = "quote"
    """Words between quotation marks."""
    ON_SCREEN = "on-screen"
    """Text in the picture."""
    SEEN = "seen"
    """Colors and shapes."""
    FOLLOW_UP = "follow-up"
    """Understood only with the question before it."""


class MissKind(StrEnum):
    """Why a question that resembles the video's words cannot be answered."""

    PREDICATE = "predicate"
    """The entity is there, and nothing of the kind is said of it."""
    NEGATION = "negation"
    """The opposite is said."""
    SWAPPED_NAME = "swapped-name"
    """Both names are there, in different facts."""
    SWAPPED_ROLES = "swapped-roles"
    """Both names are in one fact, the other way round."""
    ABSENT = "absent"
    """The entity is in no video."""


class EvidencePart(StrEnum):
    """Where a scene has the answer."""

    SPEECH = "speech"
    """In the sentence that states the fact."""
    SCREEN = "screen"
    """In the sign or the picture, throughout the scene."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question with an answer. ``text`` is a template with the names of slots."""

    query_class: QueryClass
    text: str
    answer: str
    """The slot with the answer."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A question without an answer, in the form of one that has one."""

    kind: MissKind
    text: str
    unsaid: str = ""
    """Template of words that no video contains; they are what makes it unanswerable."""


@dataclass(frozen=True, slots=True)
class FollowUps:
    """Second questions, after the first question of the family's ``asks``."""

    pronoun: Ask
    """About the same fact, without a name."""
    other: Ask
    """The first question for another scene of the family, whose slots begin with ``other_``."""
    miss: Miss
    """Without a name, and without an answer."""


@dataclass(frozen=True, slots=True)
class Family:
    """A form of fact: how it is stated, asked for, and nearly asked for."""

    name: str
    statements: tuple[str, ...]
    """Templates of one sentence; empty where the fact is seen, not said."""
    asks: tuple[Ask, Ask]
    """In the video's own words, and in others."""
    misses: tuple[Miss, ...]
    follow_ups: FollowUps | None = None
    slots: tuple[str, ...] = ()
    """Slots that no statement mentions."""

    @property
    def evidence(self) -> EvidencePart:
        return EvidencePart.SPEECH if self.statements else EvidencePart.SCREEN


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: so many shapes on a background."""

    color: str
    shape: str = ""
    """Empty: there are none."""
    count: int = 0

    def describe(self) -> str:
        """Return what is seen, in words: ``three white stars on a red background``."""
        background = f"a {self.color} background"
        if not self.shape:
            return background
        plural = "" if self.count == 1 else "s"
        return f"{COUNT_WORDS[self.count]} white {self.shape}{plural} on {background}"


COUNT_WORDS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True, slots=True)
class Scene:
    """The frames between two cuts, and what is said in them."""

    number: int
    """From 0, within its video."""
    family: str
    picture: Picture
    sign: str
    """Text on the screen."""
    sentences: tuple[str, ...]
    evidence: int | None
    """Which sentence states the fact; None where it is seen."""
    voice: int
    """Which of the synthesizer's voices speaks; from 0, modulo their number."""
    values: Mapping[str, str]
    """By slot."""


@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """A video of the corpus before it is made."""

    name: str
    split: Split
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question, or the second of two."""

    id: str
    split: Split
    family: str
    query_class: QueryClass
    text: str
    video: str
    """With the evidence; of a near miss, the video that it resembles."""
    scene: int
    part: EvidencePart
    answer: str = ""
    """Words that a right answer contains; empty where there is none."""
    miss: MissKind | None = None
    """Why there is no answer; None where there is one."""
    after: str = ""
    """ID of the question that was asked just before; empty where it stands alone."""
    unsaid: str = ""
    """Of a near miss: words that no video contains, where there are such words."""

    @property
    def is_answerable(self) -> bool:
        return self.miss is None


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """Everything that the corpus will say and show."""

    seed: int
    videos: tuple[PlannedVideo, ...]
    questions: tuple[Question, ...]

    def list_questions(self, *splits: Split) -> tuple[Question, ...]:
        """Return the questions of these splits, in order."""
        return tuple(one for one in self.questions if one.split in splits)
