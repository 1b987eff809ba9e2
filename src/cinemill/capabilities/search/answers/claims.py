"""Statements out of a model's reply, as soon as each is complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST_REPLY = 64_000
"""Characters; what comes after them is not read."""
MOST_IDS = 8
_OPENING = re.compile(r'"claims"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_AFTER_NUMBER = (",", "]", " ", "\n", "\r", "\t")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement with the ids that the model gave for it. Nothing in it has been checked."""

    text: str
    evidence: tuple[str, ...]


def read_claims(pieces: Iterable[str]) -> Iterator[Claim]:
    """Yield each claim of a streamed reply ``{"claims": [{"text": ..., "evidence": [...]}]}``.

    What stands around the list is passed over, and so are members of other forms. A list that
    breaks off gives the claims up to there. Raises what ``pieces`` raise.
    """
    buffer, at = "", -1
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST_REPLY:
            return
        buffer += piece
        if at < 0:
            opening = _OPENING.search(buffer)
            if opening is None:
                continue
            at = opening.end()
        if "}" not in piece and "]" not in piece:
            continue  # no claim can have ended
        while (found := _read_member(buffer, at)) is not None:
            member, at = found
            if (claim := _make_claim(member)) is not None:
                yield claim


def _read_member(buffer: str, at: int) -> tuple[object, int] | None:
    """Return the next member and where it ends; None where it has not ended, or the list has."""
    between = _BETWEEN.match(buffer, at)
    start = between.end() if between else at
    if buffer[start : start + 1] in ("", "]"):
        return None
    try:
        member, end = _DECODER.raw_decode(buffer, start)
    except (ValueError, RecursionError):
        return None
    # A number has no mark at its end: the next piece may go on with it.
    has_ended = isinstance(member, dict | list | str) or buffer[end : end + 1] in _AFTER_NUMBER
    return (member, end) if has_ended else None


def _make_claim(member: object) -> Claim | None:
    if not isinstance(member, dict):
        return None
    text, ids = member.get("text"), member.get("evidence")
    if not isinstance(text, str) or not isinstance(ids, list):
        return None
    if len(ids) > MOST_IDS or not all(isinstance(one, str) for one in ids):
        return None
    return Claim(text, tuple(dict.fromkeys(ids)))
