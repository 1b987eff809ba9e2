"""The sets of values that options take, written down so that help and completion load nothing.

A test compares each with the module that decides. What packages add is known only where it is used,
so kinds of jobs and queues are checked there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from cinemill.cli.arguments.usage import refuse_choice

VideoCodec = Literal["h264", "h265", "vp9", "av1"]
Container = Literal["mp4", "webm", "mkv"]
Preset = Literal["archive", "web", "mobile"]
AudioCodec = Literal["auto", "aac", "opus", "copy", "none"]
SpeechModel = Literal["tiny", "tiny.en", "base", "small", "medium", "large"]
BenchmarkSplit = Literal["train", "validate", "test"]
DataSet = Literal["ffpp", "celebdf", "dfdc", "dfdc-preview", "df40", "deepfake-eval", "folder"]

_LANGUAGES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw "
    "he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my "
    "ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt "
    "uk ur uz vi yi yo yue zh"
)
_KINDS = (
    "process_video transcode make_ladder generate_preview generate_thumbnail render_video "
    "batch_render caption detect_video orchestrate_video_ingestion batch_process_videos "
    "retry_failed_tasks generate_proxy_video extract_video_metadata cleanup_expired_results "
    "detect_shot_boundaries extract_keyframes analyze_with_rekognition analyze_with_nvidia "
    "generate_text_embeddings generate_visual_embeddings generate_multimodal_embeddings "
    "index_embeddings project_embeddings rebuild_projection extract_entities "
    "extract_relationships build_scene_graph apply_caption_edits merge_knowledge_graphs "
    "semantic_search graph_traversal_search hybrid_search generate_context answer_query "
    "fetch_model cleanup_old_jobs collect_garbage check_stuck_jobs get_queue_stats cleanup "
    "monitor_resources health_check monitor_gpu_usage"
)
_QUEUES = (
    "runtime orchestration embeddings knowledge_graph default proxy ingestion transcode "
    "gpu_h264 gpu_h265 gpu_vp9 gpu_av1 preview render caption detection video_analysis"
)
LANGUAGES = tuple(_LANGUAGES.split())
KINDS = tuple(_KINDS.split())
QUEUES = tuple(_QUEUES.split())


def check_language(value: str | None) -> str | None:
    """Return a language's code in lower case. Raises UsageInvalid."""
    if value is None:
        return None
    if value.lower() not in LANGUAGES:
        raise refuse_choice("--language", value, LANGUAGES)
    return value.lower()


def check_queues(value: str | None) -> str | None:
    """Return names of queues, separated by commas. Raises UsageInvalid for an unknown one."""
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise refuse_choice("--queues", value, QUEUES)
    if not set(names) <= set(QUEUES):
        from cinemill.catalog import CATALOG
        from cinemill.jobs.adoption.names import expand_queues

        if unknown := expand_queues(names, CATALOG.queues)[1]:
            raise refuse_choice("--queues", unknown[0], tuple(CATALOG.queues))
    return ",".join(names)


def check_kind(kind: str | None, *, is_known: bool) -> None:
    """Refuse a kind of job of which no job was found, if neither we nor the server know it.

    The server may know more kinds than this machine. Raises UsageInvalid.
    """
    if kind is None or is_known or kind in KINDS:
        return
    from cinemill.catalog import CATALOG

    if kind not in CATALOG.jobs:
        raise refuse_choice("--kind", kind, tuple(CATALOG.jobs))


def complete_from(values: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a completion that offers these values."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete.lower())]

    return complete


def complete_queues(incomplete: str) -> list[str]:
    """Complete the last of several names that are separated by commas."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{one}" for one in QUEUES if one.startswith(last) and one not in taken]
