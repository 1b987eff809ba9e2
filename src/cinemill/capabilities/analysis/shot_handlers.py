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
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import (
    FindingWork,
    is_done,
    list_active,
    store_findings,
)
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.stored_video import StoredVideo
from cinemill.storage.database import Database

SHOTS = FindingWork(FindingKind.SHOT, SHOT_MODEL)
KEYFRAMES = FindingWork(FindingKind.KEYFRAME, KEYFRAME_MODEL, {"shots": SHOT_MODEL.version})
INDEX_SHARE = 0.3


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
    """Choose sharp, distinct frames of each shot, unless they are known.

    Raises MediaRejected, CommandFailed.
    """
    asset = find_asset(resources, context)
    if is_done(resources.database, asset.id, KEYFRAMES):
        return report_known(resources.database, asset.id, FindingKind.KEYFRAME)
    video = StoredVideo(resources, context, asset)
    context.report(0.0, "Choosing key frames")
    found = find_keyframes(
        video.path,
        video.read_index(),
        read_shots(resources.database, asset.id),
        limits=video.limits,
        sandbox=resources.sandbox,
        should_stop=context.should_stop,
    )
    return report_found(asset.id, KEYFRAMES, found)


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
