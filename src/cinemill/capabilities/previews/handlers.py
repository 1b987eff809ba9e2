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
from cinemill.capabilities.previews.duration import find_duration
from cinemill.capabilities.previews.plan import StillsParameters
from cinemill.capabilities.previews.stills import Still, extract_stills, spread_timestamps
from cinemill.core.documents import JsonObject
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.text.file_names import derive_name
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.content_key import content_key
from cinemill.steps.named_outputs import export_output
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    find_asset,
    require_space,
    stage_seconds,
)
from cinemill.steps.source.results import PROBE
from cinemill.storage.database import Connection
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord

STAGE = "preview"
STAGE_VERSION = 3
MAX_STILL_BYTES = 1024 * 1024
MAX_EXTRAS_BYTES = 32 * 1024 * 1024
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
    options: StillsParameters

    @property
    def source(self) -> Path:
        return self.resources.files.require(self.asset.sha256)

    @property
    def key(self) -> str:
        return step_key(self.asset.sha256, self.options.num_frames, self.options.height)


def make_previews(resources: StepResources, context: StepContext) -> StepOutcome:
    """Create stills spread over the job's video, and on request a sheet and an animated preview.

    ``num_frames`` stills are at most ``height`` high.

    Result: ``asset_id``, ``preview_paths``, ``previews`` (``seconds``, ``sha256`` and sizes of
    each), if requested ``sheet_path`` and ``sheet``, ``animated_path`` and ``animated``; ``made``
    (kind and variant), ``stages`` in seconds. Raises MediaRejected, OutputInvalid, CommandFailed,
    DiskFull, ToolMissing.
    """
    began = time.monotonic()
    options = context.parameters(StillsParameters)
    require_space(resources, options.num_frames * MAX_STILL_BYTES + MAX_EXTRAS_BYTES)
    info = context.result_of(PROBE).media
    task = _Task(resources, context, find_asset(resources, context), info, options)
    length = find_duration(_quiet_session(task), task.source, info)
    stills = _extract_stills(task, length)
    more = dict(_create_more(task, stills, length))  # before the stills are moved into the store
    published = [_publish_still(task, still) for still in stills]
    artifacts = {variant(task.key, one): one for one in (*published, *more.values())}
    result: dict[str, Any] = {
        "asset_id": task.asset.id,
        "preview_paths": [_name(task, artifact) for artifact in published],
        "previews": [describe(artifact) for artifact in published],
        **{f"{name}_path": _name(task, one) for name, one in more.items()},
        **{name: describe(one) for name, one in more.items()},
        "made": [{"kind": one.kind.value, "variant": place} for place, one in artifacts.items()],
        "stages": {**stage_seconds(context), "preview": round(time.monotonic() - began, 3)},
    }
    return StepOutcome(result, lambda connection: _save(connection, task, artifacts))


def step_key(sha256: str, count: int, height: int) -> str:
    return content_key(sha256, STAGE, STAGE_VERSION, count, height)


def variant(key: str, artifact: Artifact) -> str:
    """Return a file's variant: the key of its work, with its timestamp or columns if needed."""
    own = artifact.facts.get("columns")
    if artifact.kind is ArtifactKind.PREVIEW:
        own = f"{artifact.facts['seconds']:.3f}"
    return f"{key[:12]}-{own}" if own else key[:12]


def describe(artifact: Artifact) -> dict[str, Any]:
    """Return a file as JSON values."""
    return {
        "filename": artifact.filename,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        **artifact.facts,
    }


def _extract_stills(task: _Task, length: Fraction) -> tuple[Still, ...]:
    resources, context, options = task.resources, task.context, task.options
    return extract_stills(
        ffmpeg_session(resources, context, "Extracting stills", share=STILLS_SHARE),
        task.source,
        task.info,
        spread_timestamps(length, options.num_frames),
        height=options.height,
    )


def _publish_still(task: _Task, still: Still) -> Artifact:
    facts = {"seconds": float(still.seconds), "width": still.width, "height": still.height}
    return _publish(task, ArtifactKind.PREVIEW, still.path, "image/jpeg", facts)


def _create_more(
    task: _Task, stills: Sequence[Still], length: Fraction
) -> Iterator[tuple[str, Artifact]]:
    """Yield the requested outputs besides the stills, by their names in the result."""
    if (sheet := task.options.sheet) is not None:
        yield "sheet", _create_sheet(task, stills, sheet.columns)
    if task.options.animated:
        yield "animated", _create_animation(task, length)


def _create_sheet(task: _Task, stills: Sequence[Still], columns: int) -> Artifact:
    context = task.context
    context.report(STILLS_SHARE, "Creating the contact sheet")
    layout = render_contact_sheet(_quiet_session(task), stills, columns)
    width, height = layout.size
    facts = {**asdict(layout), "width": width, "height": height, "tiles": len(stills)}
    path = context.folder / SHEET_NAME
    return _publish(task, ArtifactKind.CONTACT_SHEET, path, "image/jpeg", facts)


def _create_animation(task: _Task, length: Fraction) -> Artifact:
    context = task.context
    context.report(STILLS_SHARE, "Creating the animated preview")
    timestamps = spread_excerpts(task.info, length)
    facts = render_animated_preview(_quiet_session(task), task.source, task.info, timestamps)
    path = context.folder / ANIMATION_NAME
    return _publish(task, ArtifactKind.ANIMATED_PREVIEW, path, "video/mp4", facts)


def _quiet_session(task: _Task) -> FfmpegSession:
    """Return a session whose progress is not reported."""
    session = ffmpeg_session(task.resources, task.context, "")
    return replace(session, on_progress=lambda _share: None)


def _publish(
    task: _Task, kind: ArtifactKind, path: Path, media_type: str, facts: JsonObject
) -> Artifact:
    filename = derive_name(task.asset.filename, f"-{path.name}")
    return publish_artifact(
        task.resources.files, path, kind, filename=filename, media_type=media_type, facts=facts
    )


def _name(task: _Task, artifact: Artifact) -> str:
    """Return the path of a file's name among the named previews."""
    resources = task.resources
    return str(
        export_output(
            resources.files,
            artifact.sha256,
            resources.preview_dir,
            task.context.run.job_id,
            artifact.filename,
        )
    )


def _save(connection: Connection, task: _Task, artifacts: Mapping[str, Artifact]) -> None:
    for place, one in artifacts.items():
        assets.save_artifacts(connection, task.asset.id, task.key, [one], variant=place)
