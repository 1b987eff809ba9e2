"""What was found in a video: findings have times and name the model that produced them.

Times are whole milliseconds from the first frame; ranges are half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SpeechTask(StrEnum):
    """What a transcript holds: the words as they were said, or their English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True)
class Word:
    """``text`` begins with a space where the language puts one before the word."""

    start_ms: int
    end_ms: int
    text: str
    probability: float
    """0–1, the model's own."""

    def to_json(self) -> list[Any]:
        """``[start_ms, end_ms, text, probability]``: there are many of them."""
        return [self.start_ms, self.end_ms, self.text, round(self.probability, 3)]

    @classmethod
    def from_json(cls, document: list[Any]) -> Word:
        return cls(*document)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A range of speech that belongs together.

    ``words`` are in spoken order; there are none where the model gave no word times.
    """

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = ()
    speaker: str = ""
    """Whom captions name; empty where they name nobody."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was said in a video, as one model transcribed it."""

    model: str
    model_revision: str
    """Names the weights, by their content."""
    language: str
    """ISO 639 code of what was said; empty where nobody speaks."""
    task: SpeechTask
    utterances: tuple[Utterance, ...]
    facts: Mapping[str, Any]
    """How it was made: device, precision, seconds and the like."""

    @property
    def caption_language(self) -> str:
        """The language that is read: a translation is English."""
        is_translated = self.task is SpeechTask.TRANSLATE and self.language
        return "en" if is_translated else self.language

    @property
    def text(self) -> str:
        """One utterance a line."""
        return "\n".join(utterance.text for utterance in self.utterances)


def list_words(utterances: Iterable[Utterance]) -> tuple[Word, ...]:
    """Return every word in order.

    An utterance without word times divides its own time among its words, by their lengths.
    """
    return tuple(word for one in utterances for word in (one.words or _spread(one)))


def _spread(utterance: Utterance) -> list[Word]:
    texts = [f" {text}" for text in utterance.text.split()]
    total = sum(map(len, texts)) or 1
    length_ms, seen, words = utterance.end_ms - utterance.start_ms, 0, []
    for text in texts:
        start_ms = utterance.start_ms + length_ms * seen // total
        seen += len(text)
        end_ms = utterance.start_ms + length_ms * seen // total
        words.append(Word(start_ms, end_ms, text, 0.0))
    return words
