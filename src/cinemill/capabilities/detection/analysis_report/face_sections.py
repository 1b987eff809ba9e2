"""What was found in faces: a timeline for each, suspicious regions, pictures and scores."""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.capabilities.detection.analysis_report.figures import (
    format_score,
    format_time,
)
from cinemill.capabilities.detection.analysis_report.parts import paragraph, section, wide
from cinemill.capabilities.detection.analysis_report.pictures import (
    describe_picture,
    name_scores,
    order_pictures,
    write_face,
    write_map,
)
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport
from cinemill.capabilities.detection.analysis_report.statements import HEADINGS, NO_PICTURES
from cinemill.capabilities.detection.analysis_report.timeline import Scale, draw_timeline
from cinemill.capabilities.detection.html_page import escape_text, write_table
from cinemill.capabilities.detection.illustrations.records import read_evidence
from cinemill.capabilities.detection.results import FaceCountsResult
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.capabilities.detection.verdict.counts import count
from cinemill.storage.analyses.records import FrameScore, SuspiciousRegion

MOST_TIMELINES = 12
MOST_REGIONS = 60
MOST_ROWS = 200
_FLAWS = {
    "face_too_small": "too small",
    "face_blurred": "too blurred",
    "face_turned_away": "turned away",
    "face_cut_off": "cut off by the edge",
    "too_many_faces": "more than can be examined",
    "no_face": "no face",
}
HOW_TO_READ = (
    "Each dot is one examined frame, the higher the more the face looks manipulated to the "
    "detector. Nothing is known of the time between two dots. R1, R2 and so on mark suspicious "
    "regions. Only the score of the video as a whole is calibrated."
)
ABOUT_MAPS = (
    "A map shows how much the score falls if a part of the face is covered: the stronger the "
    "color, the more. The parts with more than half of the strongest effect are outlined. It shows "
    "what the detector reacts to, which need not be what was changed."
)


def write_faces(report: AnalysisReport) -> str:
    """Return the timelines of all faces, those with the highest scores first."""
    faces = _group_frames(report.frames)
    if not faces:
        return section("Faces over time", *_write_counts(report)) if report.details else ""
    scale = _make_scale(report)
    order = sorted(faces, key=lambda number: (-_highest(faces[number]), number))
    shown = sorted(order[:MOST_TIMELINES])
    left_out = len(order) - len(shown)
    note = (
        f"{count(len(order), 'face')} were followed; those with the highest scores are shown."
        if left_out
        else ""
    )
    return section(
        "Faces over time",
        paragraph(HOW_TO_READ, "note"),
        *(_write_timeline(report, number, faces[number], scale) for number in shown),
        paragraph(note) if note else "",
        *_write_counts(report),
    )


def _write_timeline(
    report: AnalysisReport, number: int, frames: Sequence[FrameScore], scale: Scale
) -> str:
    regions = [
        (at, one)
        for at, one in enumerate(report.regions[:MOST_REGIONS], start=1)
        if one.face_number == number
    ]
    tracks = report.details.tracks if report.details else ()
    track = next((one for one in tracks if one.number == number), None)
    words = [f"{format_time(frames[0].time_ms)} to {format_time(frames[-1].time_ms)}"]
    words.append(count(len(frames), "examined frame"))
    if track is not None and track.score is not None:
        words.append(f"score {format_score(track.score)}")
    if track is not None and report.band.is_decided:
        words.append(HEADINGS[track.band].lower())
    return (
        f'<div class="track"><h3>Face {number}</h3>{paragraph(", ".join(words), "note")}'
        f'<div class="scroll">{draw_timeline(number, frames, regions, scale)}</div></div>'
    )


def _write_counts(report: AnalysisReport) -> list[str]:
    if report.details is None or report.band is Band.NO_MODEL:
        return []
    return [paragraph(describe_counts(report.details.faces))]


def describe_counts(faces: FaceCountsResult) -> str:
    """Return what became of the frames and faces that were examined."""
    sentence = (
        f"Of {count(faces.frames, 'examined frame')}, {faces.frames_without_face} showed no face. "
        f"{count(faces.usable, 'face was', 'faces were')} scored"
    )
    excluded = [f"{number} {_FLAWS.get(flaw, flaw)}" for flaw, number in faces.excluded.items()]
    return f"{sentence}; not scored: {', '.join(excluded)}." if excluded else f"{sentence}."


