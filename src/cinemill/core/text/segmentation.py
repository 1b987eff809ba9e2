"""Timed words into captions that can be read: where to break, and how long to show. Pure.

Words fall into runs at long pauses. Within a run the breaks are those that cost least together:
a cue should end where a sentence or a clause does, be read in its time, and be neither a flash nor
a wall. Sizes follow the usual guides for subtitling (BBC, Netflix): two lines of 42 columns, 17
characters a second, one to seven seconds.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cinemill.core.transcript import Word

LINE_COLUMNS = 42
LINES = 2
CHARACTERS_PER_SECOND = 17
LEAST_MS = 1000
MOST_MS = 7000
PAUSE_MS = 1500
"""A silence so long ends a cue."""
BREATH_MS = 400
"""A silence so long is as good a place to end as a comma."""
LINGER_MS = 1500
"""A cue may stay so long after its last word, to be read."""
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")
CLAUSE_ENDS = (",", ";", ":", "，", "、", "；", "：", "،", "—", "–")
CLOSERS = "\"'”’»)]}」』"
_CUE_COST = 3.0
_MID_CLAUSE_COST = 6.0
_CLAUSE_COST = 1.0
_ORPHAN_COST = 2.0
_SPEED_COST = 0.25
_FLASH_COST = 2.0


@dataclass(frozen=True, slots=True)
class Cue:
    """Shown from ``start_ms`` up to, not including, ``end_ms``; one or two lines."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    words: tuple[Word, ...]
    speaker: str = ""
    """Whom a person's captions name; empty where they name nobody."""


def make_cues(words: Sequence[Word]) -> tuple[Cue, ...]:
    """Captions of these words: in order, every word once, none overlapping, each longer than 0.

    A single word wider than a line stays whole.
    """
    groups = [group for run in _split_runs(_order(words)) for group in _split_run(run)]
    return tuple(_time_cues(groups))


