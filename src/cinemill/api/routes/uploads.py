"""Uploads: a form with a video in, a job out."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from cinemill.api.http.bodies import BoundedRoute, body_at_most
from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.models.jobs import MAX_KEY_LENGTH, JobDocument
from cinemill.api.models.problems import CREATED, problems
from cinemill.api.state import AppState, StateDep
from cinemill.api.upload.multipart import (
    FormInvalid,
    MultipartReader,
    PartBegin,
    PartData,
    parse_boundary,
)
from cinemill.api.upload.options import UploadOptions, parse_options
from cinemill.api.upload.receiver import UploadLimits, UploadReceiver, check_declared_size
from cinemill.capabilities.ingest.stored_assets import (
    UploadedFile,
    UploadJob,
    create_upload_job,
)
from cinemill.core.documents import check_text
from cinemill.core.job import DEFAULT_OWNER, Job
from cinemill.core.text.file_names import clean_filename
from cinemill.errors import TooLarge
from cinemill.storage.media.files import StoredFile

FILE_FIELD = "file"
MAX_FIELD_BYTES = 4096
_FORM_OVERHEAD_BYTES = 128 * 1024
"""More than the boundaries, headers and small fields of any honest form."""

router = APIRouter(tags=["upload"], route_class=BoundedRoute)


@dataclass(slots=True)
class UploadForm:
    """The parts of a form so far."""

    filename: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def describe_form() -> dict[str, Any]:
    """Return the OpenAPI of the form and its header."""
    fields = UploadOptions.model_json_schema()["properties"]
    properties = {name: strip_null(schema) for name, schema in fields.items()}
    file = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "required": [FILE_FIELD],
        "properties": {FILE_FIELD: file, **properties},
    }
    key = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": key}],
    }


def strip_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a form's field: a field is there or it is not, and never null."""
    options = schema.get("anyOf", [])
    kept = [one for one in options if one != {"type": "null"}]
    if len(kept) == len(options):
        return schema
    others = {
        name: value
        for name, value in schema.items()
        if name != "anyOf" and (name, value) != ("default", None)
    }
    return {**kept[0], **others} if len(kept) == 1 else {"anyOf": kept, **others}


REFUSALS = problems(404, 409, 413, 415, 422, 507)


# The file has a setting of its own, and the rest of the form the bound above.
@router.post(
    "/upload",
    status_code=201,
    response_model=JobDocument,
    responses=CREATED | REFUSALS,
    openapi_extra=describe_form(),
)
@body_at_most(sys.maxsize)
async def upload(request: Request, state: StateDep, response: Response) -> JobDocument:
    """Upload a video and queue its processing. A repeated ``Idempotency-Key`` returns the same job.

    Fields that come before the file are checked before the file is read.
    """
    job, _ = await accept_upload(request, state)
    created = JobDocument.from_job(job)
    response.headers["Location"] = created.address
    return created


async def accept_upload(request: Request, state: AppState) -> tuple[Job, str]:
    """Receive the form; returns the job that processes the file, and the file's name.

    Raises InputRejected, TooLarge, DiskFull, Conflict.
    """
    boundary = parse_boundary(request.headers.get("content-type", ""))
    limits = UploadLimits(state.settings.max_upload_bytes, state.settings.min_free_bytes)
    check_declared_size(limits, state.files, _announced_bytes(request))
    key = _idempotency_key(request)
    # Without the database there is no upload: better refused now than after a gigabyte.
    await run_in_threadpool(state.database.ping)
    form, stored = await _read_form(request, state, limits, boundary)
    options = parse_options(form.fields)
    file = UploadedFile(DEFAULT_OWNER, form.filename, stored, options.collection)
    wanted = UploadJob(options.kind, options.job_params, options.priority, key)
    create = partial(create_upload_job, state.database, state.jobs, file, wanted)
    return await run_in_threadpool(create), form.filename


def _announced_bytes(request: Request) -> int:
    """Return the least size of the file by Content-Length; 0 where the header is missing."""
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
            # Bytes before, between and after the parts are bounded by nothing else.
            if received_bytes - intake.size_bytes > _FORM_OVERHEAD_BYTES:
                raise FormInvalid("The form has too much data in addition to the file.")
        if not reader.is_complete:
            raise FormInvalid("The upload ended before the form did.", code="upload_incomplete")
        return await form.finish()


class _FormBuilder:
    """Builds an UploadForm from a form's events; the file's bytes go to the receiver."""

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
