"""``GET /api/v1/loudness/{asset_id}``: what was measured of a video."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from cinemill.capability import RouteResources
from cinemill.capability.handlers import ArtifactKind, get_artifact
from cinemill_loudness import NAME


class Loudness(BaseModel):
    """How loud a video is, as EBU R 128 has it."""

    integrated_lufs: float
    range_lu: float
    true_peak_dbtp: float | None
    """Null for silence."""


def make_router(resources: RouteResources) -> APIRouter:
    """Return the routes, relative to ``/api/v1/loudness``."""
    router = APIRouter()

    @router.get("/{asset_id}")
    def read_loudness(asset_id: str) -> Loudness:
        """How loud a video is. 404 where it was not measured."""
        record = get_artifact(resources.database, asset_id, ArtifactKind.FINDING, variant=NAME)
        return Loudness.model_validate(record.artifact.facts)

    return router
