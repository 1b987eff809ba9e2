"""Analysis of a stored video by Rekognition: uploaded, started, asked for, read, and deleted there.

The step gives up its slot whenever Rekognition is at work. Its jobs go on meanwhile, and what is
known of them stands in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cinemill.capabilities.analysis.providers.calls import (
    CallDesk,
    ProviderCall,
    Waiting,
    advance_call,
    collect_call,
    end_call,
    make_final,
    name_charge,
    reserve_call,
)
from cinemill.capabilities.analysis.providers.opening import (
    get_rekognition,
    open_desk,
    read_access,
    read_channel,
)
from cinemill.capabilities.analysis.providers.parameters import FeatureParameters
from cinemill.capabilities.analysis.providers.protocol import AnalysisRequest, AnalysisTicket
from cinemill.capabilities.analysis.providers.rekognition import NAME, RekognitionProvider
from cinemill.capabilities.analysis.providers.stored_findings import (
    count_known,
    is_known,
    store_sets,
)
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind
from cinemill.core.media import ArtifactKind, MediaInfo, SourceFormat
from cinemill.errors import CinemillError, InputRejected, Postponed
from cinemill.inference.providers.failures import ProviderDenied, ProviderThrottled
from cinemill.inference.providers.jobs import FindingSet
from cinemill.inference.providers.rekognition.bucket import VideoBucket, open_bucket
from cinemill.inference.providers.rekognition.client import RekognitionClient, open_client
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature
from cinemill.inference.providers.rekognition.mapping import VERSION
from cinemill.inference.providers.rekognition.requests import (
    MIN_CONFIDENCE_PERCENT,
    MOST_VIDEO_BYTES,
    S3Video,
    check_video,
)
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.costs.cost import CostCapReached
from cinemill.steps.ingestion.gaps import StepReport, is_final, is_ingestion
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.service_settings import RekognitionSettings
from cinemill.steps.source.results import PROBE
from cinemill.steps.stored_video import find_artifact_path
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import close_gap
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.providers.calls import CallRecord, find_call
from cinemill.telemetry import get_logger

UPLOAD_SHARE = 0.4
"""Share of the step's progress that uploading takes."""
NOTHING_ASKED = CallRecord(None, is_asked=False, restarts=0)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """One video at Rekognition."""

    asset: AssetRecord
    desk: CallDesk
    bucket: VideoBucket
    path: Path
    video: S3Video
    calls: Sequence[tuple[Feature, ProviderCall]]


