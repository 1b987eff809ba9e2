"""The process that examines the packets of an untrusted file: JSON in, JSON out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import av

from cinemill.core.media import SourceFormat
from cinemill.core.origin.forensics import ForensicsReport, ForensicsState
from cinemill.media.ffmpeg.python_child import answer_request
from cinemill.media.forensics.examine import examine_file


class ExaminationRequest(TypedDict):
    """A video, its container, the stream to examine, and the time to spend."""

    path: str
    format: str
    stream_index: int
    cpu_seconds: float


def handle_request(request: ExaminationRequest) -> dict[str, Any]:
    """Return ``{"report": …}``."""
    try:
        report = examine_file(
            Path(request["path"]),
            SourceFormat(request["format"]),
            stream_index=request["stream_index"],
            cpu_seconds=request["cpu_seconds"],
        )
    except (av.FFmpegError, ValueError, OverflowError, MemoryError):
        report = ForensicsReport(ForensicsState.FAILED, "The file's packets cannot be read.")
    return {"report": report.to_json()}


if __name__ == "__main__":
    answer_request(handle_request)
