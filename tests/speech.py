"""Speech with a known text, and the word error rate.

A plain module for every suite and for the benchmarks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# The beginning of Charles Dickens, A Tale of Two Cities (1859).
TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we
had everything before us, we had nothing before us, we were all going direct to Heaven, we were all
going direct the other way, in short, the period was so far like the present period, that some of
its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only.
"""
# As spoken in the sample video obama_speech, which ends in mid-sentence.
SPEECH = """
Today, after two years of negotiations, the United States, together with our international
partners, has achieved something
"""


def bare_words(text: str) -> list[str]:
    """Return the words without case and punctuation, as error rates are counted."""
    return re.findall(r"[\w']+", text.lower())


def word_error_rate(spoken: str, transcribed: str) -> float:
    """Return the words to insert, delete or replace (Levenshtein), per spoken word."""
    reference, hypothesis = bare_words(spoken), bare_words(transcribed)
    distances: Sequence[int] = range(len(hypothesis) + 1)
    for row, word in enumerate(reference, start=1):
        current = [row]
        for column, other in enumerate(hypothesis, start=1):
            replaced = distances[column - 1] + (word != other)
            current.append(min(replaced, distances[column] + 1, current[column - 1] + 1))
        distances = current
    return distances[-1] / len(reference)