def analyze_with_rekognition(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find what Rekognition sees in the job's video, unless that is known.

    Raises InputRejected (``provider_not_set_up``, ``video_format_unsupported`` and others, and what
    the service refuses), CostCapReached, ToolMissing, Postponed while the service is at work,
    ProviderUnavailable, ProviderReplyInvalid.
    """
    asset = find_asset(resources, context)
    features = context.parameters(FeatureParameters).features
    todo = [one for one in dict.fromkeys(features) if not _is_known(resources, asset.id, one)]
    if not todo:
        kinds = {kind for feature in features for kind in list_kinds(feature)}
        count = count_known(resources.database, asset.id, kinds)
        report = write_result(StepReport(reused=True, count=count))
        return StepOutcome(report, lambda connection: close_gap(connection, asset.id, NAME))
    work = _prepare(resources, context, asset, todo)
    try:
        tickets = _advance(work)
        found = [
            (feature, collect_call(work.desk, call, ticket))
            for (feature, call), ticket in zip(work.calls, tickets, strict=True)
        ]
    except ProviderThrottled as throttled:
        raise _wait(throttled.delay_seconds) from throttled
    except CinemillError as error:
        if is_final(resources, context, error):
            with suppress(CinemillError):  # the first error is the one to be read
                work.bucket.delete(work.video.key)
        raise
    # Its results do not need it any more, also where this worker is killed now.
    _remove(work)
    sets = {feature: _choose_sets(context, one.sets) for feature, one in found}

    def write(connection: Connection) -> None:
        for feature, call in work.calls:
            store_sets(connection, asset.id, sets[feature], describe_question(feature))
            end_call(connection, work.desk, call)
        close_gap(connection, asset.id, NAME)

    count = sum(len(one.findings) for listed in sets.values() for one in listed)
    return StepOutcome(write_result(StepReport(count=count)), write)


def list_kinds(feature: Feature) -> list[FindingKind]:
    """Return the kinds of finding that a feature is asked for.

    Shots come with the cues, and do not count: those of this machine may have replaced them.
    """
    listed = [kind for view in OPERATIONS[feature].views for kind in view.kinds]
    return [kind for kind in listed if kind is not FindingKind.SHOT]


def describe_question(feature: Feature) -> JsonObject:
    """Return everything besides the video that changes what Rekognition finds."""
    return {"feature": feature.value, "min_confidence_percent": MIN_CONFIDENCE_PERCENT}


def choose_upload(resources: StepResources, asset: AssetRecord, media: MediaInfo) -> Path:
    """Return the file that Rekognition can read: the original, else the proxy.

    Raises InputRejected (``video_format_unsupported``).
    """
    original = resources.files.require(asset.sha256)
    is_readable = media.format is SourceFormat.MP4 and media.video.codec == "h264"
    if is_readable and original.stat().st_size <= MOST_VIDEO_BYTES:
        return original
    proxy = find_artifact_path(resources, asset, ArtifactKind.PROXY)
    if proxy is not None:
        return proxy
    raise InputRejected(
        "Rekognition takes H.264 in MP4 or MOV up to 10 GB, and this video is something else.",
        code="video_format_unsupported",
        hint="Run process_video first: its proxy is sent instead.",
    )


def _is_known(resources: StepResources, asset_id: str, feature: Feature) -> bool:
    return is_known(
        resources.database,
        asset_id,
        list_kinds(feature),
        provider=NAME,
        version=VERSION,
        parameters=describe_question(feature),
    )


def _prepare(
    resources: StepResources, context: StepContext, asset: AssetRecord, todo: Sequence[Feature]
) -> _Work:
    settings = get_rekognition(resources.services)
    media = context.result_of(PROBE).media
    path = choose_upload(resources, asset, media)
    video = S3Video(
        settings.bucket,
        f"{settings.prefix}{asset.id}.mp4",
        path.stat().st_size,
        round(media.duration_seconds_from_header * 1000),
    )
    check_video(video)
    access = read_access(settings)
    try:
        client, bucket = open_client(access), open_bucket(access, settings.bucket)
    except ProviderDenied as denied:
        raise make_final(denied) from denied
    desk = open_desk(resources, context, asset.id)
    calls = [(one, _make_call(client, settings, asset, video, one)) for one in todo]
    return _Work(asset, desk, bucket, path, video, calls)


def _make_call(
    client: RekognitionClient,
    settings: RekognitionSettings,
    asset: AssetRecord,
    video: S3Video,
    feature: Feature,
) -> ProviderCall:
    channel = read_channel(settings)
    provider = RekognitionProvider(client, (feature,), channel=channel)
    # Everything that the request holds: the same token with another request is refused.
    names = [video.bucket, video.key, settings.topic_arn, settings.role_arn]
    key = content_key(NAME, VERSION, asset.id, asset.sha256, describe_question(feature), names)
    request = AnalysisRequest(key, 0, video.duration_ms, video)
    return ProviderCall(provider, request, charge_key=key)


def _advance(work: _Work) -> list[AnalysisTicket]:
    """Move all analyses on; return their tickets once all have succeeded. Raises Postponed."""
    desk = work.desk
    with desk.database.begin() as connection:
        records = {call.key: find_call(connection, call.key) for _, call in work.calls}
    todo = [
        (call, records[call.key] or NOTHING_ASKED)
        for _, call in work.calls
        if (records[call.key] or NOTHING_ASKED).ticket is None
    ]
    if todo:
        _reserve(work.desk, todo)
        _upload(work)
    tickets: list[AnalysisTicket] = []
    delays = []
    for number, (feature, call) in enumerate(work.calls):
        share = UPLOAD_SHARE + (1 - UPLOAD_SHARE) * number / len(work.calls)
        desk.context.report(share, f"Asking Rekognition about {feature.value}")
        moved = advance_call(desk, call)
        if isinstance(moved, Waiting):
            delays.append(moved.delay_seconds)
        else:
            tickets.append(moved)
    if delays:
        raise _wait(min(delays))
    return tickets


def _reserve(desk: CallDesk, todo: Sequence[tuple[ProviderCall, CallRecord]]) -> None:
    """Reserve the cost of everything that is to be started, or of nothing of it."""
    try:
        for call, record in todo:
            reserve_call(desk, call, restarts=record.restarts)
    except CostCapReached:
        for call, record in todo:
            if not record.is_asked:
                desk.ledger.release(name_charge(call, record.restarts))
        raise


def _upload(work: _Work) -> None:
    """Upload the video unless it is there."""
    context, video = work.desk.context, work.video
    try:
        if work.bucket.find_size(video.key) == video.size_bytes:
            return
        sent = 0

        def report(size_bytes: int) -> None:
            nonlocal sent
            sent += size_bytes
            if (stop := context.should_stop()) is not None:
                raise stop
            share = UPLOAD_SHARE * min(1.0, sent / video.size_bytes)
            context.report(share, f"Uploading the video, {sent >> 20} MiB")

        work.bucket.upload(work.path, video.key, on_sent=report)
    except ProviderDenied as denied:
        raise make_final(denied) from denied


def _remove(work: _Work) -> None:
    """Delete the video from the bucket. What was paid for is kept where that is not permitted."""
    try:
        work.bucket.delete(work.video.key)
    except ProviderDenied as denied:
        place = f"s3://{work.video.bucket}/{work.video.key}"
        log.warning("a video stays in the bucket", place=place, why=denied.message)


def _choose_sets(context: StepContext, sets: Sequence[FindingSet]) -> list[FindingSet]:
    """Return what is stored. Within an ingestion, key frames rest on the shots of this machine."""
    keeps_shots = not is_ingestion(context)
    return [one for one in sets if keeps_shots or one.kind is not FindingKind.SHOT]


def _wait(delay_seconds: float) -> Postponed:
    return Postponed("Rekognition is analyzing the video.", delay_seconds=delay_seconds)
