"""Times in a model's words. They are made up, so they are removed; ours are attached instead."""

from __future__ import annotations

import re

_CLOCK = r"\d{1,3}:[0-5]\d(?::[0-5]\d)?(?:[.,]\d{1,3})?"
_UNIT = r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|hours?|hrs?)\b"
_AMOUNT = rf"\d+(?:[.,]\d+)?\s*{_UNIT}"
_FRAME = r"(?:frames?|timestamps?|timecodes?)\s*(?:#|no\.?|number)?\s*\d+(?:[.,]\d+)?\s*(?:s\b)?"
_BARE = rf"(?:{_CLOCK}|{_AMOUNT}|{_FRAME}|\d+(?:[.,]\d+)?)"
_TIME = rf"(?:{_CLOCK}|{_AMOUNT}|{_FRAME})"
_RANGE = rf"(?:{_BARE}\s*(?:-|–|—|to|until|through|and)\s*)?{_TIME}"
_LEAD = (
    r"(?:\b(?:at|around|about|approximately|from|between|by|until|till|after|before|during|within|"
    r"in|for|near|starting at|beginning at|ending at)\s+)*(?:the\s+)?(?:timestamps?\s+|time\s+)?"
)
_TRAIL = r"(?:\s*(?:marks?\b|into the (?:video|clip|scene)|in(?:to)? the (?:video|clip)))?"
_TIMES = re.compile(
    rf"[\[(<]\s*{_RANGE}\s*[\])>]|{_LEAD}(?<![\w.:]){_RANGE}{_TRAIL}", re.IGNORECASE
)
_LOOSE = re.compile(r"\s+([,.;:!?])")
_OPENING = re.compile(r"(?:^|(?<=[.!?]))\s*[,;:–—-]+\s*")


def remove_times(text: str) -> tuple[str, int]:
    """Return a text without the times that it states, and how many there were.

    Clock times, amounts of seconds, minutes or hours, and numbers of frames are taken out with the
    words that lead to them. A clock that is visible in the picture goes as well: a time too few is
    harmless, a wrong one is not.
    """
    shortened, count = _TIMES.subn(" ", text)
    if not count:
        return text, 0
    shortened = _LOOSE.sub(r"\1", " ".join(shortened.split()))
    shortened = " ".join(_OPENING.sub(" ", shortened).split()).lstrip(" .;,")
    return shortened[:1].upper() + shortened[1:], count
