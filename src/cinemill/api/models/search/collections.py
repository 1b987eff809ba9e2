"""Documents of collections."""

from __future__ import annotations

from typing import Self

from cinemill.api.models.documents import Document
from cinemill.api.models.pages import Page
from cinemill.storage.media.collections import Collection


class CollectionDocument(Document):
    """A collection that has at least one video."""

    name: str
    asset_count: int
    """Videos that are in it."""

    @classmethod
    def from_record(cls, one: Collection) -> Self:
        """Return the document of a collection."""
        return cls(name=one.name, asset_count=one.asset_count)


class CollectionPage(Page):
    """Collections, by name."""

    collections: list[CollectionDocument]
