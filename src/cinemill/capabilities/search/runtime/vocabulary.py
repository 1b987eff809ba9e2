"""What an owner's videos contain, as a query is read: known words and entities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from cinemill.capabilities.search.query import ParsedQuery, parse_query
from cinemill.storage.database import Connection
from cinemill.storage.knowledge.entities import find_entities
from cinemill.storage.retrieval.passages import find_unknown_words

MOST_ENTITIES = 16


class StoredVocabulary:
    """Words and entities of one owner; see :class:`~cinemill.capabilities.search.query.Vocabulary`.

    Used within one transaction.
    """

    def __init__(self, connection: Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner
        self.entity_ids: tuple[str, ...] = ()
        """Of everything that was found by its name; a name may mean several things."""

    def list_unknown(self, words: Sequence[str]) -> Collection[str]:
        """Return those of these words that no passage of the owner contains."""
        return find_unknown_words(self._connection, self._owner, words)

    def find_entities(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the id of one entity for each name that has any."""
        found = find_entities(self._connection, self._owner, names)
        every = dict.fromkeys(one for ids in found.values() for one in ids)
        self.entity_ids = tuple(every)[:MOST_ENTITIES]
        return {name: ids[0] for name, ids in found.items()}


def read_query(connection: Connection, owner: str, text: str) -> ParsedQuery:
    """Return what is in a query, with the entities and words that this owner's videos have.

    Raises InputRejected (``query_empty``, ``query_invalid``), TooLarge (``query_too_long``).
    """
    vocabulary = StoredVocabulary(connection, owner)
    return replace(parse_query(text, vocabulary), entity_ids=vocabulary.entity_ids)
