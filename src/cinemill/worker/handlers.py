"""Which function does which kind of step: the one place where capabilities meet the engine."""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.catalog import CAPABILITIES
from cinemill.config.fields import usable_cpus
from cinemill.inference.cards import MODELS_FOLDER
from cinemill.jobs.step import Handler
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.steps.resources import StepResources
from cinemill.worker.context import Mill


def build_handlers(mill: Mill) -> Mapping[str, Handler]:
    """Handlers by kind of step, of all capabilities. Raises ToolMissing."""
    resources = build_resources(mill)
    handlers: dict[str, Handler] = {}
    for capability in CAPABILITIES:
        handlers |= capability.build_handlers(resources)
    return handlers


def build_resources(mill: Mill) -> StepResources:
    settings = mill.settings
    limits = Limits(
        max_pixels=settings.max_pixels,
        max_duration_seconds=settings.max_duration_seconds,
        max_streams=settings.max_streams,
        max_output_bytes=settings.max_output_bytes,
        stall_seconds=settings.stall_seconds,
    )
    return StepResources(
        database=mill.database,
        files=mill.files,
        toolbox=find_ffmpeg(settings.ffmpeg_path),
        sandbox=detect_sandbox(settings.sandbox),
        limits=limits,
        input_roots=settings.input_roots,
        min_free_bytes=settings.min_free_bytes,
        render_dir=settings.render_dir,
        preview_dir=settings.preview_dir,
        models_dir=settings.home / MODELS_FOLDER,
        home=settings.home,
        work_folder=mill.work_folder,
        service=mill.service,
        events=mill.events,
        retention_days=settings.retention_days,
        stuck_hours=settings.stuck_hours,
        node=mill.node,
        hardware=mill.hardware.encoders,
        slots=mill.slots,
        threads=max(1, usable_cpus() // mill.slots),
    )