def write_regions(report: AnalysisReport) -> str:
    """Return the suspicious regions, with maps of what their scores depend on."""
    if not report.regions:
        return ""
    shown = report.regions[:MOST_REGIONS]
    rows = [
        (
            f"R{number}",
            str(one.face_number or "–"),
            f"{format_time(one.start_ms)} – {format_time(one.end_ms)}",
            format_score(one.score),
            f"{one.box.width:.0f} × {one.box.height:.0f} at {one.box.left:.0f}, {one.box.top:.0f}",
        )
        for number, one in enumerate(shown, start=1)
    ]
    columns = ("Region", "Face", "Time", "Score", "Box in pixels")
    cut = len(report.regions) - len(shown)
    note = paragraph(f"{count(cut, 'more region is', 'more regions are')} left out.") if cut else ""
    maps = "".join(_write_map(report, at, one) for at, one in enumerate(shown, start=1))
    about = paragraph(ABOUT_MAPS, "note") if maps else paragraph(NO_PICTURES, "note")
    return section(
        "Suspicious regions",
        wide(write_table("", columns, rows)),
        note,
        about,
        f'<div class="faces">{maps}</div>' if maps else "",
    )


def _write_map(report: AnalysisReport, number: int, region: SuspiciousRegion) -> str:
    evidence = read_evidence(region.evidence)
    if evidence is None:
        return ""
    found = report.pictures.find(region.face_number, evidence.time_ms) if report.pictures else None
    caption = (
        f"Region {number}: face {region.face_number} at {format_time(evidence.time_ms)}, as it is "
        "and with the map"
    )
    if evidence.highest <= 0:
        caption += ". No part alone raises the score."
    return write_map(found, evidence, escape_text(caption))


def write_pictures(report: AnalysisReport) -> str:
    """Return the faces with their highest and lowest scores."""
    pictures = report.pictures.pictures if report.pictures else ()
    if not pictures:
        return section("Faces", paragraph(NO_PICTURES)) if _group_frames(report.frames) else ""
    figures = [
        write_face(picture, escape_text(f"{describe_picture(picture)}: {words}"))
        for faces in order_pictures(pictures).values()
        for picture, words in name_scores(faces)
    ]
    return section("Faces", f'<div class="faces">{"".join(figures)}</div>')


def write_scores(report: AnalysisReport) -> str:
    """Return the table of every frame's score, up to a number of rows."""
    rows = [
        (
            format_time(one.time_ms),
            str(one.face_number) if one.face_number else "–",
            format_score(one.score) if one.score is not None else _describe_exclusion(one),
            _describe_box(one),
        )
        for one in report.frames[:MOST_ROWS]
    ]
    left_out = len(report.frames) - len(rows)
    cut = (
        f"The first {MOST_ROWS} of {len(report.frames)} rows are shown; the report as JSON holds "
        "the others."
    )
    table = write_table("", ("Time", "Face", "Score", "Box in pixels"), rows)
    return section("Scores by frame", wide(table), paragraph(cut) if left_out > 0 else "")


def _describe_exclusion(frame: FrameScore) -> str:
    return f"none: {_FLAWS.get(frame.exclusion, frame.exclusion)}"


def _describe_box(frame: FrameScore) -> str:
    box = frame.box
    if box is None:
        return "–"
    return f"{box.width:.0f} × {box.height:.0f} at {box.left:.0f}, {box.top:.0f}"


def _group_frames(frames: Sequence[FrameScore]) -> dict[int, list[FrameScore]]:
    faces: dict[int, list[FrameScore]] = {}
    for one in frames:
        if one.face_number:
            faces.setdefault(one.face_number, []).append(one)
    return faces


def _highest(frames: Sequence[FrameScore]) -> float:
    return max((-1.0 if one.score is None else one.score) for one in frames)


def _make_scale(report: AnalysisReport) -> Scale:
    media = report.asset.media if report.asset else None
    stated_ms = round(media.duration_seconds_from_header * 1000) if media else 0
    end_ms = max([stated_ms, *(one.time_ms for one in report.frames)])
    calibration = report.details.calibration if report.details else None
    if calibration is None or report.details is None or report.details.score is None:
        return Scale(end_ms)
    return Scale(end_ms, calibration.flag_score, calibration.clear_score)
