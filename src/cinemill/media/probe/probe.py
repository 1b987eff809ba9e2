"""Probing a source in a process of its own.

The file may be crafted to crash or hang its reader, so a child reads it in the same sandbox as
FFmpeg. That costs about 0.15 s of processor time, nearly all of it Python starting; a dead worker
costs a lease.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import cinemill
from cinemill.core.media import REJECTION_CODES, MaterialFormat, MediaInfo, SourceFormat
from cinemill.errors import CommandFailed, MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import (
    Sandbox,
    detect_sandbox,
    library_folders,
    prepare_child,
    wrap_command,
)
from cinemill.media.probe.sniff import HEAD_BYTES, sniff, sniff_material

PROBE_MEMORY_BYTES = 1536 * 1024**2
PROBE_CPU_SECONDS = 20
PROBE_WALL_SECONDS = 40.0
_MODULE = "cinemill.media.probe.child"
_LOG_BYTES = 4000


def probe(path: Path, limits: Limits, *, sandbox: Sandbox | None = None) -> MediaInfo:
    """Sniff and read the video at ``path``: headers, some packets and one decoded frame.

    Raises MediaRejected with a code of ``core.media.REJECTION_CODES``; CommandFailed if the child
    failed for reasons other than the file.
    """
    return _read(path, "film", sniff_file(path), limits, sandbox)


def probe_material(path: Path, limits: Limits, *, sandbox: Sandbox | None = None) -> MediaInfo:
    """Probe an overlay source: it may be a still, or audio only (``has_picture``).

    Raises as :func:`probe` does; ``media_no_sound`` if it has neither video nor audio.
    """
    return _read(path, "material", sniff_material_file(path), limits, sandbox)


def _read(
    path: Path,
    what: str,
    container_format: SourceFormat | MaterialFormat,
    limits: Limits,
    sandbox: Sandbox | None,
) -> MediaInfo:
    request = {
        "what": what,
        "path": str(path.absolute()),
        "format": container_format.value,
        "limits": dataclasses.asdict(limits),
    }
    response = _run_child(json.dumps(request), path.absolute(), limits, sandbox or detect_sandbox())
    if "rejected" in response:
        raise _reject(str(response["rejected"]))
    return MediaInfo.from_json(response["info"])


def sniff_file(path: Path) -> SourceFormat:
    """Return the container of the file at ``path``, by its first bytes. Raises MediaRejected."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def sniff_material_file(path: Path) -> SourceFormat | MaterialFormat:
    """Return the format of a still, an audio file or a video. Raises MediaRejected."""
    with path.open("rb") as material:
        return sniff_material(material.read(HEAD_BYTES))


def _run_child(
    request: str, path: Path, limits: Limits, sandbox: Sandbox
) -> dict[str, dict[str, object]]:
    tight = dataclasses.replace(
        limits, memory_bytes=PROBE_MEMORY_BYTES, cpu_seconds=PROBE_CPU_SECONDS, max_output_bytes=0
    )
    command = wrap_command(
        sandbox,
        [sys.executable, "-I", "-m", _MODULE],
        limits=tight,
        folder=None,
        readable=[*interpreter_folders(), path],
    )
    try:
        done = subprocess.run(
            command,
            input=request.encode(),
            capture_output=True,
            timeout=PROBE_WALL_SECONDS,
            check=False,
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            preexec_fn=prepare_child(sandbox, tight),
        )
    except subprocess.TimeoutExpired as hung:
        raise _reject("media_unreadable") from hung
    return _parse_response(done)


def _parse_response(done: subprocess.CompletedProcess[bytes]) -> dict[str, dict[str, object]]:
    if done.returncode == 0:
        response: dict[str, dict[str, object]] = json.loads(done.stdout)
        return response
    # Killed by a crash or by a limit, which is the file's fault. An exit code is ours.
    if done.returncode < 0 or done.returncode > 128:
        raise _reject("media_unreadable")
    raise CommandFailed(
        f"The probe ended with exit code {done.returncode}.",
        exit_code=done.returncode,
        log_tail=done.stderr[-_LOG_BYTES:].decode("utf-8", "replace"),
    )


@functools.cache
def interpreter_folders() -> tuple[Path, ...]:
    """Return the folders that this Python needs to start, and nothing more."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(cinemill.__file__).parent.parent}
    return (*sorted(folders), *library_folders())


def _reject(code: str) -> MediaRejected:
    return MediaRejected(REJECTION_CODES[code], code=code)
