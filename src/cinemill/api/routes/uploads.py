"""``POST /upload``: a film in, a job out."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.routes.job_requests import MAX_KEY_LENGTH
from cinemill.api.state import OWNER, AppState, StateDep
from cinemill.api.upload.filenames import clean_filename
from cinemill.api.upload.multipart import (
    FormInvalid,
    MultipartReader,
    PartBegin,
    PartData,
    parse_boundary,
)
from cinemill.api.upload.options import UploadOptions, parse_options
from cinemill.api.upload.receiver import UploadLimits, UploadReceiver, check_declared_size
from cinemill.core.documents import check_text
from cinemill.core.job import Job
from cinemill.errors import TooLarge
from cinemill.storage.database import Connection
from cinemill.storage.media.assets import find_asset, register_asset
from cinemill.storage.media.files import StoredFile

FILE_FIELD = "file"
MAX_FIELD_BYTES = 4096
_FORM_OVERHEAD_BYTES = 128 * 1024
"""More than the boundaries, headers and small fields of any honest form."""

router = APIRouter(tags=["upload"], route_class=BoundedRoute)


class UploadAccepted(BaseModel):
    """The response of the upload application's contract."""

    message: str
    task_id: str
    status: str
    filename: str


@dataclass(slots=True)
class UploadForm:
    """What a form has held so far."""

    filename: str = ""
    fields: dict[str, str] = field(default_factory=dict)


# The file has a setting of its own, and the rest of the form the bound above.
@router.post(
    "/upload",
    response_model=UploadAccepted,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [FILE_FIELD],
                        "properties": {
                            FILE_FIELD: {"type": "string", "format": "binary"},
                            **UploadOptions.model_json_schema()["properties"],
                        },
                    }
                }
            },
        },
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
            }
        ],
    },
)
@body_at_most(sys.maxsize)
async def upload(request: Request, state: StateDep) -> Response:
    """Upload a video and queue its processing. A repeated ``Idempotency-Key`` returns the same job.

    Fields that come before the file are checked before the file is read.
    """
    job, filename = await _accept(request, state)
    accepted = UploadAccepted(
        message="Upload complete; processing is queued.",
        task_id=job.id,
        status="PROCESSING",
        filename=filename,
    )
    return JSONResponse(accepted.model_dump())


async def _accept(request: Request, state: AppState) -> tuple[Job, str]:
    boundary = parse_boundary(request.headers.get("content-type", ""))
    limits = UploadLimits(state.settings.max_upload_bytes, state.settings.min_free_bytes)
    check_declared_size(limits, state.files, _announced_bytes(request))
    key = _idempotency_key(request)
    # No records, no upload: better told now than after a gigabyte.
    await run_in_threadpool(state.database.ping)
    form, stored = await _read_form(request, state, limits, boundary)
    options = parse_options(form.fields)
    job = await run_in_threadpool(_record, state, stored, form.filename, options, key)
    return job, form.filename


def _announced_bytes(request: Request) -> int:
    """What the file will take at least, by Content-Length; 0 where the request does not say."""
    length = request.headers.get("content-length", "")
    return max(int(length) - _FORM_OVERHEAD_BYTES, 0) if length.isdecimal() else 0


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        raise ParametersInvalid(
            [("Idempotency-Key", f"must be 1 to {MAX_KEY_LENGTH} printable characters")]
        )
    return None if key is None else check_text(key, "idempotency_key")


async def _read_form(
    request: Request, state: AppState, limits: UploadLimits, boundary: bytes
) -> tuple[UploadForm, StoredFile]:
    reader = MultipartReader(boundary)
    received_bytes = 0
    async with UploadReceiver(state.files, limits, state.writers) as intake:
        form = _FormBuilder(intake)
        async for piece in request.stream():
            received_bytes += len(piece)
            for event in reader.feed(piece):
                await form.take(event)
            # What stands before, between and behind the parts has no end of its own.
            if received_bytes - intake.size_bytes > _FORM_OVERHEAD_BYTES:
                raise FormInvalid("The form has too much data in addition to the file.")
        if not reader.is_complete:
            raise FormInvalid("The upload ended before the form did.", code="upload_incomplete")
        return await form.finish()


class _FormBuilder:
    """Turns a form's events into an UploadForm, the file's bytes into the intake."""

    def __init__(self, intake: UploadReceiver) -> None:
        self._intake = intake
        self._form = UploadForm()
        self._part = ""
        self._value = b""
        self._has_file = False

    async def take(self, event: object) -> None:
        match event:
            case PartBegin(name, filename):
                self._begin(name, filename)
            case PartData(data) if self._part == FILE_FIELD:
                await self._intake.write(data)
            case PartData(data):
                self._gather(data)
            case _:
                self._end()

    async def finish(self) -> tuple[UploadForm, StoredFile]:
        if not self._has_file:
            raise FormInvalid(f"The form has no part called '{FILE_FIELD}'.", code="file_missing")
        return self._form, await self._intake.finish()

    def _begin(self, name: str, filename: str | None) -> None:
        self._part, self._value = name, b""
        if name != FILE_FIELD:
            return
        if self._has_file:
            raise FormInvalid("The form has two files; upload one video per request.")
        # Refused now: a client that sends the fields first need not send the file for nothing.
        parse_options(self._form.fields)
        self._has_file = True
        self._form.filename = clean_filename(filename or "")

    def _gather(self, data: bytes) -> None:
        self._value += data
        if len(self._value) > MAX_FIELD_BYTES:
            refusal = TooLarge(f"The field '{self._part[:40]}' is too long.", code="form_invalid")
            refusal.hint = "Send the video in the part called 'file'."
            raise refusal

    def _end(self) -> None:
        if self._part != FILE_FIELD:
            self._form.fields[self._part] = self._value.decode("utf-8", "replace")


def _record(
    state: AppState, stored: StoredFile, filename: str, options: UploadOptions, key: str | None
) -> Job:
    """Asset and job, in one transaction. Raises Conflict where the key was used for another film.

    The job must name the asset before either has a row; whoever loses the race for the same bytes
    takes the winner's asset at the next turn.
    """
    while True:
        known = find_asset(state.database, owner=OWNER, sha256=stored.sha256)
        asset_id = known.id if known else str(uuid4())
        try:
            return state.jobs.create_job(
                options.kind,
                owner=OWNER,
                params=options.job_params,
                asset_id=asset_id,
                priority=options.priority,
                idempotency_key=key,
                in_transaction=partial(
                    _register, asset_id=asset_id, stored=stored, filename=filename
                ),
            )
        except _AssetRaced:
            continue


class _AssetRaced(Exception):
    """Somebody registered the same bytes between our look and our write."""


def _register(connection: Connection, *, asset_id: str, stored: StoredFile, filename: str) -> None:
    asset, _ = register_asset(
        connection,
        owner=OWNER,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=filename,
        asset_id=asset_id,
    )
    if asset.id != asset_id:
        raise _AssetRaced
