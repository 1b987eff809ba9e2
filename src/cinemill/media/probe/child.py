"""The process that reads an untrusted file so that no worker has to: JSON in, JSON out.

Started by ``probe`` in the sandbox, as ``python -I -m cinemill.media.probe.child``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from cinemill.core.media import read_format
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import answer_request
from cinemill.media.probe.metadata import read_media


class ProbeRequest(TypedDict):
    """A file, what it is read as, and the limits."""

    path: str
    format: str
    limits: dict[str, Any]


class ProbeAnswer(TypedDict, total=False):
    """One of the two."""

    info: dict[str, Any]
    rejected: str
    """A code of ``media.rejections.REJECTION_CODES``."""


def handle_request(request: ProbeRequest) -> dict[str, Any]:
    """Return a :class:`ProbeAnswer`."""
    try:
        info = read_media(
            Path(request["path"]), read_format(request["format"]), Limits(**request["limits"])
        )
    except MediaRejected as rejected:
        return {"rejected": rejected.code}
    return {"info": info.to_json()}


if __name__ == "__main__":
    answer_request(handle_request)
