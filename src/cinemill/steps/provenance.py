"""Content credentials of a job's source: read once from the original bytes, then kept.

A copy without encoding loses them, so they are read when a video comes in, and stored as an
artifact of the asset. Which signers are trusted may change later: another trust list or another
version of the reader is another key, under which the original is read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import structlog

from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.origin.provenance import (
    SETTLED_STATES,
    ProvenanceReport,
    ProvenanceState,
)
from cinemill.core.text.file_names import derive_name
from cinemill.errors import CommandFailed, InputRejected, NotFound
from cinemill.jobs.step import StepContext
from cinemill.media.provenance.read import read_provenance, reader_version
from cinemill.media.provenance.trust_list import TrustList, read_trust_list
from cinemill.steps.content_key import content_key
from cinemill.steps.kept_findings import read_document
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection, Database
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.files import LocalFiles

STAGE = "provenance"
STAGE_VERSION = 1
"""Increase it when the same file, reader and trust list would give another report."""
FILENAME_SUFFIX = "provenance.json"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SourceProvenance:
    """Content credentials of a source, and the artifact that keeps them."""

    report: ProvenanceReport
    artifact: Artifact | None = None
    """None where there is nothing worth keeping: they could not be looked for."""
    step_key: str = ""

    def save(self, connection: Connection, asset_id: str) -> None:
        """Point the asset at the artifact, if there is one."""
        if self.artifact is not None:
            assets.save_artifacts(connection, asset_id, self.step_key, [self.artifact])


def find_provenance(
    resources: StepResources, context: StepContext, asset: AssetRecord, media: MediaInfo
) -> SourceProvenance:
    """Return the source's content credentials: as kept, else read from the original now.

    Never fails because of the file or of a missing reader. Raises what the step's ``should_stop``
    returns, and DiskFull.
    """
    try:
        trust_list = read_trust_list(resources.c2pa_trust_anchors)
        key = provenance_key(asset.sha256, trust_list)
        kept = _find_kept(resources, asset, key)
        if kept is not None:
            return kept
        report = read_provenance(
            resources.files.require(asset.sha256),
            media.format,
            sandbox=resources.sandbox,
            trust_list=trust_list,
            should_stop=context.should_stop,
        )
    except (CommandFailed, InputRejected) as error:
        # What is wrong here is the installation: the video itself can be processed all the same.
        log.warning("content credentials were not read", asset_id=asset.id, why=error.message)
        return SourceProvenance(ProvenanceReport(ProvenanceState.FAILED, error.message))
    if report.state not in SETTLED_STATES:
        return SourceProvenance(report)
    return SourceProvenance(report, _publish(resources, context, asset, report), key)


def provenance_key(sha256: str, trust_list: TrustList) -> str:
    """Return the key of the work: the same bytes, reader and trust list give the same report."""
    return content_key(sha256, STAGE, STAGE_VERSION, reader_version(), trust_list.fingerprint)


def _find_kept(resources: StepResources, asset: AssetRecord, key: str) -> SourceProvenance | None:
    artifact = assets.find_step_artifacts(resources.database, key).get(ArtifactKind.PROVENANCE)
    if artifact is None or not resources.files.exists(artifact.sha256):
        return None
    with resources.files.open(artifact.sha256) as file:
        try:
            report = ProvenanceReport.from_json(json.load(file))
        except (KeyError, TypeError, ValueError):
            return None  # written by another version: read again
    return SourceProvenance(report, replace(artifact, filename=_name_file(asset)), key)


def _publish(
    resources: StepResources, context: StepContext, asset: AssetRecord, report: ProvenanceReport
) -> Artifact:
    path = context.folder / FILENAME_SUFFIX
    path.write_text(json.dumps(report.to_json(), indent=1) + "\n", "utf-8")
    return publish_artifact(
        resources.files,
        path,
        ArtifactKind.PROVENANCE,
        filename=_name_file(asset),
        media_type="application/json",
        facts={"state": report.state.value, "is_generative": report.is_generative},
    )


def _name_file(asset: AssetRecord) -> str:
    return derive_name(asset.filename, f"-{FILENAME_SUFFIX}")


def read_kept_provenance(
    database: Database, files: LocalFiles, asset_id: str
) -> ProvenanceReport | None:
    """Return the content credentials that were read when the asset came in, if they were kept."""
    try:
        record = assets.get_artifact(database, asset_id, ArtifactKind.PROVENANCE)
    except NotFound:
        return None
    document = read_document(files, record.artifact)
    try:
        return ProvenanceReport.from_json(document) if document is not None else None
    except ValueError:
        return None  # written by another version
