"""Assets and their files in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.errors import NotFound
from cinemill.storage.media.assets import ArtifactRecord, AssetRecord
from cinemill.storage.media.deletions import refuse_leaving


@dataclass(frozen=True)
class FakeFile:
    """A file as it is downloaded."""

    filename: str
    content: bytes


class FakeAssets:
    """All assets of a fake, newest last. The same bytes are one asset."""

    def __init__(self) -> None:
        self._assets: dict[str, AssetRecord] = {}
        self._artifacts: dict[tuple[str, ArtifactKind], ArtifactRecord] = {}
        self._contents: dict[str, bytes] = {}

    def register(self, filename: str, content: bytes, now: datetime) -> AssetRecord:
        """Return the asset of these bytes, which takes the filename and keeps former ones."""
        sha256 = self._keep(content)
        for known in self._assets.values():
            if known.sha256 == sha256:
                return self.mark(self._rename(known, filename).id, None)
        asset = AssetRecord(str(uuid4()), DEFAULT_OWNER, sha256, len(content), filename, None, now)
        self._assets[asset.id] = asset
        return asset

    def _rename(self, asset: AssetRecord, filename: str) -> AssetRecord:
        if filename != asset.filename:
            others = [asset.filename, *(one for one in asset.other_names if one != filename)]
            asset = replace(asset, filename=filename, other_names=tuple(others))
            self._assets[asset.id] = asset
        return asset

    def find(self, asset_id: str) -> AssetRecord:
        """Return an asset. Raises NotFound."""
        if (found := self._assets.get(asset_id)) is None:
            raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
        return found

    def find_lasting(self, asset_id: str) -> AssetRecord:
        """Return an asset that more can be made of. Raises NotFound, Conflict."""
        found = self.find(asset_id)
        if found.deleted_in_seconds is not None:
            raise refuse_leaving(asset_id)
        return found

    def move(self, asset_id: str, collection: str) -> AssetRecord:
        """Move an asset into a collection. Raises NotFound."""
        moved = replace(self.find(asset_id), collection=collection)
        self._assets[asset_id] = moved
        return moved

    def mark(self, asset_id: str, seconds: float | None) -> AssetRecord:
        """Mark an asset as to be deleted in so many seconds; None keeps it. Raises NotFound."""
        marked = replace(self.find(asset_id), deleted_in_seconds=seconds)
        self._assets[asset_id] = marked
        return marked

    def list_collections(self) -> list[str]:
        """List the collection of each asset that stays and is in one."""
        stays = (one for one in self._assets.values() if one.deleted_in_seconds is None)
        return [one.collection for one in stays if one.collection]

    def newest(self, limit: int) -> list[AssetRecord]:
        """List assets that stay, newest first."""
        kept = [one for one in self._assets.values() if one.deleted_in_seconds is None]
        return list(reversed(kept))[:limit]

    def remove(self, asset_id: str) -> None:
        """Delete an asset and its files."""
        self._assets.pop(asset_id, None)
        self._artifacts = {key: one for key, one in self._artifacts.items() if key[0] != asset_id}

    def add_file(self, asset_id: str, kind: ArtifactKind, content: bytes, now: datetime) -> None:
        """Add a derived file to an asset, in place of an earlier one of the same kind."""
        artifact = Artifact(
            kind=kind,
            sha256=self._keep(content),
            size_bytes=len(content),
            filename=kind.value,
            media_type="application/octet-stream",
        )
        self._artifacts[asset_id, kind] = ArtifactRecord(asset_id, "", "fake", artifact, now)

    def artifacts(self, asset_id: str) -> list[ArtifactRecord]:
        """List the derived files of an asset."""
        return [one for (of, _), one in self._artifacts.items() if of == asset_id]

    def read(self, asset_id: str, kind: ArtifactKind) -> FakeFile:
        """Return a file of an asset. Raises NotFound."""
        if kind is ArtifactKind.SOURCE:
            asset = self.find(asset_id)
            return FakeFile(asset.filename, self._contents[asset.sha256])
        record = self._artifacts.get((asset_id, kind))
        if record is None:
            raise NotFound(f"Asset {asset_id} has no {kind.value}.", code="artifact_not_found")
        artifact = record.artifact
        return FakeFile(artifact.filename, self._contents[artifact.sha256])

    def _keep(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self._contents[sha256] = content
        return sha256
