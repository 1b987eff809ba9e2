"""Passages of speech: about ten seconds each, cut where a sentence or a shot ends. Pure.

Words fall into runs at long silences and where another person begins to speak, if captions name
them. Within a run the cuts are those that cost least together (dynamic programming over short
pieces of a sentence, so that twelve hours take seconds).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.text.segmentation import ends_clause, ends_sentence, join_words
from cinemill.core.transcript import Transcript, Word, list_words

IDEAL_MS = 10_000
LEAST_MS = 3_000
MOST_MS = 20_000
SILENCE_MS = 4_000
"""A silence so long ends a passage, which may then be shorter than 3 s."""
BREATH_MS = 400
PIECE_MS = 2_000
"""Words without marks and pauses are kept together for so long."""
PIECE_CHARACTERS = 1_000
MOST_CHARACTERS = 10_000
MOST_PIECES = 200
"""Of a passage. Nobody speaks so fast in 20 s: these bound captions that were made to be odd."""
SURE = 0.5
"""Probability of a word from which on a speech model is sure of it."""
_MID_SENTENCE_COST = 3.0
_CLAUSE_COST = 1.0
_LENGTH_COST = 1.0
_SHORT_COST = 8.0
_SHOT_GAIN = 1.0
"""For a cut between two words that are said in different shots."""
_INNER_SHOT_COST = 0.25
_INNER_SENTENCE_COST = 0.1


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words that stay together, in order of time."""

    words: tuple[Word, ...]
    cost: float
    """Of a cut after it, the length of the passage apart."""
    shots: int
    """Number of shots that have begun when its last word begins."""
    characters: int

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.words[-1].end_ms


def make_passages(transcript: Transcript, cuts_ms: Sequence[int] = ()) -> list[Passage]:
    """Return the passages of a transcript: in order, every word once, none overlapping.

    ``cuts_ms`` are the moments at which a shot begins. A passage is 3 to 20 s long; it is shorter
    where silence or another speaker surrounds it, and longer only where a single word is. Each is
    at least 1 ms long.
    """
    shots = sorted(set(cuts_ms))
    groups: list[Sequence[_Piece]] = []
    speakers: list[str] = []
    said: list[Word] = []
    for speaker, utterances in groupby(transcript.utterances, key=lambda one: one.speaker):
        turn = _order(list_words(utterances), said[-1:])
        said += turn
        for run in _split_runs(turn):
            cut = _cut_run(list(_make_pieces(run, shots)))
            groups += cut
            speakers += [speaker] * len(cut)
    # Words that share the time of their utterance have no probabilities.
    is_heard = any(word.probability > 0 for word in said)
    timed = zip(_time_groups(groups), speakers, strict=True)
    return [
        Passage(
            number=number,
            track=PassageTrack.SPEECH,
            start_ms=start_ms,
            end_ms=end_ms,
            text=join_words(words),
            language=transcript.caption_language,
            speaker=speaker,
            unsure_words=_list_unsure(words) if is_heard else None,
        )
        for number, ((start_ms, end_ms, words), speaker) in enumerate(timed)
    ]


def _list_unsure(words: Iterable[Word]) -> tuple[str, ...]:
    unsure = (word.text.strip() for word in words if 0 < word.probability < SURE)
    return tuple(dict.fromkeys(unsure))


def _order(words: Iterable[Word], before: Sequence[Word]) -> list[Word]:
    """Return the words that have letters, no one beginning before the one that was said before.

    ``before`` is the last word of the person who spoke before, if anybody did.
    """
    ordered = [*before]
    for word in words:
        if not word.text.strip():
            continue
        start_ms = max(word.start_ms, ordered[-1].start_ms) if ordered else max(0, word.start_ms)
        end_ms = max(word.end_ms, start_ms)
        ordered.append(Word(start_ms, end_ms, word.text, word.probability))
    return ordered[len(before) :]


def _split_runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if run and word.start_ms - run[-1].end_ms >= SILENCE_MS:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _make_pieces(run: Sequence[Word], shots: Sequence[int]) -> Iterator[_Piece]:
    """Yield the pieces of a run: up to a mark, a pause, a cut or two seconds."""
    piece: list[Word] = []
    characters = 0
    for at, word in enumerate(run):
        piece.append(word)
        characters += len(word.text)
        following = run[at + 1] if at + 1 < len(run) else None
        shown = bisect_right(shots, word.start_ms)
        is_cut = following is not None and bisect_right(shots, following.start_ms) > shown
        is_pause = following is not None and following.start_ms - word.end_ms >= BREATH_MS
        is_long = word.end_ms - piece[0].start_ms >= PIECE_MS or characters >= PIECE_CHARACTERS
        if following is None or is_cut or is_pause or is_long or ends_clause(word.text):
            cost = _cost_cut(word, is_cut=is_cut, is_pause=is_pause)
            yield _Piece(tuple(piece), cost, shown, characters)
            piece, characters = [], 0


def _cost_cut(word: Word, *, is_cut: bool, is_pause: bool) -> float:
    cost = _MID_SENTENCE_COST
    if ends_sentence(word.text):
        cost = 0.0
    elif is_pause or ends_clause(word.text):
        cost = _CLAUSE_COST
    return cost - (_SHOT_GAIN if is_cut else 0.0)


def _cut_run(pieces: Sequence[_Piece]) -> list[Sequence[_Piece]]:
    """Return the pieces in groups with the lowest total cost."""
    costs = [0.0] + [float("inf")] * len(pieces)
    starts = [0] * (len(pieces) + 1)
    for start in range(len(pieces)):
        characters = 0
        for end in range(start + 1, min(start + MOST_PIECES, len(pieces)) + 1):
            length_ms = pieces[end - 1].end_ms - pieces[start].start_ms
            characters += pieces[end - 1].characters
            if end > start + 1 and (length_ms > MOST_MS or characters > MOST_CHARACTERS):
                break
            cost = costs[start] + _cost_group(pieces, start, end, length_ms)
            if cost < costs[end]:
                costs[end], starts[end] = cost, start
    groups, end = [], len(pieces)
    while end:
        groups.append(pieces[starts[end] : end])
        end = starts[end]
    return groups[::-1]


def _cost_group(pieces: Sequence[_Piece], start: int, end: int, length_ms: int) -> float:
    deviation = (length_ms - IDEAL_MS) / IDEAL_MS
    cost = _LENGTH_COST * deviation * deviation * 4
    if length_ms < LEAST_MS:
        cost += _SHORT_COST
    cost += _INNER_SHOT_COST * (pieces[end - 1].shots - pieces[start].shots)
    cost += _INNER_SENTENCE_COST * (end - start - 1)
    return cost + (pieces[end - 1].cost if end < len(pieces) else 0.0)


def _time_groups(groups: Sequence[Sequence[_Piece]]) -> Iterator[tuple[int, int, list[Word]]]:
    """Yield start, end and words: from the first word to the last, never into the next passage."""
    starts: list[int] = []
    for group in groups:
        earliest_ms = starts[-1] + 1 if starts else 0
        starts.append(max(earliest_ms, group[0].start_ms))
    for at, group in enumerate(groups):
        end_ms = max(word.end_ms for piece in group for word in piece.words)
        if at + 1 < len(starts):
            end_ms = min(end_ms, starts[at + 1])
        words = [word for piece in group for word in piece.words]
        yield starts[at], max(end_ms, starts[at] + 1), words
