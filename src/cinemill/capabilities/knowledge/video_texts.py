"""Passages of a stored video in which entities and relations are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.knowledge.source_text import SourceText, from_passage
from cinemill.core.knowledge.graph import Modality
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.errors import Postponed
from cinemill.storage.database import Connection
from cinemill.storage.findings.sets import lock_asset
from cinemill.storage.retrieval.passages import StoredPassage, list_passage_ids, list_passages

PAGE = 1000
MODALITIES = {PassageTrack.SPEECH: Modality.SPEECH, PassageTrack.TEXT: Modality.TEXT}
_PARSED = ("", "en")
"""Languages that the parser reads; empty where nobody knows."""


@dataclass(frozen=True, slots=True)
class VideoText:
    """The passages of one track."""

    modality: Modality
    passages: Sequence[StoredPassage]

    @property
    def sources(self) -> list[SourceText]:
        return [from_passage(one.passage) for one in self.passages]

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.passages]

    def keep_english(self) -> VideoText:
        """Return the passages in the parser's language."""
        kept = [one for one in self.passages if one.passage.language in _PARSED]
        return replace(self, passages=kept)


def list_texts(connection: Connection, asset_id: str) -> list[VideoText]:
    """Return what is said and read in a video, in all languages."""
    return [
        VideoText(modality, _list_all(connection, asset_id, track))
        for track, modality in MODALITIES.items()
    ]


def _list_all(connection: Connection, asset_id: str, track: PassageTrack) -> list[StoredPassage]:
    passages: list[StoredPassage] = []
    while True:
        page = list_passages(connection, asset_id, track, first=len(passages), limit=PAGE)
        passages += page
        if len(page) < PAGE:
            return passages


def list_read_ids(connection: Connection, asset_id: str) -> list[str]:
    """Return the ids of all passages of the tracks that are read. They change with the texts."""
    return list_passage_ids(connection, asset_id, MODALITIES)


def require_same_passages(connection: Connection, asset_id: str, ids: Sequence[str]) -> None:
    """Check that a video still has these passages, and lock them until the transaction ends.

    Raises Postponed where it has others, NotFound (``asset_not_found``).
    """
    lock_asset(connection, asset_id)
    if list_read_ids(connection, asset_id) != list(ids):
        raise Postponed("The passages changed in the meantime.", delay_seconds=0.0)
