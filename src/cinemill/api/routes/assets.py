"""Videos and their derived files: records, files (with ranges), further jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from cinemill.api.http.bodies import TIMELINE_BYTES, BoundedRoute, body_at_most
from cinemill.api.http.stored_files import StoredFile, open_stored_file
from cinemill.api.middleware.cache_rules import ASKED_EACH_TIME, NEVER_CHANGES, NEVER_STORED
from cinemill.api.models.assets import (
    ArtifactDocument,
    ArtifactPage,
    AssetDetails,
    AssetDocument,
    AssetPage,
    ChangeAssetRequest,
)
from cinemill.api.models.documents import make_link
from cinemill.api.models.jobs import CreateJobRequest, JobDocument
from cinemill.api.models.pages import (
    Cursor,
    PageLimit,
    cursor_invalid,
    cut_page,
    decode_cursor,
    decode_position,
    encode_cursor,
    encode_position,
)
from cinemill.api.models.problems import CREATED, FILE, created, problems
from cinemill.api.owned_assets import get_lasting_asset, get_owned_asset
from cinemill.api.state import AppState, StateDep
from cinemill.capabilities.captions import edit_store
from cinemill.capabilities.ingest.deletion import (
    LONGEST_UNDO_SECONDS,
    carry_out_within,
    request_deletion,
    restore,
)
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.media import (
    Artifact,
    ArtifactKind,
    MaterialFormat,
    MediaInfo,
    SourceFormat,
)
from cinemill.core.text.storable_text import Text
from cinemill.errors import NotFound
from cinemill.storage.media import assets, captions
from cinemill.storage.media.artifact_pages import list_artifact_page

router = APIRouter(prefix="/assets", tags=["assets"], route_class=BoundedRoute)

SOURCE_TYPES: Mapping[SourceFormat | MaterialFormat, str] = {
    SourceFormat.MP4: "video/mp4",
    SourceFormat.MATROSKA: "video/webm",
    SourceFormat.OGG: "video/ogg",
}
"""Of what browsers may play: Matroska as WebM, which is a part of it."""
SOUND_TYPES: Mapping[SourceFormat | MaterialFormat, str] = {
    SourceFormat.MP4: "audio/mp4",
    SourceFormat.MATROSKA: "audio/webm",
    SourceFormat.OGG: "audio/ogg",
    MaterialFormat.MP3: "audio/mpeg",
    MaterialFormat.AAC: "audio/aac",
    MaterialFormat.WAV: "audio/wav",
    MaterialFormat.FLAC: "audio/flac",
}
"""The same of sound alone."""

# What a browser may show in place; all else is saved, whatever its bytes pretend to be.
_SHOWN_TYPES = ("video/", "image/", "audio/", "text/vtt")
_KINDS = frozenset(kind.value for kind in ArtifactKind)
ContentHash = Annotated[
    str,
    Query(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the content in hexadecimal: the file if it has that, else 404.",
    ),
]


@router.get("", responses=problems(422))
def list_assets(
    state: StateDep, limit: PageLimit = 50, cursor: Cursor = None, being_deleted: bool = False
) -> AssetPage:
    """List videos, newest first: those that stay, or those whose deletion can be undone."""
    after = decode_position(cursor)
    found = assets.list_assets(
        state.database,
        owner=DEFAULT_OWNER,
        being_deleted=being_deleted,
        after=after,
        limit=limit + 1,
    )
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


@router.get("/{asset_id}/files", responses=problems(404, 422))
def list_files(
    asset_id: Text, state: StateDep, limit: PageLimit = 100, cursor: Cursor = None
) -> ArtifactPage:
    """List the files that were made of a video, by kind and variant."""
    get_owned_asset(state, asset_id)
    after = None if cursor is None else _read_place(cursor)
    with state.database.begin() as connection:
        found = list_artifact_page(connection, asset_id, after=after, limit=limit + 1)
    page, has_more = cut_page(found, limit)
    return ArtifactPage(
        files=[ArtifactDocument.from_record(one) for one in page],
        next=encode_cursor(page[-1].artifact.kind.value, page[-1].variant) if has_more else None,
    )


@router.patch("/{asset_id}", responses=problems(404, 413, 422))
def change_asset(asset_id: Text, request: ChangeAssetRequest, state: StateDep) -> AssetDocument:
    """Move a video into a collection, or out of all with an empty name.

    Searches find it there at once.
    """
    get_owned_asset(state, asset_id)
    with state.database.begin() as connection:
        assets.set_collection(connection, asset_id, request.collection)
    return AssetDocument.from_record(get_owned_asset(state, asset_id))


@router.delete(
    "/{asset_id}",
    status_code=202,
    response_model=AssetDocument,
    responses={
        202: created("The video, until it is gone.")[201],
        204: {"description": "It is deleted."},
        **problems(404, 409, 422),
    },
)
def delete_asset(
    asset_id: Text,
    state: StateDep,
    response: Response,
    undo_seconds: Annotated[float, Query(ge=0, le=LONGEST_UNDO_SECONDS)] = 0,
) -> AssetDocument | Response:
    """Delete a video with its jobs and all derived files; its running jobs are cancelled.

    202 means that this is still to come: after ``undo_seconds``, in which it is only missing in
    lists, or when its processes have ended. It needs no further request.
    """
    get_owned_asset(state, asset_id)
    request_deletion(state.database, asset_id, undo_seconds=undo_seconds)
    if not undo_seconds and carry_out_within(state.database, state.jobs, asset_id):
        return Response(status_code=204)
    try:
        remaining = AssetDocument.from_record(get_owned_asset(state, asset_id))
    except NotFound:  # the sweep was faster
        return Response(status_code=204)
    response.headers["Location"] = make_link(f"/assets/{asset_id}")
    return remaining


@router.post("/{asset_id}/restore", responses=problems(404, 409))
def restore_asset(asset_id: Text, state: StateDep) -> AssetDocument:
    """Undo the deletion of a video, while there is time; one that stays is left as it is."""
    get_owned_asset(state, asset_id)
    restore(state.database, asset_id)
    return AssetDocument.from_record(get_owned_asset(state, asset_id))


@router.post("/{asset_id}/jobs", status_code=201, responses=CREATED | problems(404, 409, 413, 422))
@body_at_most(TIMELINE_BYTES)
def create_asset_job(
    asset_id: Text, request: CreateJobRequest, state: StateDep, response: Response
) -> JobDocument:
    """Queue another job for an existing video."""
    get_lasting_asset(state, asset_id)
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


def _name_type(media: MediaInfo) -> str | None:
    return (SOURCE_TYPES if media.has_picture else SOUND_TYPES).get(media.format)


def _read_place(cursor: str) -> tuple[str, str]:
    kind, variant = decode_cursor(cursor, 2)
    if kind not in _KINDS:
        raise cursor_invalid()
    return kind, variant


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


@router.get("/{asset_id}/files/{kind}", response_class=FileResponse, responses=FILE | problems(422))
def read_file(
    asset_id: Text,
    kind: ArtifactKind,
    state: StateDep,
    variant: Text | None = None,
    download: bool = False,
    language: Text | None = None,
    sha256: ContentHash | None = None,
) -> StoredFile:
    """Return a file of a video: ``source`` is the upload, the others are derived from it.

    Without a ``variant``, captions are the current ones in this ``language``, or the newest
    in any language; for other kinds, the newest file is returned.

    With a ``sha256``, as in the addresses of documents, it is the file with that content or none,
    so caches may keep it for good. ``download`` makes a browser save the file instead of showing
    it. Supports range requests.
    """
    asset = get_owned_asset(state, asset_id)
    if kind is ArtifactKind.SOURCE:
        # Its bytes are untrusted: never shown in place. A player goes by the type.
        media_type = _name_type(asset.media) if asset.media else None
        stored = Artifact(
            kind,
            asset.sha256,
            asset.size_bytes,
            asset.filename,
            media_type or "application/octet-stream",
        )
        return _open(state, stored, sha256, is_saved=True, is_kept=not download)
    if variant is None and kind in captions.KINDS:
        artifact = _find_caption_file(state, asset_id, kind, language)
    else:
        artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    is_saved = download or not artifact.media_type.startswith(_SHOWN_TYPES)
    return _open(state, artifact, sha256, is_saved=is_saved)


@router.get("/{asset_id}/streams/{stream}/{filename}", response_class=FileResponse, responses=FILE)
def read_stream(asset_id: Text, stream: Text, filename: Text, state: StateDep) -> StoredFile:
    """Return a playlist or media file of a stream (HLS or DASH). Supports range requests."""
    get_owned_asset(state, asset_id)
    kind, variant = ArtifactKind.STREAM, f"{stream}/{filename}"
    artifact = assets.get_artifact(state.database, asset_id, kind, variant=variant).artifact
    return _open(state, artifact, None, is_saved=False)


def _open(
    state: AppState,
    artifact: Artifact,
    sha256: str | None,
    *,
    is_saved: bool,
    is_kept: bool = True,
) -> StoredFile:
    """Return a file, if it has the content that the address names.

    Without a hash in the address, caches ask each time, and keep nothing if not ``is_kept``: an
    upload may come again under another name, and a 304 would leave browsers the former one.
    Raises NotFound (``artifact_not_found``, ``file_missing``).
    """
    if sha256 not in (None, artifact.sha256):
        raise NotFound(
            f"{artifact.filename} has another content now.",
            code="artifact_not_found",
            hint="Read the video again: its document has the present address of each file.",
        )
    return open_stored_file(
        state.files,
        artifact.sha256,
        artifact.filename,
        artifact.media_type,
        is_saved=is_saved,
        cache_rule=NEVER_CHANGES if sha256 else ASKED_EACH_TIME if is_kept else NEVER_STORED,
    )
