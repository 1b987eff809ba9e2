"""The films of a timeline, each fetched and looked at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cinemill.core.media import MediaInfo
from cinemill.core.timeline import Source, Timeline, blame_clip, find_clip_of
from cinemill.core.timeline_form import read_timeline
from cinemill.errors import InputRejected
from cinemill.ingest.intake import TakenIn, take_in
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.jobs.workshop import Workshop, limit_to
from cinemill.media.probe import probe
from cinemill.storage import assets
from cinemill.storage.database import Connection

Save = Callable[[Connection], None]


def gather_sources(workshop: Workshop, context: StepContext) -> StepOutcome:
    """Fetch and probe the films ``first`` to ``first + count`` of the job's timeline.

    Result: ``sources``, by their number: ``asset_id``, ``sha256``, ``media``. Raises InputRejected,
    NotFound and MediaRejected, naming the first clip that uses the film, and DiskFull.
    """
    timeline = read_timeline(context.run.job_params["job"])
    first, count = int(context.run.params["first"]), int(context.run.params["count"])
    found: dict[str, dict[str, Any]] = {}
    saves: list[Save] = []
    for position, source in enumerate(timeline.sources[first : first + count]):
        document, save = _gather(workshop, context, timeline, source, position / count, 1 / count)
        found[str(first + position)] = document
        saves.append(save)
    return StepOutcome({"sources": found}, lambda connection: _save_all(connection, saves))


def _gather(
    workshop: Workshop,
    context: StepContext,
    timeline: Timeline,
    source: Source,
    done: float,
    share: float,
) -> tuple[dict[str, Any], Save]:
    try:
        if source.asset_id is not None:
            return _look_up(workshop, context, source.asset_id)
        return _fetch(workshop, context, str(source.path), done, share)
    except InputRejected as error:
        raise blame_clip(find_clip_of(timeline, source), error) from error


def _look_up(
    workshop: Workshop, context: StepContext, asset_id: str
) -> tuple[dict[str, Any], Save]:
    asset = assets.get_asset(workshop.database, asset_id)
    media = asset.media or _probe(workshop, context, asset.sha256)
    save = partial(assets.record_media, asset_id=asset.id, media=media)
    return _describe(asset.id, asset.sha256, media), save


def _fetch(
    workshop: Workshop, context: StepContext, path: str, done: float, share: float
) -> tuple[dict[str, Any], Save]:
    taken = take_in(workshop, context, path, done=done, share=share)
    sha256 = taken.stored.sha256
    known = assets.find_asset(workshop.database, owner=context.run.owner, sha256=sha256)
    media = known.media if known is not None else None
    media = media or _probe(workshop, context, sha256)
    save = partial(_register, taken=taken, owner=context.run.owner, media=media)
    return _describe(taken.asset_id, sha256, media), save


def _probe(workshop: Workshop, context: StepContext, sha256: str) -> MediaInfo:
    return probe(workshop.files.path(sha256), limit_to(workshop, context), sandbox=workshop.sandbox)


def _describe(asset_id: str, sha256: str, media: MediaInfo) -> dict[str, Any]:
    return {"asset_id": asset_id, "sha256": sha256, "media": media.to_json()}


def _register(connection: Connection, *, taken: TakenIn, owner: str, media: MediaInfo) -> None:
    asset = taken.register(connection, owner)
    assets.record_media(connection, asset.id, media)


def _save_all(connection: Connection, saves: list[Save]) -> None:
    for save in saves:
        save(connection)
