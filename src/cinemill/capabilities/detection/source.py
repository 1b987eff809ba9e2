"""The video of a detection: a stored asset, or a file by its path that may be known already."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.detection.plan import DetectionParameters
from cinemill.core.files.asset_ids import read_asset_id
from cinemill.errors import NotFound
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources
from cinemill.steps.source.input_paths import resolve_input
from cinemill.storage.media import assets

MOST_PROGRESS = 0.02
"""Of the step, while it is the only one of its job and its progress is the job's."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video by its content."""

    sha256: str
    asset_id: str | None
    """None if the owner of the job has no asset of these bytes yet."""
    path: str | None = None
    """Where it can be imported from, if it is not an asset."""


def locate_source(resources: StepResources, context: StepContext) -> VideoSource:
    """Return the video of the job. A file that was hashed before is not read again.

    Raises NotFound (``asset_not_found``, ``file_missing``), InputRejected (``path_forbidden``,
    ``source_not_found`` and others).
    """
    named = context.job_parameters(DetectionParameters).asset
    asset_id = context.run.asset_id or read_asset_id(named)
    if asset_id is not None:
        asset = assets.get_asset(resources.database, asset_id)
        return VideoSource(asset.sha256, asset.id)
    if named is None:
        raise NotFound("The video of this job was deleted.", code="asset_not_found")
    return _locate_file(resources, context, named)


def _locate_file(resources: StepResources, context: StepContext, path: str) -> VideoSource:
    real = resolve_input(path, resources.input_roots)
    size_bytes = max(1, real.stat().st_size)
    found = resources.caches.files.hash_file(
        real,
        on_progress=lambda done_bytes: context.report(
            MOST_PROGRESS * done_bytes / size_bytes, "Reading the video"
        ),
        should_stop=context.should_stop,
    )
    asset = assets.find_asset(resources.database, owner=context.run.owner, sha256=found.sha256)
    return VideoSource(found.sha256, asset.id) if asset else VideoSource(found.sha256, None, path)
