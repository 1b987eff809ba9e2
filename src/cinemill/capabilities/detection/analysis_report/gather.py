"""Gathering a report from the rows of an analysis and the files of its video."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

import cinemill
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport, Part
from cinemill.capabilities.detection.encoding_report import find_encoding_report
from cinemill.capabilities.detection.illustrations.records import (
    NAME,
    FacePictures,
    pictures_key,
    read_pictures,
)
from cinemill.capabilities.detection.results import DetectionResult
from cinemill.core.documents import JsonObject
from cinemill.core.job import JobState
from cinemill.errors import Conflict, NotFound
from cinemill.steps.kept_findings import find_kept, read_document
from cinemill.steps.provenance import read_kept_provenance
from cinemill.storage.analyses import analyses, frame_scores, regions, results, reviews
from cinemill.storage.analyses.records import Analysis
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.job_queries import get_job
from cinemill.storage.media.assets import get_asset
from cinemill.storage.media.files import LocalFiles

MOST_FRAMES = 2_000
MOST_REVIEWS = 500
_DETAILS = TypeAdapter(DetectionResult)


def gather_report(database: Database, files: LocalFiles, analysis_id: str) -> AnalysisReport:
    """Return the report of an analysis that has ended.

    Raises NotFound, Conflict (``analysis_not_completed``).
    """
    with database.begin() as connection:
        analysis = analyses.get_analysis(connection, analysis_id)
        _require_end(analysis)
        source_name = _read_source_name(connection, analysis_id)
        result = results.get_result(connection, analysis_id)
        metrics = results.get_metrics(connection, analysis_id)
        scores = frame_scores.list_frame_scores(connection, analysis_id, limit=MOST_FRAMES + 1)
        found = regions.list_regions(connection, analysis_id)
        trail = reviews.list_reviews(connection, analysis_id)
    asset = get_asset(database, analysis.asset_id) if analysis.asset_id else None
    are_cut = {Part.FRAMES: len(scores) > MOST_FRAMES, Part.REVIEWS: len(trail) > MOST_REVIEWS}
    return AnalysisReport(
        analysis=analysis,
        created_at=datetime.now(UTC),
        software_version=cinemill.__version__,
        source_name=source_name,
        asset=asset,
        result=result,
        details=read_details(result.report) if result else None,
        metrics=metrics,
        frames=[one.frame for one in scores[:MOST_FRAMES]],
        regions=found,
        # The last ones hold the decision that counts.
        reviews=trail[-MOST_REVIEWS:],
        provenance=read_kept_provenance(database, files, asset.id) if asset else None,
        encoding=find_encoding_report(database, files, asset.sha256) if asset else None,
        pictures=_find_pictures(database, files, analysis),
        shortened=frozenset(part for part, is_cut in are_cut.items() if is_cut),
    )


def read_details(document: JsonObject) -> DetectionResult | None:
    """Return the stored result; None for one that another version of the software wrote."""
    try:
        return _DETAILS.validate_python(document)
    except ValidationError:
        return None


def _require_end(analysis: Analysis) -> None:
    if analysis.state in {JobState.COMPLETED, JobState.FAILED}:
        return
    is_cancelled = analysis.state is JobState.CANCELLED
    raise Conflict(
        f"Analysis {analysis.id} is {analysis.state.value}, so there is no report of it.",
        code="analysis_not_completed",
        hint="Start another analysis of the video."
        if is_cancelled
        else "Follow the job's events, and ask again once it has ended.",
    )


def _read_source_name(connection: Connection, analysis_id: str) -> str:
    try:
        named = get_job(connection, analysis_id).params.get("asset")
    except NotFound:
        return ""  # an analysis outlives its job
    return named if isinstance(named, str) else ""


def _find_pictures(
    database: Database, files: LocalFiles, analysis: Analysis
) -> FacePictures | None:
    if not analysis.step_key:
        return None
    kept = find_kept(database, files, pictures_key(analysis.step_key), NAME)
    document = read_document(files, kept.artifact) if kept else None
    return read_pictures(document) if document else None
