"""The head of a report: the verdict in words, a person's decision, and the file's facts."""

from __future__ import annotations

from cinemill.capabilities.detection.analysis_report.figures import (
    format_bytes,
    format_clock,
    format_moment,
    format_percent,
    format_score,
)
from cinemill.capabilities.detection.analysis_report.parts import (
    facts,
    hashes,
    paragraph,
    prose,
    section,
)
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport
from cinemill.capabilities.detection.analysis_report.statements import (
    HEADINGS,
    describe_mode,
    list_meanings,
    list_misreadings,
    name_verdict,
)
from cinemill.capabilities.detection.html_page import escape_text, isolate_text, write_list
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.core.media import MediaInfo
from cinemill.storage.analyses.records import Review, ReviewAction

LONGEST_NAME = 300
_CONTAINERS = {
    "mov": "MP4 or QuickTime",
    "matroska": "Matroska or WebM",
    "avi": "AVI",
    "flv": "Flash video",
    "asf": "Windows Media (ASF)",
    "mpegts": "MPEG transport stream",
    "mpeg": "MPEG program stream",
    "ogg": "Ogg",
    "mxf": "MXF",
}


def write_header(report: AnalysisReport) -> str:
    """Return the title, the file's name and the verdict."""
    name = report.filename or "a video without a name"
    return (
        '<header><p class="kicker">Cinemill</p>'
        "<h1>Examination of a video for manipulated faces</h1>"
        f'<p class="file">{isolate_text(name, most=LONGEST_NAME)}</p></header>'
        f"{_write_verdict(report)}{_write_decision(report)}"
    )


def _write_verdict(report: AnalysisReport) -> str:
    band = report.band
    score = report.result.score if report.result else None
    kind = "Outcome" if band in {Band.FAILED, Band.NO_MODEL} else "Verdict of the model"
    shown = [f"{kind}: {band.value}"]
    if score is not None:
        shown.append(f"score {format_score(score)} on a scale of 0 to 1")
    error = report.analysis.error
    failure = paragraph(f"{error.message} {error.hint}".strip()) if error else ""
    code = f"{paragraph(f'Code: {error.code}', 'note')}" if error else ""
    return (
        f'<div class="verdict {band.value}"><p class="words">{escape_text(HEADINGS[band])}</p>'
        f"{paragraph(', '.join(shown), 'code')}{failure}{code}"
        f'<div class="columns"><div><h3>What this means</h3>{write_list(list_meanings(report))}'
        f"</div><div><h3>What it does not mean</h3>{write_list(list_misreadings(report))}</div>"
        "</div></div>"
    )


def _write_decision(report: AnalysisReport) -> str:
    decision = report.decision
    if decision is None:
        waiting = report.analysis.needs_review
        text = (
            "No person has decided about this video yet. It waits for a review." if waiting else ""
        )
        return f'<div class="decision">{paragraph(text)}</div>' if text else ""
    return (
        f'<div class="decision"><p><strong>{_describe_decision(decision)}</strong></p>'
        f"{prose(decision.reason)}{paragraph(_describe_moment(decision), 'note')}</div>"
    )


def _describe_decision(decision: Review) -> str:
    who = isolate_text(decision.reviewer, most=LONGEST_NAME)
    verdict = escape_text(name_verdict(decision.verdict or ""))
    if decision.action is ReviewAction.ACCEPT:
        return f"Reviewed by {who}, who agrees with the model: {verdict}"
    return f"Reviewed by {who}, who decided otherwise: {verdict}"


def _describe_moment(decision: Review) -> str:
    return f"{format_moment(decision.created_at)}. A review never changes the model's verdict."


def write_file(report: AnalysisReport) -> str:
    """Return what is known of the file."""
    asset = report.asset
    if asset is None:
        named = facts([("Named as", report.source_name)])
        return section("The file", named, paragraph("The file was never imported."))
    media = asset.media
    rows = [
        ("Name", asset.filename[:LONGEST_NAME]),
        ("Size", format_bytes(asset.size_bytes)),
        *(_list_media(media) if media else ()),
        ("Added", format_moment(asset.created_at)),
    ]
    digests = [("SHA-256", asset.sha256), ("Asset", asset.id)]
    return section("The file", facts(rows), hashes(digests))


def _list_media(media: MediaInfo) -> list[tuple[str, str]]:
    video = media.video
    seconds = media.duration_seconds_from_header
    rate = f", {float(video.fps):.3g} frames a second" if video.fps else ""
    sound = ", ".join(dict.fromkeys(one.codec for one in media.audio)) or "none"
    return [
        ("Container", _CONTAINERS.get(media.format.value, media.format.value)),
        ("Video", f"{video.codec}, {video.display_width} × {video.display_height}{rate}"),
        ("Audio", sound),
        ("Duration", format_clock(round(seconds)) if seconds else "unknown"),
    ]


def write_analysis(report: AnalysisReport) -> str:
    """Return what was done, when, and how sure the detector is."""
    analysis, metrics, details = report.analysis, report.metrics, report.details
    rows = [
        ("Requested", format_moment(analysis.created_at)),
        ("Ended", format_moment(analysis.finished_at)),
        ("Kind", describe_mode(report)),
    ]
    if metrics is not None:
        cached = " (from stored features; no frame was examined again)" if metrics.cache_hit else ""
        rows += [
            ("Frames examined", f"{metrics.frame_count}{cached}"),
            ("Took", f"{metrics.processing_seconds:.1f} s"),
            ("Ran on", metrics.device),
            ("Stages", _list_stages(report)),
        ]
    if details is not None and details.confidence is not None:
        rows.append(("Confidence in the decision", format_percent(details.confidence)))
    return section("The analysis", facts(rows), hashes([("Analysis", analysis.id)]))


def _list_stages(report: AnalysisReport) -> str:
    stages = report.metrics.stage_seconds if report.metrics else {}
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages.items())
