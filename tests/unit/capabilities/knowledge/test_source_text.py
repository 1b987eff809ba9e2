"""Characters of a text and the time of their words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.knowledge.source_text import SourceText, from_passage
from cinemill.core.knowledge.graph import Modality, TextSpan
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.transcript import Word

TEXT = "The treaty was signed in Paris."
WORDS = tuple(
    Word(n * 100, n * 100 + 80, text, 0.9)
    for n, text in enumerate([" The", " treaty", " was", " signed", " in", " Paris."])
)


def test_span_has_the_time_of_its_words() -> None:
    source = SourceText(TEXT, 0, 9000, words=WORDS)
    assert source.locate(TextSpan(4, 10)) == (100, 180)
    assert source.locate(TextSpan(TEXT.index("Paris"), TEXT.index("."))) == (500, 580)
    assert source.locate(TextSpan(0, len(TEXT))) == (0, 580)


def test_span_has_the_time_of_the_text_where_words_are_of_another_text() -> None:
    source = SourceText("Another text.", 10, 9000, words=WORDS)
    assert source.locate(TextSpan(0, 7)) == (10, 9000)
    assert SourceText(TEXT, 10, 9000).locate(TextSpan(0, 3)) == (10, 9000)


@given(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
def test_span_lies_within_its_text(one: int, other: int) -> None:
    source = SourceText(f" {TEXT}", 0, 600, words=WORDS)
    start_ms, end_ms = source.locate(TextSpan(min(one, other), max(one, other)))
    assert 0 <= start_ms <= end_ms <= 600


def test_passage_keeps_its_speaker_and_track() -> None:
    source = from_passage(Passage(0, PassageTrack.TEXT, 5, 9, "EXIT", "en", "Anna"))
    assert source == SourceText("EXIT", 5, 9, Modality.TEXT, "Anna")
