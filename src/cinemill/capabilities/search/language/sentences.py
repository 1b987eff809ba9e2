"""Texts divided into sentences."""

from __future__ import annotations

import re

LONGEST_SENTENCE = 400
_END = re.compile(r"[.!?…]+[\"”’)»]*(?=\s|$)|[。！？]+")
_ABBREVIATION = re.compile(r"(?:^|\W)(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|No|vs)\.$")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, with their marks; a very long one is cut."""
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _ABBREVIATION.search(text[start : match.end()]):
            continue
        sentences.append(text[start : match.end()])
        start = match.end()
    plain = (" ".join(sentence.split()) for sentence in [*sentences, text[start:]])
    return [sentence[:LONGEST_SENTENCE] for sentence in plain if any(map(str.isalnum, sentence))]
