"""Reading the content credentials of a stored file, bounded in memory, time and size."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.media.ffmpeg.python_child import (
    ChildCrashed,
    ChildLimits,
    ChildTimedOut,
    run_python_child,
)
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.provenance.trust_list import NO_TRUST_LIST, TrustList

READER_PACKAGE = "c2pa-python"
MEMORY_BYTES = 1024**3
"""The reader hashes in blocks: a signed file of 1.2 GB took 545 MB."""
MAX_ANSWER_BYTES = 1024**2
BASE_SECONDS = 30
SLOWEST_BYTES_PER_SECOND = 20 * 1024**2
"""A signed file is hashed as a whole; slower than this is no disk but a hanging reader."""
_MODULE = "cinemill.media.provenance.child"
_MIME_TYPES: dict[SourceFormat | MaterialFormat, str] = {
    SourceFormat.MP4: "video/mp4",
    SourceFormat.AVI: "video/avi",
}
"""Containers for which C2PA defines a place for credentials (specification 2.1, annex A)."""


def read_provenance(
    path: Path,
    container_format: SourceFormat | MaterialFormat,
    *,
    sandbox: Sandbox,
    trust_list: TrustList = NO_TRUST_LIST,
    should_stop: Callable[[], Exception | None] = lambda: None,
) -> ProvenanceReport:
    """Return the content credentials of the original file at ``path``; never an error of the file.

    Raises what ``should_stop`` returns, and CommandFailed if the reader itself cannot start.
    """
    mime_type = _MIME_TYPES.get(container_format)
    if mime_type is None:
        return ProvenanceReport(
            ProvenanceState.UNSUPPORTED,
            "Files of this format have no place for them; credentials in a separate file are not "
            "looked for.",
        )
    if not is_reader_installed():
        return ProvenanceReport(ProvenanceState.NOT_CHECKED)
    source = path.absolute()
    seconds = BASE_SECONDS + source.stat().st_size // SLOWEST_BYTES_PER_SECOND
    request = {
        "path": str(source),
        "mime_type": mime_type,
        "trust_anchors": trust_list.pem,
    }
    limits = ChildLimits(MEMORY_BYTES, seconds, 2.0 * seconds, MAX_ANSWER_BYTES)
    try:
        return run_python_child(
            _MODULE,
            request,
            read=lambda answer: ProvenanceReport.from_json(answer["report"]),
            limits=limits,
            sandbox=sandbox,
            readable=[source],
            should_stop=should_stop,
        )
    except ChildTimedOut:
        reason = f"Reading them took more than {2 * seconds} s and was stopped."
    except ChildCrashed:
        reason = "The file crashed the reader, or made it exceed its limits."
    return ProvenanceReport(
        ProvenanceState.FAILED, reason, has_trust_list=bool(trust_list.pem), reader=reader_version()
    )


def is_reader_installed() -> bool:
    """Return whether the extra ``provenance`` is installed."""
    return find_spec("c2pa") is not None


def reader_version() -> str:
    """Return the reader's name and version; empty where it is not installed."""
    try:
        return f"{READER_PACKAGE} {importlib.metadata.version(READER_PACKAGE)}"
    except importlib.metadata.PackageNotFoundError:
        return ""
