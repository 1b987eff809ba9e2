"""What handlers work with: a frozen value, passed in by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cinemill.errors import DiskFull, NotFound
from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.results import ResultOf, Timed
from cinemill.jobs.service import JobService
from cinemill.jobs.step import StepContext
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.steps.service_settings import NO_SERVICES, ServiceSettings
from cinemill.steps.source.results import IMPORT
from cinemill.storage.cache.caches import Caches
from cinemill.storage.database import Database
from cinemill.storage.media.assets import AssetRecord, get_asset
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.projection.server import QdrantServer

ANY_STEP = ResultOf("", Timed)


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """What a person chose about detection."""

    clip_model: str = "openai/clip-vit-base-patch32"
    resnet50_path: Path | None = None
    weights: Mapping[str, float] | None = None
    """Of the members of the ensemble; None if nobody set them."""


@dataclass(frozen=True, slots=True)
class StepResources:
    database: Database
    files: LocalFiles
    ffmpeg_binary: FfmpegBinary
    sandbox: Sandbox
    limits: Limits
    input_roots: tuple[Path, ...]
    """Folders from which videos may be fetched by path."""
    min_free_bytes: int
    render_dir: Path
    """Where renditions get names that people can use."""
    preview_dir: Path
    models_dir: Path
    """Where ``cinemill models fetch`` puts models."""
    home: Path
    work_folder: Path
    """Where attempts have their private folders."""
    service: JobService
    events: EventPublisher
    caches: Caches
    """Of features, of results, and of the hashes of files."""
    detection: DetectionSettings = DetectionSettings()
    retention_days: float = 30.0
    """After which ended jobs, dead messages and unused pieces are deleted."""
    stuck_hours: float = 2.0
    node: str = ""
    """The worker's name, under which its hardware is announced."""
    hardware: tuple[HardwareEncoder, ...] = ()
    """What this worker's trials have shown to work, best first."""
    slots: int = 1
    """Processes that work on this machine."""
    c2pa_trust_anchors: Path | None = None
    """Certificates in PEM whose signatures on videos are trusted."""
    picture_model: str = "clip-vit-b16-int8"
    """Name of the model that embeds key frames."""
    threads: int = 1
    """An encoder's share of its cores, where all of them encode."""
    fetch_models: bool = False
    """Whether a missing model is downloaded at first use."""
    services: ServiceSettings = NO_SERVICES
    """Services that analyze videos elsewhere."""
    text_model: str = "minilm-l6-v2-int8"
    """Name of the model that embeds passages and questions."""
    language_model: LanguageModelAddress | None = None
    """That writes answers; None: they are quotations."""
    qdrant: QdrantServer | None = None
    """To which vectors are projected; None: they are in PostgreSQL alone."""
    names_file: Path | None = None
    """Names that videos mention: speech recognition is given them, and they go before those that
    the parser finds."""
    entity_model: LanguageModelAddress | None = None
    """The language model that finds entities; None: the parser does."""


def find_asset(resources: StepResources, context: StepContext) -> AssetRecord:
    """Return the asset that this job is about, by the name that was given with the job.

    The same bytes may have come in under another name since. Raises NotFound.
    """
    imported = context.find_result(IMPORT)
    asset_id = context.run.asset_id or (imported and imported.asset_id)
    if asset_id is None:
        raise NotFound("The video of this job was deleted.", code="asset_not_found")
    asset = get_asset(resources.database, str(asset_id))
    return replace(asset, filename=context.run.filename or asset.filename)


def effective_limits(resources: StepResources, context: StepContext) -> Limits:
    """FFmpeg's limits within those of the queue."""
    memory_bytes = min(resources.limits.memory_bytes, context.memory_bytes)
    return replace(resources.limits, memory_bytes=memory_bytes)


def ffmpeg_session(
    resources: StepResources,
    context: StepContext,
    message: str,
    *,
    begin: float = 0.0,
    share: float = 1.0,
) -> FfmpegSession:
    """Return a session for this attempt's commands, whose progress is reported with ``message``.

    They are ``share`` of the step's work, after ``begin``; both 0 to 1.
    """
    return FfmpegSession(
        resources.ffmpeg_binary,
        context.folder,
        effective_limits(resources, context),
        resources.sandbox,
        on_progress=lambda done: context.report(begin + share * done, message),
        should_stop=context.should_stop,
        on_peak_memory=context.on_peak_memory,
        on_command=context.on_command,
    )


def require_space(resources: StepResources, needed_bytes: int) -> None:
    """Refuse work that cannot fit before it starts. Raises DiskFull with the figures."""
    free_bytes = resources.files.free_bytes()
    if free_bytes < needed_bytes + resources.min_free_bytes:
        raise DiskFull(
            f"This needs about {needed_bytes >> 20} MiB and {resources.min_free_bytes >> 20} MiB "
            f"must stay free; {free_bytes >> 20} MiB are free."
        )


def sum_stage_seconds(context: StepContext) -> dict[str, float]:
    """Seconds by kind of earlier step: those of many alike, such as ``chunk-07``, are added up."""
    stages: dict[str, float] = {}
    for name, seconds in stage_seconds(context).items():
        kind = name.partition("-")[0]
        stages[kind] = round(stages.get(kind, 0.0) + (seconds or 0.0), 3)
    return stages


def stage_seconds(context: StepContext) -> dict[str, float | None]:
    """Return the seconds that each earlier step of the job took, by its name."""
    return {name: one.seconds for name, one in context.results_of(ANY_STEP).items()}
