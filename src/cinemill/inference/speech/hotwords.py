"""Names that a speech model is given beforehand, so that it hears them where they are said.

faster-whisper puts hotwords in front of every window of 30 seconds, where the text before it would
stand, and cuts them in the middle of a name if they are too long. So whole names are chosen here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

MOST_TOKENS = 50
"""Of the names: about 17. Whisper would take 223, but misses whole sentences with many of them."""
SEPARATOR = ", "
_MARK = "<|"
"""Begins what the tokenizer takes for an order to the model, such as the end of the text."""


def choose_names(
    names: Iterable[str], count_tokens: Callable[[str], int], *, most_tokens: int = MOST_TOKENS
) -> tuple[str, ...]:
    """Return the first of these names that fit together, without repetitions.

    A name that is too long for what is left is passed over for shorter ones after it.
    ``count_tokens`` counts those of a text as the model's vocabulary divides it.
    """
    chosen: dict[str, str] = {}
    left = most_tokens
    for name in map(_clean, names):
        key = name.casefold()
        if not name or key in chosen:
            continue
        needed = count_tokens(f" {name}{SEPARATOR}".rstrip())
        if needed <= left:
            chosen[key] = name
            left -= needed
        if left <= 1:
            break
    return tuple(chosen.values())


def join_names(names: Iterable[str]) -> str | None:
    """Return names as the model is given them; None where there are none."""
    return SEPARATOR.join(names) or None


def _clean(name: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(printable.replace(_MARK, " ").split())
