"""Detection of manipulated faces in a video: looked up, or examined and decided."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from cinemill.capabilities.detection.cached_findings import (
    mark_cached,
    read_document,
    write_document,
)
from cinemill.capabilities.detection.detector import (
    Detector,
    DetectorOptions,
    InstalledDetector,
    identify_model,
)
from cinemill.capabilities.detection.encoding_report import keep_encoding_report
from cinemill.capabilities.detection.findings import (
    RESULT_VERSION,
    Work,
    add_stage,
    decide_findings,
    find_no_model,
    fits,
    needs_review,
    write_job_result,
)
from cinemill.capabilities.detection.illustrations.choice import has_maps
from cinemill.capabilities.detection.illustrations.records import NAME as PICTURES
from cinemill.capabilities.detection.illustrations.records import pictures_key
from cinemill.capabilities.detection.plan import (
    DetectionParameters,
    plan_examination,
    plan_known_file,
    plan_probed,
)
from cinemill.capabilities.detection.source import VideoSource, locate_source
from cinemill.capabilities.detection.stage_clock import StageClock
from cinemill.capabilities.detection.video_faces import VideoFaces, read_embeddings
from cinemill.core.job import StepSpec
from cinemill.core.media import MediaInfo
from cinemill.errors import InputRejected, ToolMissing, WorkFailed
from cinemill.inference.faces.detector import CARD as FACE_DETECTOR
from cinemill.inference.faces.quality import QUALITY_VERSION
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.portions import delete_in_portions, report_deletions
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.frames.sampling import DEFAULT_COUNT, FAST_COUNT
from cinemill.media.rejections import reject_media
from cinemill.steps.kept_findings import KeptFinding, keep_finding, share_finding
from cinemill.steps.models import reject_model
from cinemill.steps.resources import StepResources, find_asset, stage_seconds
from cinemill.steps.source.results import PROBE
from cinemill.storage.analyses.analyses import create_analysis, delete_expired
from cinemill.storage.analyses.results import Findings, save_findings
from cinemill.storage.cache.keys import compose_key
from cinemill.storage.database import Connection
from cinemill.storage.jobs import job_changes
from cinemill.storage.media.assets import AssetRecord, get_asset

log = structlog.get_logger(__name__)

DAY_SECONDS = 86_400.0
EXAMINATION_VERSION = 1
"""Raise it whenever the same video would give other faces or features."""
_INSTALLED = InstalledDetector()


def look_up_analysis(resources: StepResources, context: StepContext) -> StepOutcome:
    """Return what is known of the video, or add the steps that examine it.

    Result: that of ``detect_video``, or nothing where the video is examined. Raises InputRejected
    (``path_forbidden``, ``source_not_found``, ``model_file_missing`` and others), NotFound
    (``asset_not_found``), DiskFull.
    """
    began = time.monotonic()
    source = locate_source(resources, context)
    if source.asset_id is not None:
        _require_picture(get_asset(resources.database, source.asset_id).media)
    detector = _find_detector(resources)
    known = _find_known(resources, context, source, detector, began)
    if known is not None and source.asset_id is not None:
        probed = context.find_result(PROBE)
        if detector is not None and probed is not None:
            return _conclude_new(resources, context, probed.media, detector, known)
        return _conclude(resources, context, source.sha256, source.asset_id, known, detector)
    write = partial(_assign, job_id=context.run.job_id, asset_id=source.asset_id)
    return StepOutcome(write=write, steps=_plan_rest(context, source, is_known=known is not None))


def _require_picture(media: MediaInfo | None) -> None:
    """Raise MediaRejected (``media_no_video``) for a source that is known to be sound alone."""
    if media is not None and not media.has_picture:
        raise reject_media("media_no_video")


def _plan_rest(context: StepContext, source: VideoSource, *, is_known: bool) -> list[StepSpec]:
    """Return the steps of a video that is not examined yet, or not an asset of this owner."""
    if context.find_result(PROBE) is not None:
        return plan_probed()
    if is_known and source.path is not None:
        return plan_known_file(source.path)
    return plan_examination(path=source.path)


def _find_known(
    resources: StepResources,
    context: StepContext,
    source: VideoSource,
    detector: Detector | None,
    began: float,
) -> Findings | None:
    """Return the findings that need no examination: cached, decided on cached features, or none."""
    if detector is None:
        return find_no_model(_measure_work(began, is_cached=False))
    frames = count_frames(context)
    document = resources.caches.results.find(result_key(source.sha256, detector, frames))
    findings = read_document(document) if document else None
    if findings is not None:
        return mark_cached(findings, _seconds_since(began))
    faces = _find_faces(resources, source.sha256, detector, frames)
    if faces is None:
        return None
    work = _measure_work(began, is_cached=True)
    findings = decide_findings(faces, detector, work, frames=frames)
    _cache(resources, source.sha256, detector, frames, findings)
    return findings


def _conclude_new(
    resources: StepResources,
    context: StepContext,
    info: MediaInfo,
    detector: Detector,
    findings: Findings,
) -> StepOutcome:
    """Return the outcome for a known video that this job has made an asset of this owner.

    The asset keeps what an examined one keeps: where another asset of these bytes has it, the same
    files.
    """
    asset = find_asset(resources, context)
    key = result_key(asset.sha256, detector, count_frames(context))
    shared = share_finding(resources, asset, name=_name_pictures(key), step_key=pictures_key(key))
    pictures = shared
    if shared is None or not has_maps(findings):
        findings, taken = _illustrate(resources, context, asset, info, detector, findings, key)
        if taken is not None:
            pictures = taken
            _cache(resources, asset.sha256, detector, count_frames(context), findings)
    kept = [pictures, keep_encoding_report(resources, context, asset, info)]
    return _conclude(resources, context, asset.sha256, asset.id, findings, detector, kept)


def analyze_video(resources: StepResources, context: StepContext) -> StepOutcome:
    """Examine the faces of the job's video and decide the verdict.

    Result: that of ``detect_video``. Raises MediaRejected, InputRejected (``model_missing`` and
    others), WorkFailed, CommandFailed.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    info = context.result_of(PROBE).media
    _require_picture(info)
    detector = _find_detector(resources)
    if detector is None:
        findings = find_no_model(_measure_work(began, is_cached=False))
        return _conclude(resources, context, asset.sha256, asset.id, findings, None)
    frames = count_frames(context)
    # A retry, or another job of the same video, may have left its features.
    faces = _find_faces(resources, asset.sha256, detector, frames)
    is_cached = faces is not None
    clock = StageClock()
    if faces is None:
        # Imported here: models and readers of frames take megabytes, and a lookup needs neither.
        from cinemill.capabilities.detection.video_examination import examine_video

        try:
            faces = examine_video(
                resources, context, asset, info, detector, frames=frames, clock=clock
            )
        except ToolMissing as missing:
            # A damaged model stays damaged at the next attempt.
            raise reject_model(missing) from missing
        key = features_key(asset.sha256, detector, frames)
        resources.caches.embeddings.store(key, faces.to_embeddings())
    context.report(0.98, "Deciding")
    stages = {name: seconds or 0.0 for name, seconds in stage_seconds(context).items()}
    seconds = _seconds_since(began)
    stages |= {"analyze": seconds, **clock.list_seconds()}
    work = Work(seconds, stages, is_cached, device=faces.facts.device)
    findings = decide_findings(faces, detector, work, frames=frames)
    key = result_key(asset.sha256, detector, frames)
    findings, pictures = _illustrate(resources, context, asset, info, detector, findings, key)
    kept = [pictures, keep_encoding_report(resources, context, asset, info)]
    _cache(resources, asset.sha256, detector, frames, findings)
    return _conclude(resources, context, asset.sha256, asset.id, findings, detector, kept)