def measure_columns(text: str) -> int:
    """Width as shown: characters of East Asian scripts are two columns wide."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def join_words(words: Sequence[Word]) -> str:
    """Return the words as text, on one line."""
    return " ".join("".join(word.text for word in words).split())


def break_lines(words: Sequence[Word]) -> tuple[str, ...]:
    """One line where it fits, else two: at punctuation, or the most even."""
    whole = join_words(words)
    if measure_columns(whole) <= LINE_COLUMNS or len(words) == 1:
        return (whole,)
    splits = [
        (join_words(words[:at]), join_words(words[at:]), ends_clause(words[at - 1].text))
        for at in range(1, len(words))
    ]
    best = min(splits, key=_line_cost)
    return best[:2]


def ends_sentence(text: str) -> bool:
    return text.strip().rstrip(CLOSERS).endswith(SENTENCE_ENDS)


def ends_clause(text: str) -> bool:
    return ends_sentence(text) or text.strip().rstrip(CLOSERS).endswith(CLAUSE_ENDS)


def _line_cost(split: tuple[str, str, bool]) -> float:
    upper, lower, is_at_clause = split
    widths = measure_columns(upper), measure_columns(lower)
    over = sum(max(0, width - LINE_COLUMNS) for width in widths)
    unevenness = abs(widths[0] - widths[1])
    return over * 1000 + unevenness - (LINE_COLUMNS / 2 if is_at_clause else 0)


def _order(words: Sequence[Word]) -> list[Word]:
    """Words with something in them, no one beginning before the one that was said before it."""
    ordered: list[Word] = []
    for word in words:
        bare = " ".join(word.text.split())
        if not bare:
            continue
        text = f" {bare}" if word.text[0].isspace() else bare
        start_ms = max(word.start_ms, ordered[-1].start_ms) if ordered else max(0, word.start_ms)
        ordered.append(Word(start_ms, max(word.end_ms, start_ms), text, word.probability))
    return ordered


def _split_runs(words: list[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if run and word.start_ms - run[-1].end_ms > PAUSE_MS:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _split_run(words: list[Word]) -> list[list[Word]]:
    """Return the breaks with the lowest total cost, found from the front (dynamic programming)."""
    run = WordRun(words)
    costs = [0.0] + [float("inf")] * len(words)
    starts = [0] * (len(words) + 1)
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if end > start + 1 and not run.fits(start, end):
                break
            cost = costs[start] + run.cost(start, end)
            if cost < costs[end]:
                costs[end], starts[end] = cost, start
    groups, end = [], len(words)
    while end:
        groups.append(words[starts[end] : end])
        end = starts[end]
    return groups[::-1]


class WordRun:
    """Words with prefix sums of what is asked about every range of them.

    A long video has a hundred thousand words, and each is part of some thirty ranges.
    """

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._columns = [0, *accumulate(measure_columns(word.text) for word in words)]
        self._characters = [0, *accumulate(len(word.text) for word in words)]
        self._ends_sentence = [ends_sentence(word.text) for word in words]
        self._sentences = [0, *accumulate(self._ends_sentence)]

    def fits(self, start: int, end: int) -> bool:
        """Whether these words are said in the time of a cue and go into two lines."""
        words = self._words
        if words[end - 1].end_ms - words[start].start_ms > MOST_MS:
            return False
        full = self._columns[start] + self._lead_in(start) + LINE_COLUMNS
        at = bisect_right(self._columns, full, start + 1, end + 1) - 1
        if at >= end:
            return True
        return at > start and self._columns[end] - self._columns[at] - self._lead_in(at) <= (
            LINE_COLUMNS
        )

    def cost(self, start: int, end: int) -> float:
        """Of showing these words as one cue."""
        words = self._words
        spoken_ms = words[end - 1].end_ms - words[start].start_ms
        shown_ms = max(1, spoken_ms + LINGER_MS)
        cost = _CUE_COST
        if end < len(words):
            cost += self._break_cost(start, end)
            shown_ms = max(1, spoken_ms, min(shown_ms, words[end].start_ms - words[start].start_ms))
        characters = self._characters[end] - self._characters[start]
        excess = characters * 1000 / shown_ms - CHARACTERS_PER_SECOND
        cost += _SPEED_COST * min(40.0, max(0.0, excess))
        # The end of a sentence within a cue is a place where it could have ended.
        cost += _CLAUSE_COST * (self._sentences[end - 1] - self._sentences[start])
        return cost + (_FLASH_COST if shown_ms < LEAST_MS else 0.0)

    def _break_cost(self, start: int, end: int) -> float:
        last, following = self._words[end - 1], self._words[end]
        cost = _ORPHAN_COST if end - start == 1 else 0.0
        if self._ends_sentence[end - 1]:
            return cost
        is_breath = following.start_ms - last.end_ms >= BREATH_MS
        return cost + (_CLAUSE_COST if is_breath or ends_clause(last.text) else _MID_CLAUSE_COST)

    def _lead_in(self, position: int) -> int:
        """1 where the word begins with a space, which is not shown at the beginning of a line."""
        return int(self._words[position].text.startswith(" "))


def _time_cues(groups: list[list[Word]]) -> Iterator[Cue]:
    """Each from its first word on, until it is read, and never into the next."""
    starts: list[int] = []
    for group in groups:
        earliest_ms = starts[-1] + 1 if starts else 0
        starts.append(max(earliest_ms, group[0].start_ms))
    for position, group in enumerate(groups):
        start_ms = starts[position]
        lines = break_lines(group)
        end_ms = start_ms + _display_ms(group, sum(map(len, lines)), start_ms)
        if position + 1 < len(starts):
            end_ms = min(end_ms, starts[position + 1])
        yield Cue(start_ms, end_ms, lines, tuple(group))


def _display_ms(words: list[Word], characters: int, start_ms: int) -> int:
    spoken_ms = words[-1].end_ms - start_ms
    read_ms = max(LEAST_MS, characters * 1000 // CHARACTERS_PER_SECOND)
    return max(1, min(MOST_MS, max(spoken_ms, min(read_ms, max(LEAST_MS, spoken_ms + LINGER_MS)))))
