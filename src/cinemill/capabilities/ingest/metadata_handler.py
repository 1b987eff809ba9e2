"""What a stored video is, as flat values: the columns that a table of videos has."""

from __future__ import annotations

from typing import Any

from cinemill.core.media import MediaInfo
from cinemill.core.tracks.choice import choose_audio
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources, find_asset, stage_seconds
from cinemill.steps.source.results import PROBE


def describe_source(resources: StepResources, context: StepContext) -> StepOutcome:
    """Return what probing has found out about the job's video.

    Result: ``asset_id``, ``filename``, ``width``, ``height``, ``fps``, ``duration`` in seconds,
    ``codec``, ``audio_codec``, ``format``, ``bitrate`` in bits a second, ``file_size`` in bytes,
    ``stages``. What is unknown is None. Raises NotFound.
    """
    asset = find_asset(resources, context)
    media = context.result_of(PROBE).media
    result = {
        "asset_id": asset.id,
        "filename": asset.filename,
        **describe_media(media),
        "stages": stage_seconds(context),
    }
    return StepOutcome(result)


def describe_media(media: MediaInfo) -> dict[str, Any]:
    """Return a video's properties by the names of columns; sizes are as it is shown."""
    video, sound = media.video, choose_audio(media)
    return {
        "width": video.display_width or None,
        "height": video.display_height or None,
        "fps": round(float(video.fps), 3) or None,
        "duration": media.duration_seconds_from_header or None,
        "codec": video.codec or None,
        "audio_codec": sound.codec if sound is not None else None,
        "format": media.format.value,
        "bitrate": media.bitrate_bps or None,
        "file_size": media.size_bytes,
    }
