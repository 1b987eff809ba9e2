"""Videos and their derived files: records, files (with ranges), further jobs."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from cinemill.api.http.bodies import TIMELINE_BYTES, BoundedRoute, body_at_most
from cinemill.api.models.assets import AssetDetails, AssetDocument, AssetPage, ChangeAssetRequest
from cinemill.api.models.jobs import CreateJobRequest, JobDocument
from cinemill.api.models.pages import Cursor, PageLimit, cut_page, decode_position, encode_position
from cinemill.api.models.problems import CREATED, FILE, problems
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.captions import edit_store
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.text.storable_text import Text
from cinemill.errors import NotFound
from cinemill.storage.media import assets, captions

router = APIRouter(prefix="/assets", tags=["assets"], route_class=BoundedRoute)

# What a browser may show in place; all else is saved, whatever its bytes pretend to be.
_SHOWN_TYPES = ("video/", "image/", "audio/", "text/vtt")


@router.get("", responses=problems(422))
def list_assets(state: StateDep, limit: PageLimit = 50, cursor: Cursor = None) -> AssetPage:
    """List videos, newest first."""
    after = decode_position(cursor)
    found = assets.list_assets(state.database, owner=DEFAULT_OWNER, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return AssetPage(
        assets=[AssetDocument.from_record(asset) for asset in page],
        next=encode_position(page[-1].created_at, page[-1].id) if has_more else None,
    )


@router.get("/{asset_id}", responses=problems(404))
def read_asset(asset_id: Text, state: StateDep) -> AssetDetails:
    """Return a video with its artifacts."""
    asset = get_owned_asset(state, asset_id)
    return AssetDetails.from_records(asset, assets.list_artifacts(state.database, asset_id))


@router.patch("/{asset_id}", responses=problems(404, 413, 422))
def change_asset(asset_id: Text, request: ChangeAssetRequest, state: StateDep) -> AssetDocument:
    """Move a video into a collection, or out of all with an empty name.

    Searches find it there at once.
    """
    get_owned_asset(state, asset_id)
    with state.database.begin() as connection:
        assets.set_collection(connection, asset_id, request.collection)
    return AssetDocument.from_record(get_owned_asset(state, asset_id))


@router.post("/{asset_id}/jobs", status_code=201, responses=CREATED | problems(404, 413, 422))
@body_at_most(TIMELINE_BYTES)
def create_asset_job(
    asset_id: Text, request: CreateJobRequest, state: StateDep, response: Response
) -> JobDocument:
    """Queue another job for an existing video."""
    get_owned_asset(state, asset_id)
    job = state.jobs.create_job(
        request.kind,
        owner=DEFAULT_OWNER,
        params=request.params,
        asset_id=asset_id,
        priority=request.priority,
    )
    created = JobDocument.from_job(job)
    response.headers["Location"] = created.address
    return created


def _find_caption_file(
    state: AppState, asset_id: str, kind: ArtifactKind, language: str | None
) -> Artifact:
    if language is not None:
        return edit_store.get_captions(state.database, asset_id, language).files[kind]
    with state.database.begin() as connection:
        newest = captions.find_newest(connection, asset_id)
    if newest is not None:
        return newest.files[kind]
    # Created before there were all four formats.
    return assets.get_artifact(state.database, asset_id, kind).artifact


# One route a method: of a route of several, FastAPI gives every operation the same id.
@router.head(
    "/{asset_id}/files/{kind}", response_class=FileResponse, responses=FILE | problems(422)
)
@router.get("/{asset_id}/files/{kind}", response_class=FileResponse, responses=FILE | problems(422))
def read_file(
    asset_id: Text,
    kind: ArtifactKind,
    state: StateDep,
    variant: Text | None = None,
    download: bool = False,
    language: Text | None = None,
) -> FileResponse:
    """Return a file of a video: ``source`` is the upload, the others are derived from it.

    Without a ``variant``, captions are the current ones in this ``language``, or the newest
    in any language; for other kinds, the newest file is returned.

    Supports range requests. ``download`` makes a browser save the file instead of showing it.
    """
    asset = get_owned_asset(state, asset_id)
    if kind is ArtifactKind.SOURCE:
        # Its bytes are untrusted: never shown in place.
        return _send(state, asset.sha256, asset.filename, "application/octet-stream", saved=True)
    if variant is None and kind in captions.KINDS:
        artifact = _find_caption_file(state, asset_id, kind, language)
    else:
        artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    is_saved = download or not artifact.media_type.startswith(_SHOWN_TYPES)
    return _send(state, artifact.sha256, artifact.filename, artifact.media_type, saved=is_saved)


@router.head("/{asset_id}/streams/{stream}/{filename}", response_class=FileResponse, responses=FILE)
@router.get("/{asset_id}/streams/{stream}/{filename}", response_class=FileResponse, responses=FILE)
def read_stream(asset_id: Text, stream: Text, filename: Text, state: StateDep) -> FileResponse:
    """Return a playlist or media file of a stream (HLS or DASH). Supports range requests."""
    get_owned_asset(state, asset_id)
    kind, variant = ArtifactKind.STREAM, f"{stream}/{filename}"
    artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    return _send(state, artifact.sha256, artifact.filename, artifact.media_type, saved=False)


class _LargeFile(FileResponse):
    """A file that is sent in large pieces, and whose wrong ranges are refused with problems."""

    chunk_size = 1024 * 1024

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        # Starlette's own responses to these are plain text.
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader as error:
            raise HTTPException(400, error.content) from None
        except RangeNotSatisfiable as error:
            headers = {"Content-Range": f"bytes */{error.max_size}"}
            raise HTTPException(416, headers=headers) from None


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
