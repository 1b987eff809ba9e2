"""TODO."""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.capabilities.captions.plan import plan_caption
from cinemill.capabilities.ingest.plan import plan_video
from cinemill.capabilities.operations.plan import plan_cleanup
from cinemill.capabilities.previews.plan import plan_preview
from cinemill.capabilities.render.plan import name_children, plan_batch, plan_render
from cinemill.capabilities.streaming.plan import plan_ladder
from cinemill.capabilities.transcode.plan import plan_transcode
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.core.hardware import name_queue
from cinemill.jobs.catalog import (
    _HOUR_LIMITS,
    _LONG_LIMITS,
    _SHORT_LIMITS,
    GIB,
    LARGEST_TIMELINES_BYTES,
    MINUTE,
    Catalog,
    JobKind,
    Queue,
    Rate,
    StepKind,
    _by_name,
    list_common,
)
from cinemill.steps.source_plan import plan_single

QUEUES: Mapping[str, Queue] = _by_name(
    [
        Queue("runtime", 10, GIB, 25, **_SHORT_LIMITS, meaning="Search and answers; interactive"),
        Queue("orchestration", 8, GIB // 2, 25, **_HOUR_LIMITS, meaning="Planning, upkeep"),
        Queue("embeddings", 7, 2 * GIB, 25, **_HOUR_LIMITS, meaning="Text and picture vectors"),
        Queue(
            "knowledge_graph", 6, 7 * GIB // 2, 25, **_HOUR_LIMITS, meaning="Entities, relations"
        ),
        Queue("proxy", 5, 2 * GIB, 10, **_HOUR_LIMITS, meaning="Proxies, stills, sprites"),
        Queue("ingestion", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Intake and probing"),
        Queue("default", 5, 2 * GIB, 25, **_HOUR_LIMITS, meaning="All that names no other"),
        Queue("video_analysis", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Shots, key frames"),
        Queue("detection", 5, 4 * GIB, 25, **_HOUR_LIMITS, meaning="Deepfake analysis"),
        Queue("preview", 5, 2 * GIB, 25, **_HOUR_LIMITS, meaning="Stills spread over a film"),
        Queue("caption", 5, 6 * GIB, 10, **_LONG_LIMITS, meaning="Speech to text"),
        Queue("transcode", 5, 4 * GIB, 10, **_LONG_LIMITS, meaning="File to file"),
        Queue("render", 5, 4 * GIB, 10, **_LONG_LIMITS, meaning="Timeline to file"),
        *(
            Queue(
                name_queue(codec),
                5,
                4 * GIB,
                10,
                **_LONG_LIMITS,
                meaning=f"File to {codec}, in hardware",
                codec=codec,
            )
            for codec in VideoCodec
        ),
    ]
)

COMMON_QUEUES = tuple(list_common(QUEUES))

STEP_KINDS: Mapping[str, StepKind] = _by_name(
    [
        StepKind("intake_source", "ingestion", weight=5),
        StepKind("probe_source", "ingestion", weight=2),
        StepKind("prepare_source", "proxy", weight=93),
        StepKind("encode_rendition", "transcode", weight=93, rate=Rate(20, MINUTE)),
        StepKind("encode_whole", "transcode", weight=93),
        StepKind("encode_chunk", "transcode", weight=20),
        StepKind("encode_tracks", "transcode", weight=5),
        StepKind("join_chunks", "transcode", weight=4),
        StepKind("extract_stills", "preview", weight=93),
        StepKind("open_stream", "transcode", weight=3, rate=Rate(20, MINUTE)),
        StepKind("build_ladder", "transcode", weight=90),
        StepKind("gather_sources", "ingestion", weight=5),
        StepKind("open_render", "render", weight=1, rate=Rate(10, MINUTE)),
        StepKind("render_pieces", "render", weight=20),
        StepKind("mix_sound", "render", weight=5),
        StepKind("join_render", "render", weight=4),
        StepKind("submit_batch", "default"),
        StepKind("collect_batch", "orchestration", weight=99),
        # A large model on a small machine takes longer for a stretch than an encoder may pause.
        StepKind(
            "transcribe_speech",
            "caption",
            weight=92,
            rate=Rate(5, MINUTE),
            stall_seconds=15 * MINUTE,
        ),
        StepKind("write_captions", "default", weight=1),
        StepKind("forget_old_jobs", "orchestration"),
        StepKind("remove_garbage", "orchestration"),
        StepKind("find_stuck_jobs", "orchestration"),
        StepKind("count_jobs", "orchestration"),
        StepKind("clean_shelves", "orchestration"),
        StepKind("measure_resources", "orchestration"),
    ]
)

JOB_KINDS: Mapping[str, JobKind] = _by_name(
    [
        JobKind("process_video", plan_video, positional=("path",)),
        JobKind("transcode", plan_transcode, positional=("path", "options")),
        JobKind("make_ladder", plan_ladder, positional=("path", "preset")),
        JobKind(
            "render_video",
            plan_render,
            positional=("job",),
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
        JobKind(
            "batch_render",
            plan_batch,
            positional=("jobs",),
            answer="results",
            name_children=name_children,
            most_params_bytes=LARGEST_TIMELINES_BYTES,
        ),
        JobKind("generate_preview", plan_preview, positional=("path", "num_frames")),
        JobKind("caption", plan_caption, positional=("path", "model")),
        JobKind("cleanup_old_jobs", plan_single("forget_old_jobs")),
        JobKind("collect_garbage", plan_single("remove_garbage")),
        JobKind("check_stuck_jobs", plan_single("find_stuck_jobs")),
        JobKind("get_queue_stats", plan_single("count_jobs")),
        JobKind("cleanup", plan_cleanup, positional=("max_age_days", "max_size_gb")),
        JobKind("monitor_resources", plan_single("measure_resources")),
    ]
)

CATALOG = Catalog(queues=QUEUES, steps=STEP_KINDS, jobs=JOB_KINDS)
