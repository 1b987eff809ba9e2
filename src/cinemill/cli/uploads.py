"""Uploads of several videos, of which one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.cli.arguments.videos import find_video_id
from cinemill.cli.ids import shorten
from cinemill.cli.input_files import FileUnusable
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.progress import Display
    from cinemill.client import Client, JobDocument

FATAL_CODES = frozenset(
    {
        "certificate_expired",
        "certificate_untrusted",
        "certificate_wrong_name",
        "connect_timed_out",
        "host_unknown",
        "host_unreachable",
        "mill_unreachable",
        "not_a_mill",
        "not_http",
        "proxy_refused",
        "redirected",
        "tls_failed",
        "unauthorized",
    }
)
"""Codes of errors with which all further uploads would fail too."""

DEFAULT_KIND = "process_video"


@dataclass(frozen=True, slots=True)
class UploadBatch:
    """Options that apply to every uploaded video."""

    priority: int | None = None
    thumbnail_seconds: float | None = None
    idempotency_key: str | None = None
    kind: str | None = None
    params: Mapping[str, object] | None = None
    collection: str | None = None
    """The collection to move each video into; None leaves it where it is."""


@dataclass(slots=True)
class UploadResult:
    """The jobs and errors of the uploads so far, by display name."""

    jobs: dict[str, JobDocument] = field(default_factory=dict)
    errors: dict[str, CinemillError] = field(default_factory=dict)

    @property
    def job_ids(self) -> dict[str, str]:
        return {name: str(job["id"]) for name, job in self.jobs.items()}


def queue_assets(
    client: Client,
    assets: Mapping[str, str],
    batch: UploadBatch,
    display: Display,
    sent: UploadResult,
) -> None:
    """Queue a job of the batch's kind for each stored video, and record it or its error.

    ``assets`` are ids, or their first characters, by display name.
    """
    for name, asset_id in assets.items():
        try:
            job = client.create_job(
                find_video_id(client, asset_id),
                batch.kind or DEFAULT_KIND,
                params=batch.params,
                priority=batch.priority,
            )
            sent.jobs[name] = job
            _move_into_collection(client, job, batch)
        except CinemillError as error:
            sent.errors[name] = error
            display.failed(name, "not accepted")
        else:
            display.accepted(name, shorten(str(job["id"])))


def upload_videos(
    client: Client,
    videos: Mapping[str, Path],
    batch: UploadBatch,
    display: Display,
    sent: UploadResult,
    on_accepted: Callable[[JobDocument], None] = lambda _: None,
) -> None:
    """Upload each video and record its job or error in ``sent`` at once."""
    for name, video in videos.items():
        try:
            job = upload_video(client, name, video, batch, display)
            sent.jobs[name] = job
            _move_into_collection(client, job, batch)
        except CinemillError as error:
            sent.errors[name] = error
            display.failed(name, "not accepted")
            if error.code in FATAL_CODES:
                break
        else:
            display.accepted(name, shorten(str(job["id"])))
            on_accepted(job)
    for name in videos:
        if name not in sent.jobs and name not in sent.errors:
            sent.errors[name] = CinemillError(
                "Not uploaded, because the server did not accept the previous video.",
                code="not_sent",
                hint="Upload it again when the server accepts videos.",
            )


def _move_into_collection(client: Client, job: JobDocument, batch: UploadBatch) -> None:
    """Move the job's video into the batch's collection, if it has one. Raises ClientError."""
    if batch.collection is not None:
        client.set_collection(str(job["asset_id"]), batch.collection)


def upload_video(
    client: Client, name: str, video: Path, batch: UploadBatch, display: Display
) -> JobDocument:
    """Upload one video. Raises ClientError, or FileUnusable if the file cannot be read."""
    try:
        return client.upload(
            video,
            kind=batch.kind,
            params=batch.params,
            priority=batch.priority,
            thumbnail_seconds=batch.thumbnail_seconds,
            idempotency_key=batch.idempotency_key,
            on_bytes=partial(display.sent, name),
        )
    except OSError as error:
        raise FileUnusable(f"{video} cannot be read: {error.strerror or error}.") from error
