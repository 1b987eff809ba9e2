"""Validation of a timeline against its videos, before anything is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cinemill.capabilities.render.audio.audio_mix import SAMPLE_BYTES
from cinemill.capabilities.render.context import RenderContext, find_videos, read_context
from cinemill.capabilities.render.pieces.clip_filters import StoredVideo
from cinemill.capabilities.render.pieces.render_piece import check_coverage
from cinemill.capabilities.render.results import ValidateResult
from cinemill.capabilities.render.subtitles import find_subtitles
from cinemill.capabilities.render.timeline.pieces import SAMPLE_RATE_HZ, total_frames
from cinemill.capabilities.render.timeline.timeline import Timeline, name_clip, reject_element
from cinemill.core.tracks.choice import choose_audio
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources, require_space
from cinemill.storage.media import assets

BITS_PER_PIXEL = 0.25
LEAST_BYTES = 8 * 1024 * 1024
SOUND_BYTES_PER_SECOND = 50_000
"""Of encoded audio: once by itself, and once in the output."""


def validate_render(resources: StepResources, context: StepContext) -> StepOutcome:
    """Compare the clips with their videos, read the subtitles, and check the free space.

    Result: ``asset_ids``, ``subtitles``. Raises InputRejected (``clip_past_end``,
    ``media_no_video``, ``media_no_sound``, ``subtitles_*``, ``captions_not_found``,
    ``source_not_found``, ``path_forbidden``), ToolMissing, DiskFull.
    """
    edit = read_context(context)
    videos = find_videos(resources, edit)
    _check_clips(videos, edit)
    _check_overlays(videos, edit)
    subtitles = find_subtitles(resources, edit)
    require_space(resources, estimate_bytes(edit.timeline))
    result = ValidateResult(tuple(_find_assets(resources, edit)), subtitles)
    return StepOutcome(write_result(result))


def _find_assets(resources: StepResources, edit: RenderContext) -> list[str]:
    """Return the videos' assets in order; one asset where two steps imported equal bytes."""
    found = (edit.found[source] for source in edit.timeline.sources)
    found = (one for one in found if one.media.is_film)
    with resources.database.begin() as connection:
        return [
            assets.find_owned(connection, one.asset_id, one.sha256) or one.asset_id for one in found
        ]


def _check_clips(videos: Mapping[str, StoredVideo], edit: RenderContext) -> None:
    for index, clip in enumerate(edit.timeline.clips):
        if clip.is_gap:
            continue
        video, name = videos[edit.hashes[clip.source]], name_clip(index)
        if not video.info.has_picture:
            why = "it is sound alone: put it among the sounds, or choose a video."
            raise reject_element(name, why, "media_no_video")
        _check_duration(video, clip.end, name)


def _check_duration(video: StoredVideo, end: Fraction, name: str) -> None:
    if not check_coverage(video, end):
        seconds = video.info.duration_seconds_from_header
        ends = f"it ends at {float(end):g} s, but its video is {seconds:g} s long."
        raise reject_element(name, ends, "clip_past_end")


def _check_overlays(videos: Mapping[str, StoredVideo], edit: RenderContext) -> None:
    for overlay in edit.timeline.overlays:
        video = videos[edit.hashes[overlay.source]]
        if not video.info.has_picture:
            raise reject_element(overlay.name, "it has no video or image.", "media_no_video")
        if video.info.is_film:
            end = overlay.start + overlay.until - overlay.since
            _check_duration(video, end, overlay.name)
    for sound in edit.timeline.sounds:
        video = videos[edit.hashes[sound.source]]
        if choose_audio(video.info) is None:
            if not sound.may_be_missing:
                raise reject_element(sound.name, "it has no audio.", "media_no_sound")
        else:
            _check_duration(video, sound.start, sound.name)


def estimate_bytes(timeline: Timeline) -> int:
    """Return the most bytes that the pieces and the output take together."""
    output = timeline.output
    seconds = float(total_frames(timeline) / output.fps)
    bps = output.width * output.height * float(output.fps) * BITS_PER_PIXEL
    # During the mix, raw audio is stored there, and the longest region of it twice.
    raw = SAMPLE_RATE_HZ * SAMPLE_BYTES * (2 if timeline.sounds else 1)
    return LEAST_BYTES + int(seconds * (2 * bps / 8 + SOUND_BYTES_PER_SECOND + raw))
