"""What the encoding of a job's source shows, examined once and kept with the asset.

It is shown next to a verdict and never part of a score.
"""

from __future__ import annotations

import structlog

from cinemill.core.media import MediaInfo
from cinemill.core.origin.forensics import ForensicsReport, ForensicsState
from cinemill.errors import CommandFailed
from cinemill.jobs.step import StepContext
from cinemill.media.forensics.read import FORENSICS_VERSION, examine_encoding
from cinemill.steps.content_key import content_key
from cinemill.steps.kept_findings import (
    KeptFinding,
    find_kept,
    keep_finding,
    read_document,
    share_finding,
)
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Database
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import LocalFiles

NAME = "encoding"
log = structlog.get_logger(__name__)


def keep_encoding_report(
    resources: StepResources, context: StepContext, asset: AssetRecord, media: MediaInfo
) -> KeptFinding | None:
    """Examine the encoding unless that was done before; None if it could not be examined.

    Never fails because of the file. Raises what the step's ``should_stop`` returns, and DiskFull.
    """
    key = encoding_key(asset.sha256)
    kept = share_finding(resources, asset, name=NAME, step_key=key)
    if kept is not None:
        return kept
    try:
        report = examine_encoding(
            resources.files.require(asset.sha256),
            media,
            sandbox=resources.sandbox,
            should_stop=context.should_stop,
        )
    except CommandFailed as error:
        # What is wrong here is the installation: the faces can be examined all the same.
        log.warning("the encoding was not examined", asset_id=asset.id, why=error.message)
        return None
    if report.state is ForensicsState.FAILED:
        return None  # as on a busy machine: the next analysis looks again
    return keep_finding(resources, context, asset, report.to_json(), name=NAME, step_key=key)


def find_encoding_report(
    database: Database, files: LocalFiles, sha256: str
) -> ForensicsReport | None:
    """Return the report that was kept about the video of these bytes, if there is one."""
    kept = find_kept(database, files, encoding_key(sha256), NAME)
    document = read_document(files, kept.artifact) if kept else None
    if document is None:
        return None
    try:
        return ForensicsReport.from_json(document)
    except ValueError:
        return None  # written by another version


def encoding_key(sha256: str) -> str:
    """Return the key of the work: the same bytes give the same report."""
    return content_key(sha256, NAME, FORENSICS_VERSION)
