"""A video of the corpus as it was made: what is said and shown, and when exactly."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.search.evaluation.plan.records import (
    EvidencePart,
    Picture,
    Question,
    Split,
)
from cinemill.core.transcript import SpeechTask, Transcript, Utterance

LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class TrueSentence:
    """A sentence, from its first sound to its last one."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class TrueScene:
    """The frames between two cuts. Times are of the video, half-open."""

    number: int
    family: str
    start_ms: int
    end_ms: int
    picture: Picture
    sign: str
    voice: str
    sentences: tuple[TrueSentence, ...]
    evidence: int | None
    """Which sentence states the fact; None where it is seen."""

    @property
    def visible_text(self) -> str:
        """Return the sign and what is drawn above it, in words."""
        return f"{self.sign}. {self.picture.describe()}."


@dataclass(frozen=True, slots=True)
class TrueVideo:
    """A video that was made."""

    name: str
    split: Split
    fps: int
    frames: int
    scenes: tuple[TrueScene, ...]

    @property
    def duration_ms(self) -> int:
        return self.frames * 1000 // self.fps

    @property
    def cuts_ms(self) -> tuple[int, ...]:
        """Return when each scene but the first begins."""
        return tuple(scene.start_ms for scene in self.scenes[1:])

    def to_transcript(self) -> Transcript:
        """Return what is said, one utterance a sentence, without times of words."""
        return Transcript(
            model="truth",
            model_revision="",
            language=LANGUAGE,
            task=SpeechTask.TRANSCRIBE,
            utterances=tuple(
                Utterance(one.start_ms, one.end_ms, one.text)
                for scene in self.scenes
                for one in scene.sentences
            ),
            facts={},
        )

    def locate(self, question: Question) -> tuple[int, int]:
        """Return the milliseconds in which this video answers the question, half-open.

        A near miss gets the range of the fact that it resembles.
        """
        scene = self.scenes[question.scene]
        if question.part is EvidencePart.SPEECH and scene.evidence is not None:
            sentence = scene.sentences[scene.evidence]
            return sentence.start_ms, sentence.end_ms
        return scene.start_ms, scene.end_ms

    def read_between(self, start_ms: int, end_ms: int) -> str:
        """Return everything that is said or can be read and seen in this range of time."""
        texts = []
        for scene in self.scenes:
            if scene.start_ms < end_ms and start_ms < scene.end_ms:
                texts.append(scene.visible_text)
                texts += [
                    one.text
                    for one in scene.sentences
                    if one.start_ms < end_ms and start_ms < one.end_ms
                ]
        return "\n".join(texts)
