"""Passages of a stored video in which entities and relations are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.knowledge.source_text import SourceText, from_passage
from cinemill.core.knowledge.graph import Modality
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.storage.database import Database
from cinemill.storage.retrieval.passages import StoredPassage, list_passages

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


def list_texts(database: Database, asset_id: str) -> list[VideoText]:
    """Return what is said and read in a video, in all languages."""
    texts = []
    for track, modality in MODALITIES.items():
        passages: list[StoredPassage] = []
        while True:
            with database.begin() as connection:
                page = list_passages(connection, asset_id, track, first=len(passages), limit=PAGE)
            passages += page
            if len(page) < PAGE:
                break
        texts.append(VideoText(modality, passages))
    return texts
