"""Findings about a video that are kept as files of its asset, by the key of the work."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from cinemill.core.documents import JsonObject
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.text.file_names import derive_name
from cinemill.errors import NotFound
from cinemill.jobs.step import StepContext
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection, Database
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import LocalFiles

LARGEST_BYTES = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class KeptFinding:
    """A stored document, and what it is found by."""

    artifact: Artifact
    step_key: str
    variant: str

    def save(self, connection: Connection, asset_id: str) -> None:
        """Point the asset at the document, in place of an earlier one of this variant."""
        assets.save_artifacts(
            connection, asset_id, self.step_key, [self.artifact], variant=self.variant
        )


def keep_finding(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    document: JsonObject,
    *,
    name: str,
    step_key: str,
) -> KeptFinding:
    """Store a document; ``name`` is its variant and the end of its file name. Raises DiskFull."""
    path = context.folder / f"{name}.json"
    path.write_text(json.dumps(document, allow_nan=False) + "\n", "utf-8")
    artifact = publish_artifact(
        resources.files,
        path,
        ArtifactKind.FINDING,
        filename=_name_file(asset, name),
        media_type="application/json",
    )
    return KeptFinding(artifact, step_key, name)


def find_kept(
    database: Database, files: LocalFiles, step_key: str, name: str
) -> KeptFinding | None:
    """Return what this work left, for any asset; None if there is nothing, or its file is gone."""
    artifact = assets.find_step_artifacts(database, step_key).get(ArtifactKind.FINDING)
    if artifact is None or not files.exists(artifact.sha256):
        return None
    return KeptFinding(artifact, step_key, name)


def share_finding(
    resources: StepResources, asset: AssetRecord, *, name: str, step_key: str
) -> KeptFinding | None:
    """Return what this work left for any asset, named after this one, which may be saved with it.

    The stored file is the same. None if there is nothing, or the file is gone.
    """
    kept = find_kept(resources.database, resources.files, step_key, name)
    if kept is None:
        return None
    return replace(kept, artifact=replace(kept.artifact, filename=_name_file(asset, name)))


def _name_file(asset: AssetRecord, name: str) -> str:
    return derive_name(asset.filename, f"-{name}.json")


def read_document(files: LocalFiles, artifact: Artifact) -> dict[str, Any] | None:
    """Return the JSON object that was stored; None for anything else, or if the file is gone."""
    if artifact.size_bytes > LARGEST_BYTES:
        return None
    try:
        with files.open(artifact.sha256) as file:
            document = json.load(file)
    except (NotFound, ValueError):
        return None
    return document if isinstance(document, dict) else None
