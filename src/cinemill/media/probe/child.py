"""The process that reads an untrusted file so that no worker has to: JSON in, JSON out.

Started by ``probe`` in the sandbox, as ``python -I -m cinemill.media.probe.child``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cinemill.core.media import read_format
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.python_child import answer_request
from cinemill.media.probe.metadata import read_material, read_media


def handle_request(request: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"info": …}`` or ``{"rejected": code}``."""
    try:
        read = {"film": read_media, "material": read_material}[request["what"]]
        info = read(
            Path(request["path"]), read_format(request["format"]), Limits(**request["limits"])
        )
    except MediaRejected as rejected:
        return {"rejected": rejected.code}
    return {"info": info.to_json()}


if __name__ == "__main__":
    answer_request(handle_request)
