"""Records as JSON, the same wherever they are answered."""

from __future__ import annotations

from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.job import DeadStep, Job
from cinemill.jobs.job_document import describe_job
from cinemill.storage.media.assets import ArtifactRecord, AssetRecord


def job_document(job: Job) -> dict[str, Any]:
    """A job. ``status`` and ``state`` are the same word, as ``job_id`` and ``id`` are the same id:
    progress events speak of a status, records of a state."""
    return name_twice(describe_job(job))


def name_twice(described: JsonObject) -> dict[str, Any]:
    """A described job under both its names; see :func:`job_document`."""
    return {
        "id": described["job_id"],
        "state": described["status"],
        "failure": described["error"],
        **described,
    }


def shorten_lists(value: Any, items: int) -> Any:
    """JSON with at most so many items of each list in it."""
    if isinstance(value, dict):
        return {name: shorten_lists(one, items) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [shorten_lists(one, items) for one in value[:items]]
    return value


def asset_document(asset: AssetRecord) -> dict[str, Any]:
    """A catalogued film; ``media`` is null until it has been probed."""
    return {
        "id": asset.id,
        "owner": asset.owner,
        "sha256": asset.sha256,
        "size_bytes": asset.size_bytes,
        "filename": asset.filename,
        "media": asset.media.to_json() if asset.media else None,
        "created_at": asset.created_at.isoformat(),
        "source_url": f"/assets/{asset.id}/files/source",
    }


def artifact_document(record: ArtifactRecord) -> dict[str, Any]:
    """A derived file, with the address that it is fetched from."""
    artifact = record.artifact
    address = f"/assets/{record.asset_id}/files/{artifact.kind.value}"
    return {
        "kind": artifact.kind.value,
        "variant": record.variant,
        "filename": artifact.filename,
        "media_type": artifact.media_type,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "facts": artifact.facts,
        "url": f"{address}?variant={record.variant}" if record.variant else address,
        "created_at": record.created_at.isoformat(),
    }


def dead_document(dead: DeadStep) -> dict[str, Any]:
    """A dead letter."""
    return {
        "step_id": dead.step_id,
        "job_id": dead.job_id,
        "job_kind": dead.job_kind,
        "step_name": dead.step_name,
        "owner": dead.owner,
        "attempts": dead.attempts,
        "failures": dead.failures,
        "crashes": dead.crashes,
        "failure": dead.failure.to_json(),
        "died_at": dead.died_at.isoformat(),
    }
