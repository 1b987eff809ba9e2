"""Filters against hallucinated words: the loops and repeats that speech models fall into. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cinemill.core.transcript import Utterance, Word

LONGEST_PHRASE_WORDS = 8
MAX_REPEATS = 3
"""People do say a thing three times; a looping model repeats it to the end of the window."""
KEPT_REPEATS = 1


def drop_repeated_phrases(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    """Remove loops within an utterance, and utterances that repeat the ones before."""
    kept: list[Utterance] = []
    in_a_row = 0
    for utterance in map(cut_repetition_loops, utterances):
        if not normalize(utterance.text):
            continue
        is_same = bool(kept) and normalize(kept[-1].text) == normalize(utterance.text)
        in_a_row = in_a_row + 1 if is_same else 1
        if in_a_row <= MAX_REPEATS:
            kept.append(utterance)
    return tuple(kept)


def cut_repetition_loops(utterance: Utterance) -> Utterance:
    """Reduce a phrase of up to eight words that occurs more than three times in a row to one."""
    words = list(utterance.words)
    start = 0
    while start < len(words):
        length, times = _find_loop(words, start)
        if times > MAX_REPEATS:
            del words[start + length * KEPT_REPEATS : start + length * times]
        start += 1
    if len(words) == len(utterance.words):
        return utterance
    text = " ".join("".join(word.text for word in words).split())
    return replace(utterance, end_ms=words[-1].end_ms, text=text, words=tuple(words))


def _find_loop(words: list[Word], start: int) -> tuple[int, int]:
    """Return (words of the phrase, consecutive occurrences) of the longest loop from here."""
    best = (1, 1)
    for length in range(1, LONGEST_PHRASE_WORDS + 1):
        phrase = [normalize(word.text) for word in words[start : start + length]]
        times, at = 1, start + length
        while len(phrase) == length and phrase == [
            normalize(w.text) for w in words[at : at + length]
        ]:
            times, at = times + 1, at + length
        if times > MAX_REPEATS and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def normalize(text: str) -> str:
    """Reduce text to its letters and digits, for comparison."""
    return "".join(char for char in text.casefold() if char.isalnum())
