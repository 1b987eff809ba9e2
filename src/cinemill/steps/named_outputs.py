"""Files under readable names, next to the store that addresses them by content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cinemill.core.text.file_names import PORTABLE_BYTES, make_portable
from cinemill.storage.media.files import OUTPUT_MARKER, LocalFiles

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def export_output(files: LocalFiles, sha256: str, shelf: Path, job_id: str, filename: str) -> Path:
    """Give a stored file a name below ``shelf``, in a folder of its job; return the path.

    Repeating it changes nothing, so an attempt that is lost after it does no harm.
    """
    folder = shelf / folder_name(job_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / OUTPUT_MARKER).touch(mode=0o600)
    path = folder / make_portable(filename, PORTABLE_BYTES)
    files.export(sha256, path)
    return path


def folder_name(job_id: str) -> str:
    """Return a job's folder.

    Ids from Celery clients may be anything, even a path: such ids are hashed.
    """
    if _PLAIN.fullmatch(job_id):
        return job_id
    return hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()
