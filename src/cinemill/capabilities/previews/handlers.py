"""Previews of a stored video: stills, a contact sheet of them, an animated preview."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinemill.capabilities.previews.animated_preview import (
    ANIMATION_NAME,
    render_animated_preview,
    spread_excerpts,
)
from cinemill.capabilities.previews.contact_sheet import SHEET_NAME, render_contact_sheet
from cinemill.capabilities.previews.duration import find_length
from cinemill.capabilities.previews.plan import StillsParameters
from cinemill.capabilities.previews.stills import Still, extract_stills, spread_moments
from cinemill.core.documents import JsonObject
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.content_key import content_key
from cinemill.steps.named_outputs import export_output, make_stem
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    find_asset,
    require_space,
    stage_seconds,
)
from cinemill.steps.source_results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord

STAGE = "preview"
STAGE_VERSION = 2
LARGEST_STILL_BYTES = 1024 * 1024
LARGEST_REST_BYTES = 32 * 1024 * 1024
"""Largest size of the sheet and the animated preview together."""
STILLS_SHARE = 0.8
"""Share of the step's progress that the stills take."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One video and the requested previews."""

    resources: StepResources
    context: StepContext
    asset: AssetRecord
    info: MediaInfo
    asked: StillsParameters

    @property
    def source(self) -> Path:
        return self.resources.files.path(self.asset.sha256)

    @property
    def key(self) -> str:
        return step_key(self.asset.sha256, self.asked.num_frames, self.asked.height)


def make_previews(resources: StepResources, context: StepContext) -> StepOutcome:
    """Create stills spread over the job's video, and on request a sheet and an animated preview.

    ``num_frames`` stills are at most ``height`` high.

    Result: ``asset_id``, ``preview_paths``, ``previews`` (``seconds``, ``sha256`` and sizes of
    each), if requested ``sheet_path`` and ``sheet``, ``animated_path`` and ``animated``; ``made``
    (kind and variant), ``stages`` in seconds. Raises MediaRejected, OutputInvalid, CommandFailed,
    DiskFull, ToolMissing.
    """
    began = time.monotonic()
    asked = context.parameters(StillsParameters)
    require_space(resources, asked.num_frames * LARGEST_STILL_BYTES + LARGEST_REST_BYTES)
    info = context.result_of(PROBE).media
    task = _Task(resources, context, find_asset(resources, context), info, asked)
    length = find_length(_quiet_session(task), task.source, info)
    stills = _extract_stills(task, length)
    more = dict(_make_more(task, stills, length))  # before the stills are moved into the store
    pictures = [_publish_still(task, still) for still in stills]
    made = {variant(task.key, one): one for one in (*pictures, *more.values())}
    result: dict[str, Any] = {
        "asset_id": task.asset.id,
        "preview_paths": [_name(task, picture) for picture in pictures],
        "previews": [describe(picture) for picture in pictures],
        **{f"{name}_path": _name(task, one) for name, one in more.items()},
        **{name: describe(one) for name, one in more.items()},
        "made": [{"kind": one.kind.value, "variant": place} for place, one in made.items()],
        "stages": {**stage_seconds(context), "preview": round(time.monotonic() - began, 3)},
    }
    return StepOutcome(result, lambda connection: _save(connection, task, made))


def step_key(sha256: str, count: int, height: int) -> str:
    return content_key(sha256, STAGE, STAGE_VERSION, count, height)


def variant(key: str, made: Artifact) -> str:
    """Return a file's variant: the key of its work, with its timestamp or columns if needed."""
    own = made.facts.get("columns")
    if made.kind is ArtifactKind.PREVIEW:
        own = f"{made.facts['seconds']:.3f}"
    return f"{key[:12]}-{own}" if own else key[:12]


def describe(made: Artifact) -> dict[str, Any]:
    """Return a file as JSON values."""
    return {
        "filename": made.filename,
        "sha256": made.sha256,
        "size_bytes": made.size_bytes,
        **made.facts,
    }


def _extract_stills(task: _Task, length: Fraction) -> tuple[Still, ...]:
    resources, context, asked = task.resources, task.context, task.asked
    return extract_stills(
        ffmpeg_session(resources, context, "Extracting stills", share=STILLS_SHARE),
        task.source,
        task.info,
        spread_moments(length, asked.num_frames),
        height=asked.height,
    )


def _publish_still(task: _Task, still: Still) -> Artifact:
    facts = {"seconds": float(still.seconds), "width": still.width, "height": still.height}
    return _publish(task, ArtifactKind.PREVIEW, still.path, "image/jpeg", facts)


def _make_more(
    task: _Task, stills: Sequence[Still], length: Fraction
) -> Iterator[tuple[str, Artifact]]:
    """Yield the requested outputs besides the stills, by their names in the result."""
    if (sheet := task.asked.sheet) is not None:
        yield "sheet", _make_sheet(task, stills, sheet.columns)
    if task.asked.animated:
        yield "animated", _make_animation(task, length)


def _make_sheet(task: _Task, stills: Sequence[Still], columns: int) -> Artifact:
    context = task.context
    context.report(STILLS_SHARE, "Creating the contact sheet")
    layout = render_contact_sheet(_quiet_session(task), stills, columns)
    width, height = layout.size
    facts = {**asdict(layout), "width": width, "height": height, "tiles": len(stills)}
    path = context.folder / SHEET_NAME
    return _publish(task, ArtifactKind.CONTACT_SHEET, path, "image/jpeg", facts)


def _make_animation(task: _Task, length: Fraction) -> Artifact:
    context = task.context
    context.report(STILLS_SHARE, "Creating the animated preview")
    moments = spread_excerpts(task.info, length)
    facts = render_animated_preview(_quiet_session(task), task.source, task.info, moments)
    path = context.folder / ANIMATION_NAME
    return _publish(task, ArtifactKind.ANIMATED_PREVIEW, path, "video/mp4", facts)


def _quiet_session(task: _Task) -> FfmpegSession:
    """Return a session whose progress is not reported."""
    session = ffmpeg_session(task.resources, task.context, "")
    return replace(session, on_progress=lambda _share: None)


def _publish(
    task: _Task, kind: ArtifactKind, path: Path, media_type: str, facts: JsonObject
) -> Artifact:
    filename = f"{make_stem(task.asset.filename)}-{path.name}"
    return publish_artifact(
        task.resources.files, path, kind, filename=filename, media_type=media_type, facts=facts
    )


def _name(task: _Task, made: Artifact) -> str:
    """Return the path of a file's name among the named previews."""
    resources = task.resources
    return str(
        export_output(
            resources.files,
            made.sha256,
            resources.preview_dir,
            task.context.run.job_id,
            made.filename,
        )
    )


def _save(connection: Connection, task: _Task, made: Mapping[str, Artifact]) -> None:
    for place, one in made.items():
        assets.save_artifacts(connection, task.asset.id, task.key, [one], variant=place)
