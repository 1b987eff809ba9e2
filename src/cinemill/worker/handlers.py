"""Which function does which kind of step: the one place where capabilities meet the engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cinemill.capabilities.captions.handlers import transcribe_speech, write_captions
from cinemill.capabilities.ingest.handlers import prepare_source
from cinemill.capabilities.ingest.import_handler import intake_source
from cinemill.capabilities.ingest.probe_handler import probe_source
from cinemill.capabilities.operations import output_cleanup, resources, retention, watchdog
from cinemill.capabilities.previews.handlers import make_previews
from cinemill.capabilities.render import batch, handlers, validate
from cinemill.capabilities.render.fetch_sources import gather_sources
from cinemill.capabilities.streaming.handlers import build_ladder, open_stream
from cinemill.capabilities.transcode import chunk_handlers
from cinemill.capabilities.transcode.handlers import encode_rendition
from cinemill.config.fields import usable_cpus
from cinemill.inference.cards import MODELS_FOLDER
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.steps.resources import Workshop
from cinemill.worker.context import Mill
from cinemill.worker.process.work_folders import remove_abandoned_work


def build_handlers(mill: Mill) -> Mapping[str, Handler]:
    """Handlers by kind of step. Raises ToolMissing where there is no FFmpeg."""
    workshop = build_workshop(mill)
    service = mill.service
    keep = retention.Keep(mill.settings.retention_days, mill.settings.stuck_hours)
    return {
        "intake_source": partial(intake_source, workshop),
        "probe_source": partial(probe_source, workshop),
        "prepare_source": partial(prepare_source, workshop),
        "encode_rendition": partial(chunk_handlers.encode_film, workshop),
        "encode_whole": partial(encode_rendition, workshop),
        "encode_chunk": partial(chunk_handlers.encode_part, workshop),
        "encode_tracks": partial(chunk_handlers.encode_sound, workshop),
        "join_chunks": partial(chunk_handlers.join_film, workshop),
        "extract_stills": partial(make_previews, workshop),
        "open_stream": partial(open_stream, workshop),
        "build_ladder": partial(build_ladder, workshop),
        "gather_sources": partial(gather_sources, workshop),
        "open_render": partial(validate.open_render, workshop),
        "render_pieces": partial(handlers.render_pieces, workshop),
        "mix_sound": partial(handlers.mix_render, workshop),
        "join_render": partial(handlers.join_render, workshop),
        "submit_batch": partial(batch.submit_batch, service),
        "collect_batch": partial(batch.collect_batch, service),
        "transcribe_speech": partial(transcribe_speech, workshop),
        "write_captions": partial(write_captions, workshop),
        "forget_old_jobs": partial(retention.cleanup_old_jobs, service, keep),
        "remove_garbage": partial(_remove_garbage, mill),
        "find_stuck_jobs": partial(watchdog.check_stuck_jobs, service, keep.stuck_hours),
        "clean_shelves": partial(output_cleanup.cleanup, _list_shelves(mill)),
        "measure_resources": partial(resources.monitor_resources, mill.events, mill.settings.home),
        "count_jobs": partial(watchdog.get_queue_stats, service),
    }


def _list_shelves(mill: Mill) -> list[Path]:
    return [mill.settings.render_dir, mill.settings.preview_dir]


def _remove_garbage(mill: Mill, context: StepContext) -> StepOutcome:
    """What killed tries left on this machine too: else it would lie until a pool process starts."""
    remove_abandoned_work(mill)
    retention.forget_dead_messages(mill.database, mill.settings.retention_days)
    retention.forget_pieces(mill.database, mill.settings.retention_days)
    return retention.collect_garbage(mill.database, mill.files, context)


def build_workshop(mill: Mill) -> Workshop:
    settings = mill.settings
    limits = Limits(
        max_pixels=settings.max_pixels,
        max_duration_seconds=settings.max_duration_seconds,
        max_streams=settings.max_streams,
        max_output_bytes=settings.max_output_bytes,
        stall_seconds=settings.stall_seconds,
    )
    return Workshop(
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
        node=mill.node,
        hardware=mill.hardware.encoders,
        slots=mill.slots,
        threads=max(1, usable_cpus() // mill.slots),
    )
