"""Timelines of faces, and figures with their pictures, as SVG."""

from __future__ import annotations

import re
import xml.dom.minidom

import pytest
from tests.analysis_reports import make_jpeg, make_map

from cinemill.capabilities.detection.analysis_report.figures import (
    format_bytes,
    format_score,
    format_time,
)
from cinemill.capabilities.detection.analysis_report.pictures import (
    name_scores,
    order_pictures,
    write_map,
)
from cinemill.capabilities.detection.analysis_report.timeline import (
    Scale,
    choose_ticks,
    draw_timeline,
)
from cinemill.capabilities.detection.illustrations.records import EvidenceMap, FacePicture
from cinemill.storage.analyses.records import Box, FrameScore, SuspiciousRegion

FRAMES = [
    FrameScore(0, 0, 0.1, face_number=1),
    FrameScore(30_000, 1, 0.95, face_number=1),
    FrameScore(60_000, 2, None, "not_calibrated", 1),
]
REGION = SuspiciousRegion(20_000, 30_001, 0.9, Box(0, 0, 9, 9), 1)


def parse(svg: str) -> xml.dom.minidom.Element:
    root = xml.dom.minidom.parseString(svg).documentElement
    assert root is not None
    return root


def test_timeline_marks_frames_regions_and_thresholds() -> None:
    svg = draw_timeline(1, FRAMES, [(3, REGION)], Scale(60_000, 0.9, 0.4))
    root = parse(svg)
    dots = root.getElementsByTagName("circle")
    assert [dot.getAttribute("class") for dot in dots] == ["dot", "dot high", "open"]
    places = [float(dot.getAttribute("cx")) for dot in dots]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])
    assert float(dots[1].getAttribute("cy")) < float(dots[0].getAttribute("cy"))
    texts = [one.firstChild.data for one in root.getElementsByTagName("text")]  # type: ignore[union-attr]
    assert "R3" in texts
    assert "flagged above 0.90" in texts
    assert "cleared below 0.40" in texts
    assert [text for text in texts if ":" in text][::2] == ["0:00", "0:20", "0:40", "1:00"]
    assert "Region 3: 0:20.000 to 0:30.001" in svg


def test_timeline_without_a_calibration_has_no_thresholds() -> None:
    svg = draw_timeline(1, FRAMES[2:], [], Scale(0))
    assert 'class="limit"' not in svg
    assert "no score (not_calibrated)" in svg
    parse(svg)


def test_labels_of_near_thresholds_do_not_overlap() -> None:
    svg = draw_timeline(1, [], [], Scale(1000, 0.51, 0.5))
    labels = re.findall(r'y="([\d.]+)">(?:flagged|cleared)', svg)
    assert abs(float(labels[0]) - float(labels[1])) >= 10


@pytest.mark.parametrize("end_ms", [0, 999, 1000, 61_400, 3_600_000, 86_400_000, 10**9])
def test_ticks_are_few_and_within_the_video(end_ms: int) -> None:
    ticks = choose_ticks(end_ms)
    assert ticks[0] == 0
    assert len(ticks) <= 9
    assert ticks[-1] * 1000 <= end_ms


def test_map_colors_what_raises_the_score_and_outlines_what_does_most() -> None:
    picture = FacePicture(1, 500, 0.9, make_jpeg())
    html = write_map(picture, make_map(500), "A caption")
    assert html.count("<image") == 2
    assert html.count('class="heat"') == 3
    outline = re.findall(r'class="edge" d="([^"]*)"', html)
    # Three cells in an L have eight sides on the outside.
    assert outline[0].count("M") == 8
    parse(re.findall(r"<svg.*?</svg>", html)[1])


def test_map_without_its_picture_is_drawn_alone() -> None:
    html = write_map(None, make_map(500), "A caption")
    assert "<image" not in html
    assert 'class="blank"' in html
    assert "no picture was kept" in html


def test_map_of_a_face_of_which_no_part_counts_has_no_marks() -> None:
    html = write_map(None, EvidenceMap(0, [[0.0, -1.0], [0.0, 0.0]]), "A caption")
    assert "heat" not in html
    assert "edge" not in html


def test_pictures_are_named_by_their_scores() -> None:
    scores = (0.4, 0.999, 0.001)
    pictures = [FacePicture(2, at, score, "") for at, score in enumerate(scores)]
    faces = order_pictures([*pictures, FacePicture(1, 9, None, "")])
    assert list(faces) == [1, 2]
    assert [words for _, words in name_scores(faces[2])] == [
        "highest score, above 0.99",
        "lowest score, below 0.01",
    ]
    assert [words for _, words in name_scores(faces[1])] == ["no score"]
    alike = [FacePicture(3, at, 0.5, "") for at in range(2)]
    assert [words for _, words in name_scores(alike)] == ["score 0.50"]


def test_figures_are_written_for_people() -> None:
    assert format_time(3_723_004) == "1:02:03.004"
    assert format_time(4_040) == "0:04.040"
    assert (format_score(1.0), format_score(0.0), format_score(None)) == ("1.00", "0.00", "none")
    assert format_bytes(48_211_904) == "48.2 MB (48,211,904 bytes)"
    assert format_bytes(812) == "812 bytes"
