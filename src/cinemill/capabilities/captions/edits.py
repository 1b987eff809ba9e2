"""Captions as a person writes them: kept line by line, and rejected if they cannot be shown.

Pure. A model's transcript is broken into cues by ``core.text.segmentation``; here the breaks are
the person's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from cinemill.core.text.segmentation import Cue
from cinemill.core.timing import format_clock
from cinemill.errors import InputRejected

MOST_CUES = 20_000
MAX_LINES = 10
LONGEST_LINE = 500
LONGEST_SPEAKER = 100
MAX_COMPOSED_CHARACTERS = 4
"""Largest number of characters that NFC composes into one: a line longer than that does not become
short."""
MAX_TIME_MS = 100 * 3600 * 1000
"""Largest time that a clock with two-digit hours can show."""
SHOWN_PROBLEMS = 3


def make_cue(start_ms: int, end_ms: int, text: str, speaker: str = "") -> Cue:
    """Return a cue of the given text, without invisible characters and empty lines."""
    lines = (_clean(line) for line in text.splitlines())
    named = _clean(" ".join(speaker.split()))[:LONGEST_SPEAKER].strip()
    return Cue(start_ms, end_ms, tuple(line for line in lines if line), (), named)


def check_cues(cues: Sequence[Cue]) -> None:
    """Raise InputRejected (``captions_invalid``) with the invalid captions, counted from 1."""
    if len(cues) > MOST_CUES:
        raise InputRejected(
            f"There are {len(cues)} captions; {MOST_CUES} are allowed.",
            code="captions_invalid",
            hint="Delete some captions, then save again.",
        )
    problems = list(_find_problems(cues))
    if not problems:
        return
    more = len(problems) - SHOWN_PROBLEMS
    ending = [f"And {more} more."] if more > 0 else []
    raise InputRejected(
        " ".join([*problems[:SHOWN_PROBLEMS], *ending]),
        code="captions_invalid",
        hint="Captions are numbered from 1. Correct these, then save again.",
    )


def _find_problems(cues: Sequence[Cue]) -> Iterator[str]:
    previous_end_ms = 0
    for number, cue in enumerate(cues, start=1):
        if not cue.lines:
            yield f"Caption {number} has no text."
        if len(cue.lines) > MAX_LINES:
            yield f"Caption {number} has {len(cue.lines)} lines; {MAX_LINES} are allowed."
        longest = max(map(len, cue.lines), default=0)
        if longest > LONGEST_LINE:
            yield f"Caption {number} has a line of {longest} characters; {LONGEST_LINE} may be."
        if max(cue.start_ms, cue.end_ms) > MAX_TIME_MS:
            yield f"Caption {number} is later than {MAX_TIME_MS // 3_600_000} hours."
            return
        if cue.end_ms <= cue.start_ms:
            yield f"Caption {number} ends before it begins."
        if cue.start_ms < previous_end_ms:
            ended = format_clock(previous_end_ms)
            yield f"Caption {number} begins before the one above it ends, at {ended}."
        previous_end_ms = max(previous_end_ms, cue.end_ms)


def _clean(line: str) -> str:
    """Return one line in NFC, without control characters, with single spaces."""
    spaced = "".join(" " if unicodedata.category(one) == "Cc" else one for one in line)
    single = " ".join(spaced.split())
    # Normalizing sorts the marks on one letter in quadratic time, which would block everybody else.
    is_hopeless = len(single) > LONGEST_LINE * MAX_COMPOSED_CHARACTERS
    return single if is_hopeless else unicodedata.normalize("NFC", single)
