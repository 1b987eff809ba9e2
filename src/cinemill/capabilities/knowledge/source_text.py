"""Text with its time in a video: what entities and relations are found in."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.core.knowledge.graph import Modality, TextSpan
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.transcript import Word

_MODALITIES = {
    PassageTrack.SPEECH: Modality.SPEECH,
    PassageTrack.TEXT: Modality.TEXT,
    PassageTrack.PICTURE: Modality.PICTURE,
}


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text of a video and the time in which it is said or shown. Milliseconds, half-open."""

    text: str
    start_ms: int
    end_ms: int
    modality: Modality = Modality.SPEECH
    speaker: str = ""
    """Empty where nobody named one."""
    words: tuple[Word, ...] = ()
    """With their times; their texts joined are the text, but for spaces around it."""

    def locate(self, span: TextSpan) -> tuple[int, int]:
        """Return the time of these characters: of their words, else of the whole text.

        Characters that no word has, such as spaces, belong to the whole text as well.
        """
        if "".join(word.text for word in self.words).strip() != self.text.strip():
            return self.start_ms, self.end_ms
        position = len(self.text) - len(self.text.lstrip())
        position -= _count_leading_spaces(self.words)
        inside = []
        for word in self.words:
            begin = position + len(word.text) - len(word.text.lstrip())
            position += len(word.text)
            if begin < span.end and span.start < position:
                inside.append(word)
        if not inside:
            return self.start_ms, self.end_ms
        return inside[0].start_ms, max(inside[-1].end_ms, inside[0].start_ms)


def _count_leading_spaces(words: tuple[Word, ...]) -> int:
    joined = "".join(word.text for word in words)
    return len(joined) - len(joined.lstrip())


def from_passage(passage: Passage, words: tuple[Word, ...] = ()) -> SourceText:
    """Return a passage as a source; ``words`` are those that were said in it, if any."""
    return SourceText(
        text=passage.text,
        start_ms=passage.start_ms,
        end_ms=passage.end_ms,
        modality=_MODALITIES[passage.track],
        speaker=passage.speaker,
        words=words,
    )
