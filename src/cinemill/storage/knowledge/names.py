"""Names of entities as they are compared."""

from __future__ import annotations

import unicodedata
from uuid import NAMESPACE_OID, UUID, uuid5

from cinemill.core.knowledge.graph import EntityKind

LONGEST_KEY = 200
_ARTICLES = ("the ", "a ", "an ")


def entity_key(name: str) -> str:
    """Return what all spellings of a name have in common.

    Case, width, spaces, an English article, a possessive and punctuation around it make no
    difference. Empty where nothing is left.
    """
    folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    folded = _strip(folded).removesuffix("'s").removesuffix("’s")
    for article in _ARTICLES:
        if folded.startswith(article):
            folded = folded.removeprefix(article)
            break
    return _strip(folded)[:LONGEST_KEY].replace("\x00", "")


def entity_id(owner: str, kind: EntityKind, key: str) -> UUID:
    """Return the id of an owner's entity, the same for every process that finds it."""
    return uuid5(NAMESPACE_OID, "\x1f".join((owner, kind.value, key)))


def _strip(name: str) -> str:
    start, end = 0, len(name)
    while start < end and not name[start].isalnum():
        start += 1
    while end > start and not name[end - 1].isalnum():
        end -= 1
    return name[start:end]
