"""The requests of a fake about its videos."""

from __future__ import annotations

import json
from typing import cast

from cinemill.api.models import assets as server
from cinemill.capabilities.ingest.deletion import LONGEST_UNDO_SECONDS, refuse_used
from cinemill.client.client import Client
from cinemill.client.models import AssetDocument
from cinemill.storage.media.assets import AssetRecord
from cinemill.testing.answers import as_client_errors, check_limit, parameter_invalid
from cinemill.testing.fake_assets import FakeAssets
from cinemill.testing.fake_jobs import FakeJobs


class FakeAssetCalls(Client):
    """The videos of a fake. What the server refuses is refused."""

    _assets: FakeAssets
    _jobs: FakeJobs

    def assets(self, *, limit: int = 50) -> list[AssetDocument]:
        check_limit(limit)
        return [_dump(asset) for asset in self._assets.newest(limit)]

    def asset(self, asset_id: str) -> AssetDocument:
        with as_client_errors():
            asset = self._assets.find(asset_id)
        document = server.AssetDetails.from_records(asset, self._assets.artifacts(asset_id))
        return cast("AssetDocument", document.model_dump(mode="json"))

    def set_collection(self, asset_id: str, collection: str) -> AssetDocument:
        with as_client_errors():
            return _dump(self._assets.move(asset_id, collection))

    def delete_asset(self, asset_id: str, *, undo_seconds: float = 0) -> AssetDocument | None:
        """Delete an asset with its jobs. No time passes in a fake: an undo has no end."""
        if not 0 <= undo_seconds <= LONGEST_UNDO_SECONDS:
            raise parameter_invalid("undo_seconds", f"must be from 0 to {LONGEST_UNDO_SECONDS}")
        with as_client_errors():
            self._assets.find(asset_id)
            self._require_unused(asset_id)
            if undo_seconds:
                return _dump(self._assets.mark(asset_id, undo_seconds))
            for job in [job for job in self._jobs.listed() if job.asset_id == asset_id]:
                self._jobs.remove(job.id)
        self._assets.remove(asset_id)
        return None

    def _require_unused(self, asset_id: str) -> None:
        for job in self._jobs.listed():
            is_other = job.asset_id != asset_id and not job.state.is_final
            if is_other and asset_id in json.dumps(job.params):
                raise refuse_used(job.id)

    def restore_asset(self, asset_id: str) -> AssetDocument:
        with as_client_errors():
            return _dump(self._assets.mark(asset_id, None))


def _dump(asset: AssetRecord) -> AssetDocument:
    document = server.AssetDocument.from_record(asset)
    return cast("AssetDocument", document.model_dump(mode="json"))
