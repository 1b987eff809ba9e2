"""Documents of videos and of the files that are derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import ConfigDict

from cinemill.api.models.documents import (
    Document,
    Name,
    OpenObject,
    RequestDocument,
    Timestamp,
    make_link,
)
from cinemill.api.models.pages import Page
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.storage.media.assets import ArtifactRecord, AssetRecord


class ArtifactDocument(Document):
    """A derived file, with the path that it is fetched from."""

    kind: ArtifactKind
    variant: str
    filename: str
    media_type: str
    sha256: str
    size_bytes: int
    facts: OpenObject
    """What is known of the file, such as `width`, `height` and `duration_seconds`."""
    url: str
    """Of this content: caches may keep what it returns for good. Without `sha256` it is the address
    of whatever replaces it."""
    created_at: Timestamp

    @classmethod
    def from_record(cls, record: ArtifactRecord) -> Self:
        artifact = record.artifact
        query = f"variant={record.variant}&" if record.variant else ""
        path = f"/assets/{record.asset_id}/files/{artifact.kind.value}"
        return cls(
            kind=artifact.kind,
            variant=record.variant,
            filename=artifact.filename,
            media_type=artifact.media_type,
            sha256=artifact.sha256,
            size_bytes=artifact.size_bytes,
            facts=artifact.facts,
            url=make_link(f"{path}?{query}sha256={artifact.sha256}"),
            created_at=record.created_at.isoformat(),
        )


class AssetDocument(Document):
    """A video, as lists show it."""

    # For the dataclasses in ``media``, which have no base of ours.
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    owner: str
    sha256: str
    size_bytes: int
    filename: str
    other_names: list[str]
    """Former names, the latest first: the same bytes came in under these too."""
    collection: str
    """To which searches can be limited; empty where it is in none."""
    media: MediaInfo | None
    """What probing found; null until then."""
    created_at: Timestamp
    source_url: str
    deleted_in_seconds: float | None
    """How long its deletion can still be undone, 0 where it is under way; null where it stays."""

    @classmethod
    def from_record(cls, asset: AssetRecord) -> Self:
        return cls(
            id=asset.id,
            owner=asset.owner,
            sha256=asset.sha256,
            size_bytes=asset.size_bytes,
            filename=asset.filename,
            other_names=list(asset.other_names),
            collection=asset.collection,
            media=asset.media,
            created_at=asset.created_at.isoformat(),
            source_url=make_link(f"/assets/{asset.id}/files/source"),
            deleted_in_seconds=asset.deleted_in_seconds,
        )


class AssetDetails(AssetDocument):
    """A video with its derived files."""

    artifacts: list[ArtifactDocument]

    @classmethod
    def from_records(cls, asset: AssetRecord, artifacts: Sequence[ArtifactRecord]) -> Self:
        files = [ArtifactDocument.from_record(record) for record in artifacts]
        return cls(**dict(AssetDocument.from_record(asset)), artifacts=files)


class ArtifactPage(Page):
    """Files that were made of a video, by kind and variant."""

    files: list[ArtifactDocument]


class ChangeAssetRequest(RequestDocument):
    """What to change about a video."""

    collection: Name
    """The collection to move it into; an empty name takes it out of every one."""


class AssetPage(Page):
    """Videos, newest first."""

    assets: list[AssetDocument]
