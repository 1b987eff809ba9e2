"""Shots and key frames of a stored video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cinemill.capabilities.analysis.keyframes import (
    KEYFRAME_MODEL,
    SHOT_MODEL,
    find_keyframes,
    list_shots,
)
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.frames import Shot
from cinemill.core.media import ArtifactKind
from cinemill.core.text.file_names import make_stem
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.ingestion.finding_work import (
    FindingWork,
    is_done,
    list_active,
    store_findings,
)
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.keyframe_pictures import (
    MAX_PIXELS,
    MAX_WIDTH_PX,
    MOST_BYTES,
    has_all_pictures,
    list_pts,
    store_pictures,
)
from cinemill.steps.resources import StepResources, find_asset, require_space
from cinemill.steps.stored_video import StoredVideo
from cinemill.storage.database import Connection, Database
from cinemill.storage.media.assets import list_artifacts_of, replace_artifacts

SHOTS = FindingWork(FindingKind.SHOT, SHOT_MODEL)
KEYFRAMES = FindingWork(FindingKind.KEYFRAME, KEYFRAME_MODEL, {"shots": SHOT_MODEL.version})
INDEX_SHARE = 0.3
CHOICE_SHARE = 0.6
PICTURES_VERSION = 1


def detect_shot_boundaries(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find the shots of the job's video, unless they are known.

    Raises MediaRejected (``media_truncated`` and others), CommandFailed.
    """
    asset = find_asset(resources, context)
    if is_done(resources.database, asset.id, SHOTS):
        return report_known(resources.database, asset.id, FindingKind.SHOT)
    video = StoredVideo(resources, context, asset)
    context.report(0.0, "Reading the video's frame times")
    index = video.read_index()
    context.report(INDEX_SHARE, "Finding shots")
    found = list_shots(video.find_shots(index))
    return report_found(asset.id, SHOTS, found)


def extract_keyframes(resources: StepResources, context: StepContext) -> StepOutcome:
    """Choose sharp, distinct frames of each shot, and leave them as JPEG files.

    What is known, and whose files are there, is not done again. Raises MediaRejected,
    CommandFailed, DiskFull.
    """
    asset = find_asset(resources, context)
    video = StoredVideo(resources, context, asset)
    is_known = is_done(resources.database, asset.id, KEYFRAMES)
    if is_known and _has_files(video):
        return report_known(resources.database, asset.id, FindingKind.KEYFRAME)
    context.report(0.0, "Choosing key frames")
    index = video.read_index()
    if is_known:
        found = list_active(resources.database, asset.id, FindingKind.KEYFRAME)
    else:
        found = find_keyframes(
            video.path,
            index,
            read_shots(resources.database, asset.id),
            limits=video.limits,
            sandbox=resources.sandbox,
            should_stop=context.should_stop,
        )
    context.report(CHOICE_SHARE, "Storing key frames as pictures")
    require_space(resources, len(found) * MOST_BYTES)
    pictures = store_pictures(
        resources.files,
        video.read_frames(index, list_pts(found), max_width=MAX_WIDTH_PX, max_pixels=MAX_PIXELS),
        stem=make_stem(asset.filename),
    )

    def write(connection: Connection) -> None:
        if not is_known:
            store_findings(connection, asset.id, KEYFRAMES, found)
        key = content_key(asset.sha256, KEYFRAMES.digest, "pictures", PICTURES_VERSION)
        replace_artifacts(connection, asset.id, key, ArtifactKind.KEYFRAME, pictures)

    return StepOutcome(write_result(StepReport(count=len(found), reused=is_known)), write)


def _has_files(video: StoredVideo) -> bool:
    database = video.resources.database
    stored = list_artifacts_of(database, video.asset.id, ArtifactKind.KEYFRAME)
    keyframes = list_active(database, video.asset.id, FindingKind.KEYFRAME)
    return has_all_pictures(video.resources.files, stored, keyframes)


def read_shots(database: Database, asset_id: str) -> list[Shot]:
    """Return the shots that were found, in order."""
    shots = list_active(database, asset_id, FindingKind.SHOT)
    return [Shot(one.start_ms, one.end_ms) for one in shots]


def report_known(database: Database, asset_id: str, kind: FindingKind) -> StepOutcome:
    """Return the outcome of work that was done before."""
    count = len(list_active(database, asset_id, kind))
    return StepOutcome(write_result(StepReport(reused=True, count=count)))


def report_found(asset_id: str, work: FindingWork, found: Sequence[Finding]) -> StepOutcome:
    """Return the outcome of work whose findings are stored with the step's success."""
    write = partial(store_findings, asset_id=asset_id, work=work, findings=found)
    return StepOutcome(write_result(StepReport(count=len(found))), write)
