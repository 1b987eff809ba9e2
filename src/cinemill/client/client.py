"""The HTTP API as methods of one object."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import platformdirs

from cinemill.client.analyses import AnalysisCalls
from cinemill.client.calls import part_of
from cinemill.client.certificates import CA_FILE
from cinemill.client.connection import API, Connection, drop_none
from cinemill.client.contents import ContentCalls
from cinemill.client.errors import START_IT, ClientError
from cinemill.client.events import EventFollower
from cinemill.client.models import (
    AssetDocument,
    DeadDocument,
    DeadMessageDocument,
    HealthDocument,
    JobDocument,
    ProgressEvent,
    StatsDocument,
    TaskResult,
    TaskStatus,
)
from cinemill.client.pictures import PictureCalls
from cinemill.client.searches import SearchCalls
from cinemill.client.transfers import Download, OnBytes, ProgressFile

UPLOAD_TIMEOUT = httpx.Timeout(300, connect=5, write=60)
"""The response comes after the server has hashed and synced the video."""


class Client(AnalysisCalls, SearchCalls, PictureCalls, ContentCalls):
    """One server. Every method raises :class:`ClientError` if it refuses or does not respond."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        ca_file: str | Path | None = None,
        public_url: str | None = None,
    ) -> None:
        """Open nothing yet; the address may have a path, such as https://media.example.com/mill.

        ``ca_file`` has the authorities (PEM) that the server's certificate is trusted by, instead
        of this machine's; ``public_url`` is where people open the server, if that is elsewhere.
        Raises ClientError for an address or a file that is none.
        """
        super().__init__(Connection(base_url, token, ca_file=ca_file, public_url=public_url))

    @classmethod
    def from_home(cls, home: Path | None = None) -> Self:
        """Return a client of the server that runs on this home folder now.

        Without ``home``: CINEMILL_URL and CINEMILL_TOKEN where set, else CINEMILL_HOME, else the
        user's data folder. CINEMILL_CA_FILE is the file of the authorities that are trusted.
        """
        address = os.environ.get("CINEMILL_URL")
        ca_file = os.environ.get(CA_FILE) or None
        if home is None and address:
            return cls(address, os.environ.get("CINEMILL_TOKEN"), ca_file=ca_file)
        home = home or _default_home()
        address, public_url = _read_addresses(home)
        return cls(address, _read_token(home), ca_file=ca_file, public_url=public_url)

    @property
    def base_url(self) -> str:
        return self._connection.base_url

    @property
    def public_url(self) -> str:
        """Where people open the server: behind a proxy that it knows of, else at ``base_url``."""
        return self._connection.public_url

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def upload(
        self,
        path: str | Path,
        *,
        kind: str | None = None,
        params: Mapping[str, object] | None = None,
        priority: int | None = None,
        thumbnail_seconds: float | None = None,
        collection: str | None = None,
        idempotency_key: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> JobDocument:
        """Upload a video and queue its processing, or another ``kind`` of job with its ``params``.

        ``priority`` is 0–10, 10 first. Searches can be limited to a ``collection``. The same
        ``idempotency_key`` twice is one job, so an upload whose response was lost can be sent
        again. Raises OSError where the file cannot be read.
        """
        path = Path(path)
        fields = drop_none(
            kind=kind,
            params=json.dumps(params) if params else None,
            priority=priority,
            thumbnail_seconds=thumbnail_seconds,
            collection=collection,
        )
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        with path.open("rb", buffering=0) as file:
            reply = self._connection.call(
                "POST",
                f"{API}/upload",
                data={name: str(value) for name, value in fields.items()},
                files={"file": (_readable_name(path), ProgressFile(cast("Any", file), on_bytes))},
                headers=headers,
                timeout=UPLOAD_TIMEOUT,
            )
        return cast("JobDocument", reply)

    def task(self, task_id: str) -> TaskStatus:
        return cast("TaskStatus", self._get(f"/task/{part_of(task_id)}"))

    def result(self, task_id: str) -> TaskResult:
        return cast("TaskResult", self._get(f"/task/{part_of(task_id)}/result"))

    def cleanup(self, task_id: str) -> dict[str, Any]:
        """Delete a task with its video and all derived files, unless another task needs them."""
        return cast("dict[str, Any]", self._post(f"/task/{part_of(task_id)}/cleanup"))

    def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        asset_id: str | None = None,
        before: str | None = None,
        id_prefix: str | None = None,
        limit: int = 50,
    ) -> list[JobDocument]:
        """List jobs, newest first; ``before`` is the id of the last job of the previous page.

        ``id_prefix`` finds jobs by the first characters of their ids; ``limit`` is the most to
        return.
        """
        wanted = drop_none(
            status=status,
            kind=kind,
            asset_id=asset_id,
            before=before,
            id_prefix=id_prefix,
        )
        return cast("list[JobDocument]", self._list("jobs", "jobs", limit, wanted))

    def job(self, job_id: str) -> JobDocument:
        return cast("JobDocument", self._get(f"{API}/jobs/{part_of(job_id)}"))

    def job_status(self, job_id: str) -> JobDocument:
        """Return a job with time left, position in the queue and its steps."""
        return cast("JobDocument", self._get(f"{API}/jobs/{part_of(job_id)}/status"))

    def cancel(self, job_id: str, reason: str = "") -> JobDocument:
        body = {"reason": reason}
        return cast("JobDocument", self._post(f"{API}/jobs/{part_of(job_id)}/cancel", body))

    def retry(self, job_id: str) -> JobDocument:
        return cast("JobDocument", self._post(f"{API}/jobs/{part_of(job_id)}/retry"))

    def retry_failed(self, *, kind: str | None = None, code: str | None = None) -> dict[str, Any]:
        """Retry every failed job, or those of a kind or of an error code."""
        wanted = dict(drop_none(kind=kind, code=code))
        return cast("dict[str, Any]", self._post(f"{API}/jobs/retry", wanted))

    def delete(self, job_id: str) -> None:
        self._connection.call("DELETE", f"{API}/jobs/{part_of(job_id)}")

    def watch(self, job_id: str, *, last_event_id: str = "") -> Iterator[ProgressEvent]:
        """Yield the job's events to its end. Reconnects and resumes where it was cut off."""
        return EventFollower(self._connection, part_of(job_id), last_id=last_event_id).events()

    def dead(self) -> list[DeadDocument]:
        """List all steps that used up their retries or were rejected, and wait for a person."""
        return cast("list[DeadDocument]", self._list("dead", "dead", None))

    def dead_messages(self, *, limit: int | None = None) -> list[DeadMessageDocument]:
        """List messages to the workers that became no job, latest first: all, or ``limit``."""
        found = self._list("dead/messages", "messages", limit)
        return cast("list[DeadMessageDocument]", found)

    def drop_dead_message(self, message_id: str) -> None:
        self._connection.call("DELETE", f"{API}/dead/messages/{part_of(message_id)}")

    def redrive(self, step_id: str) -> JobDocument:
        return cast("JobDocument", self._post(f"{API}/dead/{part_of(step_id)}/redrive"))

    def assets(self, *, limit: int = 50) -> list[AssetDocument]:
        """List assets, newest first; ``limit`` is the most to return."""
        return cast("list[AssetDocument]", self._list("assets", "assets", limit))

    def asset(self, asset_id: str) -> AssetDocument:
        return cast("AssetDocument", self._get(f"{API}/assets/{part_of(asset_id)}"))

    def delete_asset(self, asset_id: str, *, undo_seconds: float = 0) -> AssetDocument | None:
        """Delete an asset with its jobs and files; its running jobs are cancelled.

        With ``undo_seconds``, ``restore_asset`` can undo it for so long. Returns None where it is
        deleted, else the asset, which is deleted without a further request.
        """
        reply = self._connection.call(
            "DELETE",
            f"{API}/assets/{part_of(asset_id)}",
            params=drop_none(undo_seconds=undo_seconds or None),
        )
        return cast("AssetDocument | None", reply)

    def restore_asset(self, asset_id: str) -> AssetDocument:
        """Undo the deletion of an asset, while there is time."""
        return cast("AssetDocument", self._post(f"{API}/assets/{part_of(asset_id)}/restore"))

    def set_collection(self, asset_id: str, collection: str) -> AssetDocument:
        """Move an asset into a collection, to which searches can be limited; "" is none."""
        path = f"{API}/assets/{part_of(asset_id)}"
        reply = self._connection.call("PATCH", path, json={"collection": collection})
        return cast("AssetDocument", reply)

    def create_job(
        self,
        asset_id: str,
        kind: str,
        *,
        params: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> JobDocument:
        """Queue another job for an existing asset."""
        body = {"kind": kind, "params": params or {}, **drop_none(priority=priority)}
        return cast("JobDocument", self._post(f"{API}/assets/{part_of(asset_id)}/jobs", body))

    def submit(
        self,
        kind: str,
        params: Mapping[str, object],
        *,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> JobDocument:
        """Queue a job that names its videos by paths on the server, as a render does."""
        body = {"kind": kind, "params": dict(params), **drop_none(priority=priority)}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return cast(
            "JobDocument", self._connection.call("POST", f"{API}/jobs", json=body, headers=headers)
        )

    def download(
        self,
        asset_id: str,
        kind: str,
        to: str | Path,
        *,
        variant: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Download a file of an asset to a path or into a folder; size and SHA-256 are checked.

        ``kind`` is one of ``cinemill.core.media.ArtifactKind``; ``variant`` chooses among
        files of one kind, such as thumbnails of several times.
        """
        path = f"{API}/assets/{part_of(asset_id)}/files/{part_of(kind)}"
        if variant:
            path += f"?variant={part_of(variant)}"
        return Download(self._connection, path, on_bytes).fetch(Path(to))

    def stats(self) -> StatsDocument:
        return cast("StatsDocument", self._get(f"{API}/stats"))

    def health(self) -> HealthDocument:
        return cast("HealthDocument", self._get(f"{API}/health"))


def _readable_name(path: Path) -> str:
    """Return a file's name as text. A name is bytes, and those that are not UTF-8 are replaced."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _default_home() -> Path:
    # From the environment alone: a settings file is read by programs, not by a library.
    if named := os.environ.get("CINEMILL_HOME"):
        return Path(named)
    try:
        return Path(platformdirs.user_data_path("cinemill", appauthor=False))
    except RuntimeError:  # a user without a home, as in containers: no server's address is there
        return Path("cinemill")


def _read_addresses(home: Path) -> tuple[str, str | None]:
    """Return where the server on this home listens, and its public URL, if it has one."""
    try:
        state = json.loads((home / "run" / "state.json").read_text("utf-8"))
        return str(state["api_url"]), state.get("public_url")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        message = f"No Cinemill server is running for {home}."
        raise ClientError(message, code="mill_not_running", hint=START_IT) from problem


def _read_token(home: Path) -> str | None:
    try:
        return (home / "token").read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return (
            None  # With CINEMILL_AUTH=off none is needed; otherwise the server responds with 401.
        )
