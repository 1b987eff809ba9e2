"""Contents of a fake's videos: nothing was found in them, and nothing is stated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from cinemill.api.models.search import chapters as server
from cinemill.api.models.search.collections import CollectionDocument as ServerCollection
from cinemill.capabilities.search.chapters.video_chapters import VideoChapters
from cinemill.client.client import Client
from cinemill.client.search_documents import (
    ChaptersDocument,
    CollectionDocument,
    RelationDocument,
    SceneDocument,
    StatementDocument,
)
from cinemill.errors import NotFound
from cinemill.testing.answers import as_client_errors, count_words
from cinemill.testing.fake_assets import FakeAssets


class FakeContentCalls(Client):
    """The contents of a fake's videos. What the server refuses is refused."""

    _assets: FakeAssets

    def chapters(self, asset_id: str) -> ChaptersDocument:
        with as_client_errors():
            self._assets.find(asset_id)
        found = server.ChaptersDocument.from_record(VideoChapters())
        return cast("ChaptersDocument", found.model_dump(mode="json"))

    def scenes(self, asset_id: str) -> Iterator[SceneDocument]:
        with as_client_errors():
            self._assets.find(asset_id)
        return iter(())

    def evidence(
        self, entity_id: str, relation: RelationDocument, *, collections: Sequence[str] = ()
    ) -> Iterator[StatementDocument]:
        with as_client_errors():
            raise NotFound(f"There is no entity {entity_id}.", code="entity_not_found")

    def collections(self) -> list[CollectionDocument]:
        counts = count_words(self._assets.list_collections())
        found = [ServerCollection(name=name, asset_count=counts[name]) for name in sorted(counts)]
        return [cast("CollectionDocument", one.model_dump(mode="json")) for one in found]
