"""Text that a service wrote: what of it can be stored and shown."""

from __future__ import annotations

import unicodedata

from cinemill.errors import clip_text

LONGEST_LABEL = 1000
"""Characters of a label, or of a line of text in a picture."""
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs"})
"""Unicode's categories: control, format, private use, half of a surrogate pair."""


def clean_text(text: str, *, most_characters: int = LONGEST_LABEL) -> str:
    """Return a text on one line, without what cannot be seen, cut to so many characters.

    Characters that reverse the direction of writing, and those that hide words from a reader, are
    removed. The result may be empty.
    """
    clipped = text[: 4 * most_characters]
    visible = (
        " " if one.isspace() else one
        for one in clipped
        if one.isspace() or unicodedata.category(one) not in _INVISIBLE
    )
    return clip_text(" ".join("".join(visible).split())[:most_characters].rstrip())
