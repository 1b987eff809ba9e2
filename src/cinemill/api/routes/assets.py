"""Films and what was made of them: records, files (with ranges), further jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from cinemill.api.http.bodies import TIMELINE_BYTES, BoundedRoute, body_at_most
from cinemill.api.routes.job_requests import Name
from cinemill.api.routes.serializers import artifact_document, asset_document, job_document
from cinemill.api.state import OWNER, AppState, StateDep
from cinemill.capabilities.captions import edit_store
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.errors import NotFound
from cinemill.storage.media import assets, captions

router = APIRouter(prefix="/assets", tags=["assets"], route_class=BoundedRoute)

# What a browser may show in place; all else is saved, whatever its bytes pretend to be.
_SHOWN_TYPES = ("video/", "image/", "audio/", "text/vtt")


class CreateJobRequest(BaseModel):
    kind: Name
    params: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int | None, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)] = None


@router.get("")
def list_assets(state: StateDep, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
    """List videos, newest first."""
    found = assets.list_assets(state.database, owner=OWNER, limit=limit)
    return {"assets": [asset_document(asset) for asset in found]}


@router.get("/{asset_id}")
def read_asset(asset_id: str, state: StateDep) -> dict[str, Any]:
    """Return a video with its artifacts."""
    asset = assets.get_asset(state.database, asset_id)
    made = assets.list_artifacts(state.database, asset_id)
    return {**asset_document(asset), "artifacts": [artifact_document(record) for record in made]}


@router.post("/{asset_id}/jobs")
@body_at_most(TIMELINE_BYTES)
def create_job(asset_id: str, wish: CreateJobRequest, state: StateDep) -> dict[str, Any]:
    """Queue another job for an existing video."""
    assets.get_asset(state.database, asset_id)
    job = state.jobs.create_job(
        wish.kind,
        owner=OWNER,
        params=wish.params,
        asset_id=asset_id,
        priority=wish.priority,
    )
    return job_document(job)


def _find_caption_file(
    state: AppState, asset_id: str, kind: ArtifactKind, language: str | None
) -> Artifact:
    if language is not None:
        return edit_store.get_captions(state.database, asset_id, language).files[kind]
    with state.database.begin() as connection:
        newest = captions.find_newest(connection, asset_id)
    if newest is not None:
        return newest.files[kind]
    # Made before there were all four forms.
    return assets.get_artifact(state.database, asset_id, kind).artifact


# One route a method: of a route of several, FastAPI gives every operation the same id.
@router.head("/{asset_id}/files/{kind}", response_class=FileResponse)
@router.get("/{asset_id}/files/{kind}", response_class=FileResponse)
def read_file(
    asset_id: str,
    kind: ArtifactKind,
    state: StateDep,
    variant: str | None = None,
    download: bool = False,
    language: str | None = None,
) -> FileResponse:
    """Return a file of a video: ``source`` is the upload, the others are derived from it.

    Without a ``variant``, captions are the current ones in this ``language``, or the newest
    in any language; for other kinds, the newest file is returned.

    Supports range requests. ``download`` makes a browser save the file instead of showing it.
    """
    if kind is ArtifactKind.SOURCE:
        asset = assets.get_asset(state.database, asset_id)
        # Its bytes are a stranger's: never shown in place.
        return _send(state, asset.sha256, asset.filename, "application/octet-stream", saved=True)
    if variant is None and kind in captions.KINDS:
        artifact = _find_caption_file(state, asset_id, kind, language)
    else:
        artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    is_saved = download or not artifact.media_type.startswith(_SHOWN_TYPES)
    return _send(state, artifact.sha256, artifact.filename, artifact.media_type, saved=is_saved)


@router.head("/{asset_id}/streams/{stream}/{filename}", response_class=FileResponse)
@router.get("/{asset_id}/streams/{stream}/{filename}", response_class=FileResponse)
def read_stream(asset_id: str, stream: str, filename: str, state: StateDep) -> FileResponse:
    """Return a playlist or media file of a stream (HLS or DASH). Supports range requests."""
    kind, variant = ArtifactKind.STREAM, f"{stream}/{filename}"
    artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    return _send(state, artifact.sha256, artifact.filename, artifact.media_type, saved=False)


class _LargeFile(FileResponse):
    chunk_size = 1024 * 1024


def _send(
    state: AppState, sha256: str, filename: str, media_type: str, *, saved: bool
) -> FileResponse:
    if not state.files.exists(sha256):
        raise NotFound(
            f"The stored file of {filename} is missing.",
            code="file_missing",
            hint="Run 'cinemill verify' on the server's machine.",
        )
    return _LargeFile(
        state.files.path(sha256),
        media_type=media_type,
        filename=filename,
        content_disposition_type="attachment" if saved else "inline",
        # The content's own hash: as strong as an ETag can be, and what a download is checked by.
        headers={"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=60"},
    )
