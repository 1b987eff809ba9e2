"""The one way in which routes find a video: whose it is, is checked with it."""

from __future__ import annotations

from cinemill.api.state import AppState
from cinemill.core.job import DEFAULT_OWNER
from cinemill.errors import NotFound
from cinemill.storage.media.assets import AssetRecord, get_asset
from cinemill.storage.media.deletions import refuse_leaving


def get_owned_asset(state: AppState, asset_id: str) -> AssetRecord:
    """Return a video. Raises NotFound (``asset_not_found``), also for another owner's."""
    asset = get_asset(state.database, asset_id)
    if asset.owner != DEFAULT_OWNER:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    return asset


def get_lasting_asset(state: AppState, asset_id: str) -> AssetRecord:
    """Return a video that more can be made of.

    Raises NotFound (``asset_not_found``); Conflict (``asset_being_deleted``).
    """
    asset = get_owned_asset(state, asset_id)
    if asset.deleted_in_seconds is not None:
        raise refuse_leaving(asset_id)
    return asset
