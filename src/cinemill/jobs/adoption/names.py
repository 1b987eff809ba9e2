"""The names that scripts of other systems give to tasks and queues: the one table of them.

A task of theirs is a kind of job, and a queue of theirs is the queues that its jobs go through: a
worker that serves nothing else completes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from cinemill.core.documents import quote
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import Queue, list_common

TASK_SUFFIX = "_task"
"""``render_video_task`` is ``render_video``; so with every kind of job."""
QUEUE_SUFFIX = "_queue"
"""``embeddings_queue`` is ``embeddings``, unless the table below knows better."""
DEFAULT_QUEUE = "celery"
"""Celery's own default, where whatever names no queue is sent: all queues here."""
_OWN_MODULES = frozenset({"step", "celery"})
"""Names of tasks that begin with these are the engine's and Celery's own."""

_EVERY_JOB = ("ingestion", "default", "orchestration")
FOREIGN_QUEUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "render_queue": ("render", *_EVERY_JOB),
        "transcode_queue": ("transcode", *_EVERY_JOB),
        "preview_queue": ("preview", *_EVERY_JOB),
        "caption_queue": ("caption", *_EVERY_JOB),
        "video_processing": ("proxy", "preview", "transcode", "render", *_EVERY_JOB),
        "cv_analysis": (
            "video_analysis",
            "detection",
            "embeddings",
            "knowledge_graph",
            "caption",
            "runtime",
            *_EVERY_JOB,
        ),
        "maintenance": ("orchestration", "default"),
    }
)
"""Queues of other systems, and ours that their jobs go through."""

QUEUED_KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "render_queue": ("render_video", "batch_render"),
        "transcode_queue": ("transcode", "make_ladder"),
        "preview_queue": ("generate_preview",),
        "caption_queue": ("caption",),
        "video_processing": (
            "process_video",
            "generate_proxy_video",
            "extract_video_metadata",
            "generate_thumbnail",
        ),
        "cv_analysis": ("detect_video", "detect_shot_boundaries", "extract_keyframes"),
        "maintenance": ("cleanup_old_jobs", "check_stuck_jobs", "get_queue_stats", "cleanup"),
    }
)
"""Kinds of job whose messages their scripts expect in a queue, for those that ask its length."""


def find_kind(task: str, kinds: Collection[str]) -> str | None:
    """Return the kind of job that a task's name means; None where it means none.

    Celery names a task after its module unless told otherwise, so ``farm.tasks.render_video_task``
    is ``render_video`` too.
    """
    module, _, name = task.rpartition(".")
    if module in _OWN_MODULES:
        return None
    for candidate in (task, name, name.removesuffix(TASK_SUFFIX)):
        if candidate in kinds:
            return candidate
    return None


def list_task_names(kinds: Iterable[str]) -> dict[str, str]:
    """Return the kinds of job by every name that a task of theirs has without a module."""
    names = list(kinds)
    return {f"{name}{TASK_SUFFIX}": name for name in names} | {name: name for name in names}


def expand_queue(name: str, queues: Mapping[str, Queue]) -> list[str]:
    """Return the queues that a name means: itself where it is one, none where nobody knows it."""
    if name in queues:
        return [name]
    if name == DEFAULT_QUEUE:
        return list_common(queues)
    if name in FOREIGN_QUEUES:
        # A catalog may lack some of them, such as one that was made for a test.
        return [queue for queue in FOREIGN_QUEUES[name] if queue in queues]
    own = name.removesuffix(QUEUE_SUFFIX)
    return [own] if own in queues else []


def list_released(names: Collection[str], consumed: Collection[str]) -> list[str]:
    """Return which queues a worker leaves that is to leave these, of those that it consumes.

    Those that every job goes through are kept while it has others, whose jobs need them too.
    """
    left = set(consumed) - set(names)
    is_kept = not left <= set(_EVERY_JOB) and not set(names) <= set(_EVERY_JOB)
    return [one for one in names if one in consumed and not (is_kept and one in _EVERY_JOB)]


def require_queue(queue: object, queues: Mapping[str, Queue]) -> None:
    """Check the queue that a call names, None or kombu's own object too. Raises InputRejected."""
    name = getattr(queue, "name", queue)
    if name is not None and not expand_queue(str(name), queues):
        raise InputRejected(
            f"There is no queue called {quote(name)}.",
            code="queue_unknown",
            hint="Leave it out: the kind of job chooses the queues of its steps.",
        )


def expand_queues(names: Iterable[str], queues: Mapping[str, Queue]) -> tuple[list[str], list[str]]:
    """Return the queues that names mean, each once, and the names that nobody knows."""
    found: dict[str, None] = {}
    unknown: list[str] = []
    for name in names:
        meant = expand_queue(name, queues)
        found.update(dict.fromkeys(meant))
        if not meant:
            unknown.append(name)
    return list(found), unknown


def list_queue_names(queues: Iterable[str]) -> list[str]:
    """Return every name of a queue to which scripts send: ours, theirs, and Celery's default."""
    own = list(queues)
    suffixed = [f"{name}{QUEUE_SUFFIX}" for name in own]
    return sorted({*own, *suffixed, *FOREIGN_QUEUES, DEFAULT_QUEUE})