def _illustrate(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    info: MediaInfo,
    detector: Detector,
    findings: Findings,
    step_key: str,
) -> tuple[Findings, KeptFinding | None]:
    """Return the findings with maps of evidence, and the pictures that were kept of their faces.

    A verdict without pictures is as good as one with them, so a failure here is only logged.
    """
    from cinemill.capabilities.detection.video_examination import illustrate_video

    began = time.monotonic()
    try:
        illustrated, pictures = illustrate_video(
            resources, context, asset, info, detector, findings
        )
    except (InputRejected, ToolMissing, WorkFailed) as error:
        log.warning("no pictures were taken", asset_id=asset.id, why=error.message)
        return findings, None
    illustrated = add_stage(illustrated, "illustrate", _seconds_since(began))
    if not pictures.pictures:
        return illustrated, None
    kept = keep_finding(
        resources,
        context,
        asset,
        pictures.to_json(),
        name=_name_pictures(step_key),
        step_key=pictures_key(step_key),
    )
    return illustrated, kept


def _name_pictures(step_key: str) -> str:
    """Return the variant of the pictures of these findings.

    There is one document for each detector and number of frames: an older analysis keeps its own.
    """
    return f"{PICTURES}-{pictures_key(step_key)[:12]}"


def count_frames(context: StepContext) -> int:
    """Return how many frames of the video are examined."""
    return FAST_COUNT if context.job_parameters(DetectionParameters).fast else DEFAULT_COUNT


