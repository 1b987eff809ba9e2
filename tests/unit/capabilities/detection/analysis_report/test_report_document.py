"""The report as JSON, and the pictures that it is made of."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from tests.analysis_reports import (
    make_failed_report,
    make_map,
    make_no_face_report,
    make_no_model_report,
    make_report,
)

from cinemill.api.models.analysis_reports import AnalysisReportDocument
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport, Part
from cinemill.capabilities.detection.illustrations.choice import (
    MOST_FACES,
    MOST_MAPS,
    choose_faces,
    find_peaks,
)
from cinemill.capabilities.detection.illustrations.records import (
    FacePicture,
    FacePictures,
    pictures_key,
    read_evidence,
    read_pictures,
)
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.storage.analyses.records import Box, FrameScore, Metrics, Result, SuspiciousRegion
from cinemill.storage.analyses.results import Findings

SCHEMA = AnalysisReportDocument.model_json_schema(mode="serialization")


def write(report: AnalysisReport) -> dict[str, Any]:
    text = AnalysisReportDocument.from_report(report).model_dump_json()
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    return document


def make_findings(frames: list[FrameScore], regions: list[SuspiciousRegion]) -> Findings:
    result = Result("likely_manipulated", 0.9)
    return Findings(result, frames, regions, Metrics(1.0, {}, 4, cache_hit=False))


def make_frame(face: int, time_ms: int, score: float | None, side: float = 10.0) -> FrameScore:
    exclusion = "" if score is not None else "not_calibrated"
    return FrameScore(time_ms, time_ms, score, exclusion, face, Box(0, 0, side, side))


def test_document_holds_everything_that_the_page_shows() -> None:
    report = make_report()
    document = write(report)
    assert report.asset is not None
    assert document["file"]["sha256"] == report.asset.sha256
    assert document["statement"]["heading"] == "A face is likely manipulated"
    assert document["analysis"]["members"][0]["training"]["datasets"][0]["licence"] == "CC0-1.0"
    assert len(document["frames"]) == len(report.frames)
    assert document["regions"][0]["evidence"]["cells"][4][3] == 1.2
    assert base64.b64decode(document["pictures"][0]["data"])[:2] == b"\xff\xd8"
    assert document["aside"]["provenance"]["state"] == "invalid"
    assert document["aside"]["encoding"]["findings"][1]["time_ms"] == 31_000
    assert [one["action"] for one in document["reviews"]] == ["flag", "override"]


@pytest.mark.parametrize("make", [make_failed_report, make_no_model_report, make_no_face_report])
def test_document_of_an_analysis_without_a_score_is_whole(
    make: Callable[[], AnalysisReport],
) -> None:
    document = write(make())
    assert document["analysis"]["score"] is None
    assert document["regions"] == []


def test_document_says_what_is_left_out() -> None:
    report = replace(make_report(), shortened=frozenset({Part.REVIEWS, Part.FRAMES}))
    assert write(report)["shortened"] == ["frames", "reviews"]


def test_highest_regions_get_a_map_at_their_peak() -> None:
    frames = [make_frame(1, at, 0.5 + at / 1000) for at in range(0, 400, 100)]
    box = Box(0, 0, 10, 10)
    regions = [
        SuspiciousRegion(0, 101, 0.7, box, 1),
        SuspiciousRegion(100, 301, 0.9, box, 1),
        SuspiciousRegion(0, 301, 0.8, box, 2),
        SuspiciousRegion(200, 201, 0.6, box, 1),
    ]
    peaks = find_peaks(make_findings(frames, regions))
    assert len(regions) > MOST_MAPS
    # The second highest is of a face that is not there: it gets none.
    assert {at: peak.time_ms for at, peak in peaks.items()} == {1: 300, 0: 100}


def test_extremes_of_each_face_get_a_picture_once() -> None:
    frames = [
        make_frame(1, 0, 0.2),
        make_frame(1, 100, 0.9),
        make_frame(1, 200, 0.5),
        make_frame(2, 0, 0.4),
        FrameScore(300, 300, None, "no_face"),
    ]
    region = SuspiciousRegion(100, 201, 0.9, Box(0, 0, 9, 9), 1)
    chosen = choose_faces(make_findings(frames, [region]))
    assert [(one.time_ms, one.face_number) for one in chosen] == [(0, 1), (0, 2), (100, 1)]


def test_face_without_scores_is_shown_at_its_largest() -> None:
    frames = [make_frame(1, 0, None, 10), make_frame(1, 100, None, 90), make_frame(1, 200, None, 5)]
    assert [one.time_ms for one in choose_faces(make_findings(frames, []))] == [100]


def test_pictures_are_bounded_however_many_faces_there_are() -> None:
    frames = [
        make_frame(face, at, face / 100 + at / 1000) for face in range(1, 41) for at in (0, 1)
    ]
    chosen = choose_faces(make_findings(frames, []))
    assert len(chosen) == 2 * MOST_FACES
    assert {one.face_number for one in chosen} == set(range(41 - MOST_FACES, 41))


def test_stored_pictures_are_read_back() -> None:
    pictures = FacePictures((FacePicture(1, 40, None, "AAAA"), FacePicture(2, 80, 0.5, "BBBB")))
    document = json.loads(json.dumps(pictures.to_json()))
    found = read_pictures(document)
    assert found == pictures
    assert pictures.find(2, 80) == pictures.pictures[1]
    assert pictures.find(2, 81) is None


@pytest.mark.parametrize("jpeg", ['"/><script>', "AA AA", "é"])
def test_stored_picture_that_is_not_base64_is_not_shown(jpeg: str) -> None:
    picture = {"face_number": 1, "time_ms": 0, "score": None, "jpeg": jpeg}
    assert read_pictures({"pictures": [picture]}) is None


@pytest.mark.parametrize(
    "document", [None, {}, {"map": [[1.0]]}, {"time_ms": 0, "cells": [["x"]]}, {"cells": [[1.0]]}]
)
def test_map_of_another_version_is_not_shown(document: dict[str, Any] | None) -> None:
    assert read_evidence(document) is None


def test_map_is_read_back() -> None:
    stored = json.loads(json.dumps(make_map(40).to_json()))
    assert read_evidence(stored) == make_map(40)


def test_key_of_pictures_depends_on_the_findings() -> None:
    assert pictures_key("a") == pictures_key("a") != pictures_key("b")


def test_jpeg_is_the_picture() -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :, 0] = np.arange(64)[None] * 4
    pixels[16:32, 16:32] = (20, 200, 40)
    context = av.CodecContext.create("mjpeg", "r")
    frame = context.decode(av.Packet(encode_jpeg(pixels)))[0]
    decoded = frame.to_ndarray(format="rgb24").astype(int)
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded - pixels).mean() < 4
