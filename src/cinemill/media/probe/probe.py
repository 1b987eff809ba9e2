"""Probing a source in a process of its own.

The file may be crafted to crash or hang its reader, so a child reads it in the same sandbox as
FFmpeg. That costs about 0.15 s of processor time, nearly all of it Python starting; a dead worker
costs a lease.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.core.documents import JsonObject
from cinemill.core.media import MaterialFormat, MediaInfo, SourceFormat
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import ChildCrashed, ChildLimits, run_python_child
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.probe.sniff import sniff_file, sniff_material_file
from cinemill.media.rejections import OVERLAY_HINT, REJECTION_CODES, reject_media

if TYPE_CHECKING:
    from cinemill.media.probe.child import ProbeAnswer

PROBE_MEMORY_BYTES = 1536 * 1024**2
PROBE_CPU_SECONDS = 20
PROBE_WALL_SECONDS = 40.0
MAX_ANSWER_BYTES = 1024**2
UNREADABLE = "media_unreadable"
UNOPENED_CODES = frozenset({"media_truncated", "media_damaged"})
UNOPENED_HINT = (
    "Its index or every frame at its beginning is missing, so that nothing can be made of it: copy "
    "it again from where it came from."
)
_MODULE = "cinemill.media.probe.child"


def probe(path: Path, limits: Limits, *, sandbox: Sandbox | None = None) -> MediaInfo:
    """Sniff and read the video or audio at ``path``: headers, some packets, one decoded frame.

    Raises MediaRejected with a code of ``media.rejections.REJECTION_CODES``, ``media_unreadable``
    for whatever ended the child while it read the file; CommandFailed if the child could not start,
    or was ended by somebody else.
    """
    return _read(path, sniff_file(path), limits, sandbox)


def probe_material(path: Path, limits: Limits, *, sandbox: Sandbox | None = None) -> MediaInfo:
    """Probe an overlay source: it may also be a still. Raises as :func:`probe` does."""
    try:
        return _read(path, sniff_material_file(path), limits, sandbox)
    except MediaRejected as refused:
        # How many frames an animation has, only reading it shows.
        if refused.code != "media_still":
            raise
        raise reject_media(refused.code, message=refused.message, hint=OVERLAY_HINT) from refused


def _read(
    path: Path,
    container_format: SourceFormat | MaterialFormat,
    limits: Limits,
    sandbox: Sandbox | None,
) -> MediaInfo:
    source = path.absolute()
    request: JsonObject = {
        "path": str(source),
        "format": container_format.value,
        "limits": dataclasses.asdict(limits),
    }
    memory_bytes = min(PROBE_MEMORY_BYTES, limits.memory_bytes)
    try:
        found = run_python_child(
            _MODULE,
            request,
            read=_read_answer,
            limits=ChildLimits(
                memory_bytes, PROBE_CPU_SECONDS, PROBE_WALL_SECONDS, MAX_ANSWER_BYTES
            ),
            sandbox=sandbox or detect_sandbox(),
            readable=[source],
        )
    except ChildCrashed as crashed:
        raise _reject(UNREADABLE, crashed.log_tail) from crashed
    if isinstance(found, str):
        raise _reject(found)
    return found


def _read_answer(answer: ProbeAnswer) -> MediaInfo | str:
    """Return the metadata, or the code of why there is none."""
    if "rejected" not in answer:
        return MediaInfo.from_json(answer["info"])
    code = str(answer["rejected"])
    return code if code in REJECTION_CODES else UNREADABLE


def _reject(code: str, log_tail: str = "") -> MediaRejected:
    hint = UNOPENED_HINT if code in UNOPENED_CODES else ""
    return reject_media(code, hint=hint, log_tail=log_tail)