def features_key(sha256: str, detector: Detector, frames: int) -> str:
    """Return the key of a video's features: no head is part of it."""
    models = [identify_model(card) for card in detector.models]
    finder = get_card(FACE_DETECTOR)
    options: dict[str, Any] = {
        "version": EXAMINATION_VERSION,
        "frames": frames,
        "faces": [finder.name, finder.revision, QUALITY_VERSION],
    }
    return compose_key(sha256, models, options)


def result_key(sha256: str, detector: Detector, frames: int) -> str:
    """Return the key of a video's findings by these heads, weights and calibration."""
    options: dict[str, Any] = {
        "version": RESULT_VERSION,
        "features": features_key(sha256, detector, frames),
        "ensemble": detector.subject,
        "weights": detector.ensemble.weight_source.value,
        "calibration": detector.calibration_digest,
    }
    return compose_key(sha256, [], options)


def _find_detector(resources: StepResources) -> Detector | None:
    """Return the detector, None without one. Raises InputRejected where it cannot be used."""
    settings = resources.detection
    options = DetectorOptions(
        home=resources.home,
        models_dir=resources.models_dir,
        clip_model=settings.clip_model,
        weights=settings.weights,
        resnet50_path=settings.resnet50_path,
    )
    try:
        detector = _INSTALLED.load(options)
    except ToolMissing as missing:
        # No number of attempts mends a head; the job may be retried once somebody has.
        raise reject_model(missing) from missing
    return detector if detector is not None and detector.can_score else None


def _find_faces(
    resources: StepResources, sha256: str, detector: Detector, frames: int
) -> VideoFaces | None:
    """Return the cached faces; None where there are none, or none that the heads can score."""
    found = resources.caches.embeddings.find(features_key(sha256, detector, frames))
    faces = read_embeddings(found) if found else None
    return faces if faces is not None and fits(faces, detector) else None


def _cache(
    resources: StepResources, sha256: str, detector: Detector, frames: int, findings: Findings
) -> None:
    key = result_key(sha256, detector, frames)
    resources.caches.results.store(key, write_document(findings))


def _conclude(
    resources: StepResources,
    context: StepContext,
    sha256: str,
    asset_id: str,
    findings: Findings,
    detector: Detector | None,
    kept: Sequence[KeptFinding | None] = (),
) -> StepOutcome:
    step_key = result_key(sha256, detector, count_frames(context)) if detector else ""
    write = partial(
        _save,
        job_id=context.run.job_id,
        asset_id=asset_id,
        is_assigned=context.run.asset_id == asset_id,
        is_fast=context.job_parameters(DetectionParameters).fast,
        step_key=step_key,
        findings=findings,
        kept=[one for one in kept if one is not None],
        ttl_seconds=resources.retention_days * DAY_SECONDS,
    )
    result = write_job_result(findings, job_id=context.run.job_id, asset_id=asset_id)
    return StepOutcome(result, write)


def _assign(connection: Connection, *, job_id: str, asset_id: str | None) -> None:
    if asset_id is not None:
        job_changes.assign_asset(connection, job_id, asset_id)


def _save(
    connection: Connection,
    *,
    job_id: str,
    asset_id: str,
    is_assigned: bool,
    is_fast: bool,
    step_key: str,
    findings: Findings,
    ttl_seconds: float,
    kept: Sequence[KeptFinding],
) -> None:
    if not is_assigned:
        job_changes.assign_asset(connection, job_id, asset_id)
    create_analysis(connection, job_id, asset_id=asset_id, is_fast=is_fast)
    save_findings(
        connection,
        job_id,
        step_key,
        findings,
        needs_review=needs_review(findings),
        ttl_seconds=ttl_seconds,
    )
    for one in kept:
        one.save(connection, asset_id)


def _measure_work(began: float, *, is_cached: bool) -> Work:
    seconds = _seconds_since(began)
    return Work(seconds, {"look_up": seconds}, is_cached)


def _seconds_since(began: float) -> float:
    return round(time.monotonic() - began, 4)


def delete_expired_results(resources: StepResources, context: StepContext) -> StepOutcome:
    """Delete analyses whose time is over, with everything that they found. Safe to run twice.

    Those that a person has reviewed stay, and cached results expire by themselves. Result:
    ``deleted``, the number of analyses.
    """
    deleted = delete_in_portions(
        resources.database,
        lambda connection, limit: delete_expired(connection, limit=limit),
        note=report_deletions(context, "analyses"),
    )
    return StepOutcome({"deleted": deleted})
