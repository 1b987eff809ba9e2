"""The films of a timeline, each fetched and looked at once."""

from __future__ import annotations

from typing import Any

from cinemill.core.media import MediaInfo
from cinemill.core.timeline import Source, Timeline, blame_clip, find_clip_of
from cinemill.core.timeline_form import read_timeline
from cinemill.errors import InputRejected
from cinemill.ingest.intake import take_in
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.jobs.workshop import Workshop, limit_to
from cinemill.media.probe import probe
from cinemill.storage import assets


def gather_sources(workshop: Workshop, context: StepContext) -> StepOutcome:
    """Fetch and probe the films ``first`` to ``first + count`` of the job's timeline.

    Each gets its row at once, whatever becomes of this try: fetching the others may take longer
    than the collector leaves a stored file alone that no row names.

    Result: ``sources``, by their number: ``asset_id``, ``sha256``, ``media``. Raises InputRejected,
    NotFound and MediaRejected, naming the first clip that uses the film, and DiskFull.
    """
    timeline = read_timeline(context.run.job_params["job"])
    first, count = int(context.run.params["first"]), int(context.run.params["count"])
    found: dict[str, dict[str, Any]] = {}
    for position, source in enumerate(timeline.sources[first : first + count]):
        found[str(first + position)] = _gather(
            workshop, context, timeline, source, position / count, 1 / count
        )
    return StepOutcome({"sources": found})


def _gather(
    workshop: Workshop,
    context: StepContext,
    timeline: Timeline,
    source: Source,
    done: float,
    share: float,
) -> dict[str, Any]:
    try:
        if source.asset_id is not None:
            return _look_up(workshop, context, source.asset_id)
        return _fetch(workshop, context, str(source.path), done, share)
    except InputRejected as error:
        raise blame_clip(find_clip_of(timeline, source), error) from error


def _look_up(workshop: Workshop, context: StepContext, asset_id: str) -> dict[str, Any]:
    asset = assets.get_asset(workshop.database, asset_id)
    media = asset.media or _probe(workshop, context, asset.sha256)
    with workshop.database.begin() as connection:
        assets.record_media(connection, asset.id, media)
    return _describe(asset.id, asset.sha256, media)


def _fetch(
    workshop: Workshop, context: StepContext, path: str, done: float, share: float
) -> dict[str, Any]:
    taken = take_in(workshop, context, path, done=done, share=share)
    sha256 = taken.stored.sha256
    known = assets.find_asset(workshop.database, owner=context.run.owner, sha256=sha256)
    media = known.media if known is not None else None
    media = media or _probe(workshop, context, sha256)
    with workshop.database.begin() as connection:
        asset = taken.register(connection, context.run.owner)
        assets.record_media(connection, asset.id, media)
    return _describe(asset.id, sha256, media)


def _probe(workshop: Workshop, context: StepContext, sha256: str) -> MediaInfo:
    return probe(workshop.files.path(sha256), limit_to(workshop, context), sandbox=workshop.sandbox)


def _describe(asset_id: str, sha256: str, media: MediaInfo) -> dict[str, Any]:
    return {"asset_id": asset_id, "sha256": sha256, "media": media.to_json()}
