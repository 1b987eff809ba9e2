"""The printed report: one HTML page that loads and runs nothing."""

from __future__ import annotations

from cinemill.capabilities.detection.analysis_report.background_sections import (
    write_detector,
    write_limits,
    write_origin,
    write_reviews,
    write_versions,
)
from cinemill.capabilities.detection.analysis_report.face_sections import (
    write_faces,
    write_pictures,
    write_regions,
    write_scores,
)
from cinemill.capabilities.detection.analysis_report.figures import format_moment
from cinemill.capabilities.detection.analysis_report.parts import paragraph
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport
from cinemill.capabilities.detection.analysis_report.style import write_style
from cinemill.capabilities.detection.analysis_report.verdict_sections import (
    write_analysis,
    write_file,
    write_header,
)
from cinemill.capabilities.detection.html_page import write_html, write_policy

_SECTIONS = (
    write_header,
    write_file,
    write_analysis,
    write_faces,
    write_regions,
    write_pictures,
    write_detector,
    write_origin,
    write_reviews,
    write_limits,
    write_scores,
    write_versions,
)
_RESPONSE_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"


def write_page(report: AnalysisReport) -> str:
    """Return the report as HTML. Names, reasons and metadata are escaped; they may be hostile."""
    body = "".join(write(report) for write in _SECTIONS)
    written = f"Written {format_moment(report.created_at)} by Cinemill {report.software_version}."
    return write_html(
        f"Examination of {report.filename or report.analysis.id}",
        f"<main>{body}</main><footer>{paragraph(written, 'note')}</footer>",
        _write_style(report),
    )


def write_response_policy(report: AnalysisReport) -> str:
    """Return the content security policy of the response that carries the report's page."""
    return f"{write_policy(_write_style(report))}; {_RESPONSE_POLICY}"


def _write_style(report: AnalysisReport) -> str:
    return write_style(report.analysis.id, report.asset.sha256 if report.asset else "")
