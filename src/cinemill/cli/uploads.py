"""Uploads of several films, where one that goes wrong stops no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.cli.ids import shorten
from cinemill.cli.input_files import FileUnusable
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.progress import Display
    from cinemill.client import Client, JobDocument

HOPELESS = frozenset({"mill_unreachable", "unauthorized"})
"""Errors that every other film would end with too."""


@dataclass(frozen=True, slots=True)
class UploadBatch:
    """What is wanted of every film."""

    priority: int | None = None
    thumbnail_seconds: float | None = None
    idempotency_key: str | None = None
    kind: str | None = None
    params: Mapping[str, object] | None = None


@dataclass(slots=True)
class UploadResult:
    """The outcome of each upload so far, by name."""

    jobs: dict[str, JobDocument] = field(default_factory=dict)
    errors: dict[str, CinemillError] = field(default_factory=dict)

    @property
    def job_ids(self) -> dict[str, str]:
        return {name: str(job["id"]) for name, job in self.jobs.items()}


def send_films(
    mill: Client,
    films: Mapping[str, Path],
    wish: UploadBatch,
    display: Display,
    sent: UploadResult,
    on_accepted: Callable[[JobDocument], None] = lambda _: None,
) -> None:
    """Upload each film and note in ``sent`` what came of it, as it comes."""
    for name, film in films.items():
        try:
            job = send_film(mill, name, film, wish, display)
        except CinemillError as error:
            sent.errors[name] = error
            display.failed(name, "not accepted")
            if error.code in HOPELESS:
                break
        else:
            sent.jobs[name] = job
            display.accepted(name, shorten(str(job["id"])))
            on_accepted(job)
    for name in films:
        if name not in sent.jobs and name not in sent.errors:
            sent.errors[name] = CinemillError(
                "Not uploaded, because the server did not accept the previous video.",
                code="not_sent",
                hint="Upload it again when the server accepts videos.",
            )


def send_film(
    mill: Client, name: str, film: Path, wish: UploadBatch, display: Display
) -> JobDocument:
    """Raises ClientError; FileUnusable where the file cannot be read to its end."""
    try:
        return mill.upload(
            film,
            kind=wish.kind,
            params=wish.params,
            priority=wish.priority,
            thumbnail_seconds=wish.thumbnail_seconds,
            idempotency_key=wish.idempotency_key,
            on_bytes=partial(display.sent, name),
        )
    except OSError as error:
        raise FileUnusable(f"{film} cannot be read: {error.strerror or error}.") from error
