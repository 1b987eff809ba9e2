"""Stills spread over a stored film, for people to look at."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.jobs.workshop import Workshop, find_asset, limit_to, list_stages, require_space
from cinemill.media.stills import Still, extract_stills, spread_moments
from cinemill.produce.shelf import make_stem, put_on_shelf
from cinemill.storage import assets
from cinemill.storage.database import Connection

STAGE = "preview"
STAGE_VERSION = 2
LARGEST_STILL_BYTES = 1024 * 1024


def make_previews(workshop: Workshop, context: StepContext) -> StepOutcome:
    """``num_frames`` stills at most ``height`` high, spread over the job's film.

    Result: ``asset_id``, ``preview_paths``, ``previews`` (``seconds``, ``sha256`` and sizes of
    each), ``made`` (kind and variant), ``stages`` in seconds. Raises MediaRejected,
    OutputInvalid, CommandFailed, DiskFull.
    """
    began = time.monotonic()
    asset = find_asset(workshop, context)
    count, height = int(context.run.params["num_frames"]), int(context.run.params["height"])
    require_space(workshop, count * LARGEST_STILL_BYTES)
    info = MediaInfo.from_json(dict(context.run.inputs["probe"]["media"]))
    stills = extract_stills(
        workshop.toolbox,
        workshop.files.path(asset.sha256),
        info,
        spread_moments(_last_moment(info), count),
        height=height,
        folder=context.folder,
        limits=limit_to(workshop, context),
        sandbox=workshop.sandbox,
        on_progress=lambda share: context.report(share, "Taking stills"),
        should_stop=context.should_stop,
    )
    pictures = [_publish(workshop, still, make_stem(asset.filename)) for still in stills]
    key = step_key(asset.sha256, count, height)
    paths = [
        put_on_shelf(
            workshop.files,
            picture.sha256,
            workshop.preview_dir,
            context.run.job_id,
            picture.filename,
        )
        for picture in pictures
    ]
    result = {
        "asset_id": asset.id,
        "preview_paths": [str(path) for path in paths],
        "previews": [describe(picture) for picture in pictures],
        "made": [
            {"kind": picture.kind.value, "variant": variant(key, picture)} for picture in pictures
        ],
        "stages": {**list_stages(context), "preview": round(time.monotonic() - began, 3)},
    }
    return StepOutcome(result, lambda connection: _save(connection, asset.id, key, pictures))


def _last_moment(info: MediaInfo) -> Fraction:
    """The film's length, as its picture's header has it where it does: sound may go on longer."""
    video = info.video.duration_seconds_from_header
    seconds = min(video, info.duration_seconds_from_header) if video else 0.0
    return Fraction(seconds or info.duration_seconds_from_header).limit_denominator(1000)


def _publish(workshop: Workshop, still: Still, stem: str) -> Artifact:
    filename = f"{stem}-{still.path.name}"
    stored = workshop.files.publish(still.path)
    return Artifact(
        kind=ArtifactKind.PREVIEW,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=filename,
        media_type="image/jpeg",
        facts={"seconds": float(still.seconds), "width": still.width, "height": still.height},
    )


def step_key(sha256: str, count: int, height: int) -> str:
    named = json.dumps([sha256, STAGE, STAGE_VERSION, count, height])
    return hashlib.sha256(named.encode()).hexdigest()


def variant(key: str, picture: Artifact) -> str:
    """Each still is a variant of its own: which work it is of, and its moment."""
    return f"{key[:12]}-{picture.facts['seconds']:.3f}"


def describe(picture: Artifact) -> Mapping[str, Any]:
    """A still as JSON values."""
    return {
        "filename": picture.filename,
        "sha256": picture.sha256,
        "size_bytes": picture.size_bytes,
        **picture.facts,
    }


def _save(connection: Connection, asset_id: str, key: str, pictures: Sequence[Artifact]) -> None:
    for picture in pictures:
        assets.save_artifacts(connection, asset_id, key, [picture], variant=variant(key, picture))
