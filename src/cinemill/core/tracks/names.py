"""Names of tracks in playlists and manifests: cleaned, bounded, and no two the same. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from cinemill.core.media import AudioStream
from cinemill.core.text.file_names import JOINERS, cut

LONGEST_NAME = 100
"""Characters; menus of players show about thirty."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that are no text, or that turn the text around them."""


def clean_name(text: str) -> str:
    """Return a title as one line of plain text, at most ``LONGEST_NAME`` characters."""
    shown = (one if _is_shown(one) else " " for one in text[:2000])
    return _shorten(" ".join("".join(shown).split()), LONGEST_NAME).strip()


def _is_shown(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in _INVISIBLE


def _shorten(text: str, length: int) -> str:
    """Return the beginning of a text, at most so many characters, cut where people see no seam."""
    return text if len(text) <= length else cut(text, len(text[:length].encode()))


def name_tracks(tracks: Sequence[AudioStream]) -> tuple[str, ...]:
    """Return a name for each audio track: its title, else its language and its number."""
    names: list[str] = []
    for number, track in enumerate(tracks, 1):
        # RFC 8216 has no way to write a quotation mark into a name.
        said = clean_name(track.title).replace('"', "'")
        names.append(_make_unique(said or f"{track.language} {number}", names))
    return tuple(names)


def _make_unique(name: str, others: Sequence[str]) -> str:
    taken = {other.casefold() for other in others}
    made, number = name, 1
    while made.casefold() in taken:
        number += 1
        ending = f" ({number})"
        made = f"{_shorten(name, LONGEST_NAME - len(ending))}{ending}"
    return made
