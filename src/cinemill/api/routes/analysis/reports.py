"""The report of an analysis: as JSON for programs, and as a page to print."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.analysis_reports import AnalysisReportDocument
from cinemill.api.models.problems import problems
from cinemill.api.state import StateDep
from cinemill.capabilities.detection.analysis_report.gather import gather_report
from cinemill.capabilities.detection.analysis_report.page import (
    write_page,
    write_response_policy,
)
from cinemill.core.text.storable_text import Text

router = APIRouter(tags=["analyses"], route_class=BoundedRoute)

_CACHING = "private, no-store"
"""A report shows reviews, which may be added at any time, and people's faces."""


@router.get("/analyses/{analysis_id}/report.json", responses=problems(404, 409))
def read_report(analysis_id: Text, state: StateDep) -> AnalysisReportDocument:
    """Return everything that is stored about an analysis that has ended."""
    report = gather_report(state.database, state.files, analysis_id)
    return AnalysisReportDocument.from_report(report)


@router.get(
    "/analyses/{analysis_id}/report.html",
    response_class=HTMLResponse,
    responses=problems(404, 409),
)
def read_report_page(analysis_id: Text, state: StateDep) -> HTMLResponse:
    """Return the report as one page that loads and runs nothing, for screens and for paper."""
    report = gather_report(state.database, state.files, analysis_id)
    headers = {
        "Content-Security-Policy": write_response_policy(report),
        "Cache-Control": _CACHING,
    }
    return HTMLResponse(write_page(report), headers=headers)
