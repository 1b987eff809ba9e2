"""Copying a file by its path into the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cinemill.core.text.file_names import clean_filename
from cinemill.jobs.step import StepContext
from cinemill.media.probe.sniff import sniff_file
from cinemill.steps.resources import StepResources, require_space
from cinemill.steps.source.input_paths import resolve_input
from cinemill.storage.database import Connection
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import READ_BYTES, StoredFile

FETCHING = "Importing the video"


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A video whose bytes are in the store, and whose row is still to be written."""

    asset_id: str
    """The owner's asset of these bytes, or what a new one is to be called."""
    stored: StoredFile
    filename: str

    def register(self, connection: Connection, owner: str) -> AssetRecord:
        asset, _ = assets.register_asset(
            connection,
            owner=owner,
            sha256=self.stored.sha256,
            size_bytes=self.stored.size_bytes,
            filename=self.filename,
            asset_id=self.asset_id,
        )
        return asset


def import_file(
    resources: StepResources,
    context: StepContext,
    path: str,
    *,
    share: float = 1.0,
    done: float = 0.0,
    look: Callable[[Path], object] = sniff_file,
) -> StoredUpload:
    """Copy the video at ``path`` into the store.

    It is ``share`` of the step's work, after ``done``; ``look`` rejects unsupported files by their
    first bytes.

    Raises InputRejected, MediaRejected, DiskFull.
    """
    real = resolve_input(path, resources.input_roots)
    look(real)
    require_space(resources, real.stat().st_size)
    stored = _copy(
        resources, context, real, lambda part: context.report(done + share * part, FETCHING)
    )
    found = assets.find_asset(resources.database, owner=context.run.owner, sha256=stored.sha256)
    return StoredUpload(
        str(uuid4()) if found is None else found.id, stored, clean_filename(real.name)
    )


def _copy(
    resources: StepResources, context: StepContext, path: Path, on_progress: Callable[[float], None]
) -> StoredFile:
    size_bytes = max(1, path.stat().st_size)
    with path.open("rb") as source, resources.files.receive() as incoming:
        while block := source.read(READ_BYTES):
            stop = context.should_stop()
            if stop is not None:
                raise stop
            incoming.write(block)
            on_progress(incoming.size_bytes / size_bytes)
        return incoming.commit()
