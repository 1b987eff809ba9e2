"""Publishing a verified file: into the store, and described as an artifact."""

from __future__ import annotations

from pathlib import Path

from cinemill.core.documents import JsonObject
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.storage.media.files import LocalFiles


def publish_artifact(
    files: LocalFiles,
    path: Path,
    kind: ArtifactKind,
    *,
    filename: str,
    media_type: str,
    facts: JsonObject | None = None,
) -> Artifact:
    """Move a finished file into the store and return its description.

    ``filename`` is the one that people see. Rows that point at the file are written afterwards.
    Raises DiskFull.
    """
    stored = files.publish(path)
    return Artifact(
        kind=kind,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=filename,
        media_type=media_type,
        facts=dict(facts or {}),
    )
