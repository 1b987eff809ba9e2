"""What commands that train or measure work with: settings, videos, and how they were called."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cinemill.cli import connect

if TYPE_CHECKING:
    from cinemill.capabilities.detection.datasets.records import DatasetListing, VideoRecord
    from cinemill.capabilities.detection.runs.video_lists import VideoChoice
    from cinemill.capabilities.detection.runs.workbench import Workbench
    from cinemill.cli.commands.detect.training_progress import RunDisplay
    from cinemill.config import Settings


def open_bench(display: RunDisplay) -> Workbench:
    """Return what a run works with, from the effective settings."""
    from cinemill.capabilities.detection.runs.progress import RunProgress
    from cinemill.capabilities.detection.runs.workbench import Workbench
    from cinemill.inference.models.cards import MODELS_FOLDER
    from cinemill.inference.sessions.process_device import GpuOptions, prepare_process
    from cinemill.media.ffmpeg.limits import Limits
    from cinemill.media.ffmpeg.sandbox import detect_sandbox
    from cinemill.telemetry import log_warnings_only

    log_warnings_only()
    settings = connect.load_settings()
    prepare_process(
        GpuOptions(
            visible=settings.cuda_visible_devices,
            mig_enabled=settings.mig_enabled,
            memory_fraction=settings.gpu_memory_fraction,
            home=settings.home,
        )
    )
    return Workbench(
        home=settings.home,
        models_dir=settings.home / MODELS_FOLDER,
        clip_model=settings.clip_model_name,
        limits=Limits(
            max_pixels=settings.max_pixels,
            max_duration_seconds=settings.max_duration_seconds,
            max_streams=settings.max_streams,
            max_output_bytes=settings.max_output_bytes,
            stall_seconds=settings.stall_seconds,
        ),
        sandbox=detect_sandbox(settings.sandbox),
        ffmpeg_path=settings.ffmpeg_path,
        may_fetch=settings.fetch_models,
        weights=_read_weights(settings),
        resnet50_path=settings.resnet50_model_path,
        progress=RunProgress(display.show),
    )


def _read_weights(settings: Settings) -> dict[str, float] | None:
    """Return the weights of the ensemble that a person set, as workers read them."""
    weights = {
        "resnet50": settings.ensemble_weight_resnet50,
        "clip": settings.ensemble_weight_clip,
    }
    is_set = {f"ensemble_weight_{name}" for name in weights} & settings.model_fields_set
    return weights if is_set else None


def list_calibration_videos(choice: VideoChoice, *, reviews: bool) -> DatasetListing:
    """Return the videos that were named, and with ``reviews`` those that people decided about."""
    from cinemill.capabilities.detection.datasets.records import DatasetListing
    from cinemill.capabilities.detection.runs.video_lists import list_videos

    has_folders = choice.real or choice.fake or choice.dataset
    named = list_videos(choice, "val") if has_folders or not reviews else DatasetListing(())
    records = (*named.records, *(_list_reviewed() if reviews else ()))
    return DatasetListing(records, named.skipped, named.notes)


def _list_reviewed() -> list[VideoRecord]:
    """Return the stored videos that people decided about."""
    from cinemill.capabilities.detection.runs.calibrate import ReviewedVideo, list_reviewed
    from cinemill.storage.analyses.reviews import list_decisions
    from cinemill.storage.database import Database
    from cinemill.storage.media.files import LocalFiles

    settings = connect.load_settings()
    database_url = connect.find_session_address(settings)
    files = LocalFiles(settings.home / "objects")
    database = Database(database_url, pool_size=1, application_name="cinemill detect calibrate")
    found: list[ReviewedVideo] = []
    after = 0
    try:
        while True:
            with database.begin() as connection:
                decisions = list_decisions(connection, after=after)
            if not decisions:
                break
            after = decisions[-1].review_id
            found += [
                ReviewedVideo(one.sha256, files.path(one.sha256), one.verdict) for one in decisions
            ]
    finally:
        database.close()
    return list_reviewed(found)


def describe_command(context: typer.Context) -> str:
    """Return the command that is running, with the options that were given.

    It is stored in files that may be passed on, and paths say who somebody is: of folders it has
    only the names.
    """
    words = ["cinemill", "detect", str(context.info_name)]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name == "json":
            continue
        value = context.params[name]
        for one in value if isinstance(value, list | tuple) else [value]:
            words += parameter.opts[:1] if parameter.param_type_name == "option" else []
            if one is not True:
                words.append(one.resolve().name if isinstance(one, Path) else str(one))
    return shlex.join(words)
