"""What one video contains, and what videos state of one relation, as methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from cinemill.client.calls import Calls, part_of
from cinemill.client.connection import API
from cinemill.client.search_documents import (
    ChaptersDocument,
    CollectionDocument,
    RelationDocument,
    SceneDocument,
    StatementDocument,
)
from cinemill.core.documents import JsonObject


class ContentCalls(Calls):
    """What a client can read of a video's contents. Times are seconds from a video's start."""

    def chapters(self, asset_id: str) -> ChaptersDocument:
        """Return the chapters of a video and its key moments; both may be none."""
        return cast("ChaptersDocument", self._get(f"{API}/assets/{part_of(asset_id)}/chapters"))

    def scenes(self, asset_id: str) -> Iterator[SceneDocument]:
        """Yield the scene graph of each shot of a video, in order."""
        return self._iterate(f"assets/{part_of(asset_id)}/scenes", "scenes", None)

    def evidence(
        self, entity_id: str, relation: RelationDocument, *, collections: Sequence[str] = ()
    ) -> Iterator[StatementDocument]:
        """Yield the moments that say or show one relation of an entity, by video and time.

        ``relation`` is one of the entity's ``relations``.
        """
        wanted: JsonObject = {
            "other": relation["entity"]["id"],
            "predicate": relation["predicate"],
            "kind": relation["kind"],
            "is_subject": relation["is_subject"],
            "is_negated": relation["is_negated"],
            "is_possible": relation["is_possible"],
            "collection": list(collections),
        }
        path = f"entities/{part_of(entity_id)}/evidence"
        return self._iterate(path, "statements", None, wanted)

    def collections(self) -> list[CollectionDocument]:
        """List the collections that have videos, by name."""
        return cast("list[CollectionDocument]", self._list("collections", "collections", None))
