"""An untrusted picture as an array: decoded in the sandbox, under limits of time and memory.

A crafted picture may crash or hang its decoder, or have a billion pixels in a few bytes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from cinemill.errors import CommandFailed
from cinemill.media.ffmpeg.child_exit import is_files_fault
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import interpreter_folders
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox, prepare_child, wrap_command
from cinemill.media.stills.decode import PictureTooLarge, PictureUnreadable, find_format
from cinemill.media.stills.limits import MOST_BYTES

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

MEMORY_BYTES = 1024**3
CPU_SECONDS = 10
WALL_SECONDS = 30.0
_HEAD_BYTES = 1024
"""Of the line before the pixels."""
_MODULE = "cinemill.media.stills.child"


def read_picture(
    data: bytes,
    *,
    limits: Limits,
    max_width: int,
    max_pixels: int,
    sandbox: Sandbox | None = None,
) -> Pixels:
    """Return a JPEG or PNG picture that somebody sent, height × width × 3.

    It is upright, at most ``max_width`` wide and ``max_pixels`` large, and never enlarged. The
    file's own picture may have ``limits.max_pixels``, and the file ``MOST_BYTES``.

    Raises PictureUnreadable (``picture_unreadable``), PictureTooLarge (``picture_too_large``),
    CommandFailed (``command_failed``) where the decoder cannot be run.
    """
    if len(data) > MOST_BYTES:
        raise PictureTooLarge(f"The picture is larger than {MOST_BYTES >> 20} MiB.")
    find_format(data)
    most_bytes = _HEAD_BYTES + 3 * max_pixels
    arguments = [str(one) for one in (max_width, max_pixels, limits.max_pixels)]
    # Files instead of pipes: neither side waits for the other, and the kernel bounds the output.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(data)
        source.seek(0)
        code = _run(arguments, source, sink, limits, sandbox or detect_sandbox(), most_bytes)
        sink.seek(0)
        answer = sink.read(most_bytes)
    if is_files_fault(code):
        raise PictureUnreadable("The picture cannot be decoded.")
    if code:
        raise CommandFailed(
            f"Decoding the picture ended with exit code {code}.", exit_code=code, log_tail=""
        )
    return _parse(answer, max_pixels)


def _run(
    arguments: list[str],
    source: BinaryIO,
    sink: BinaryIO,
    limits: Limits,
    sandbox: Sandbox,
    most_bytes: int,
) -> int:
    """Return the exit status of the decoding process; negative or above 128 for a signal."""
    tight = dataclasses.replace(
        limits,
        memory_bytes=min(MEMORY_BYTES, limits.memory_bytes),
        cpu_seconds=CPU_SECONDS,
        max_output_bytes=most_bytes,
    )
    command = wrap_command(
        sandbox,
        [sys.executable, "-I", "-m", _MODULE, *arguments],
        limits=tight,
        folder=None,
        readable=[*interpreter_folders()],
    )
    try:
        return subprocess.run(
            command,
            stdin=source,
            stdout=sink,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=prepare_child(sandbox, tight),
        ).returncode
    except subprocess.TimeoutExpired as hung:
        raise PictureUnreadable("Decoding the picture took too long.") from hung


def _parse(answer: bytes, max_pixels: int) -> Pixels:
    """Return the pixels. The process that wrote them may have been taken over by the picture."""
    head, _, body = answer.partition(b"\n")
    try:
        facts = json.loads(head)
        if "code" in facts:
            kind = PictureTooLarge if facts["code"] == PictureTooLarge.code else PictureUnreadable
            raise kind(str(facts["message"])[:_HEAD_BYTES])
        width, height = int(facts["width"]), int(facts["height"])
    except (ValueError, TypeError, KeyError, RecursionError) as broken:
        raise PictureUnreadable("The picture cannot be decoded.") from broken
    if min(width, height) < 1 or width * height > max_pixels or len(body) != width * height * 3:
        raise PictureUnreadable("The picture cannot be decoded.")
    return np.frombuffer(body, dtype=np.uint8).reshape(height, width, 3)
