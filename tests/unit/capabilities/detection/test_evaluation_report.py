"""The printed report: self-contained, escaped and honest about what it rests on."""

from __future__ import annotations

import json
import re
import xml.dom.minidom
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from cinemill.capabilities.detection.datasets.leakage import Leak, LeakKind
from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.evaluation.charts import draw_reliability, draw_risk_coverage
from cinemill.capabilities.detection.evaluation.measurement import measure_scores, sigmoid
from cinemill.capabilities.detection.evaluation.report import (
    ControlOutcome,
    EvaluationReport,
    HeadStatement,
    list_caveats,
)
from cinemill.capabilities.detection.evaluation.report_page import write_page
from cinemill.capabilities.detection.evaluation.risk_coverage import measure_risk_coverage
from cinemill.capabilities.detection.evaluation.robustness import ConditionOutcome
from cinemill.capabilities.detection.evaluation.video_scores import FrameScore

EVIL = '<script>alert("x")</script>&'


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    random = np.random.default_rng(0)
    frames = [
        FrameScore(
            VideoKey("set", f"swap{EVIL}" if is_fake else "real", f"{person}"),
            is_fake,
            f"p{person}",
            float(random.normal(2.0 * is_fake - 1)),
        )
        for person in range(20)
        for is_fake in (False, True)
        for _ in range(3)
    ]
    measurement = measure_scores(
        frames,
        to_probability=sigmoid,
        thresholds={0.05: -0.8, 0.01: float("inf")},
        seed=1,
        replicates=60,
    )
    return EvaluationReport(
        head=HeadStatement(
            f"home {EVIL}", "ab" * 32, f"20 people {EVIL}", ("CC0",), ("efficientnet-lite0",)
        ),
        datasets=("set",),
        created_at="2026-11-29T12:00:00Z",
        command=f"cinemill detect evaluate {EVIL}",
        seed=1,
        measurement=measurement,
        unscored={f"no_face {EVIL}": 3},
        robustness=(ConditionOutcome(f"h264 {EVIL}", 100, 30, 100, 80, 5, 0.7),),
        controls=(ControlOutcome("identity", 0.5), ControlOutcome("whole_picture", 0.9)),
        notes=(f"Note {EVIL}",),
    )


class Checker(HTMLParser):
    """Fails on tags that load or run anything, and on tags that are not closed."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe", "object", "image", "use"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"href", "src", "xlink:href"}
            assert "url(" not in (value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_self_contained_and_well_formed(report: EvaluationReport) -> None:
    page = write_page(report)
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
    assert "@import" not in page
    assert "@media print" in page


def test_page_escapes_every_name(report: EvaluationReport) -> None:
    page = write_page(report)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_page_shows_figures_with_their_intervals(report: EvaluationReport) -> None:
    page = write_page(report)
    videos = report.measurement.videos
    assert videos.intervals is not None
    interval = videos.intervals["auc"]
    assert f"{videos.figures.auc:.3f} ({interval.lower:.3f}–{interval.upper:.3f})" in page


def test_report_is_json_without_infinities(report: EvaluationReport) -> None:
    text = json.dumps(report.to_json(), allow_nan=False)
    document = json.loads(text)
    assert document["format_version"] == 1
    assert document["measurement"]["thresholds"][0] == {
        "threshold": None,
        "nominal_fpr": 0.01,
        "realised_fpr": 0.0,
        "tpr": 0.0,
    }
    assert document["measurement"]["videos"]["figures"]["auc"] == pytest.approx(
        report.measurement.videos.figures.auc
    )


def test_caveats_name_what_spoils_the_figures(report: EvaluationReport) -> None:
    key = VideoKey("set", "real", "1")
    leaking = replace(report, leaks=(Leak(LeakKind.IDENTITY, key, key, "p1"),))
    caveats = " ".join(list_caveats(leaking))
    assert "share 1 things (identity)" in caveats
    assert "30 of 100 real videos" in caveats
    assert "'whole_picture' (AUC 0.90)" in caveats
    assert "'identity'" not in caveats
    assert "for 5% false alarms gave" in caveats


def test_caveats_always_say_for_what_the_figures_hold(report: EvaluationReport) -> None:
    plain = replace(report, robustness=(), controls=())
    assert list_caveats(plain)[-1].startswith("The figures hold for videos like these")


def test_charts_are_well_formed_and_have_names(report: EvaluationReport) -> None:
    for chart in (
        draw_reliability(report.measurement.reliability),
        draw_risk_coverage(report.measurement.risk_coverage),
        draw_risk_coverage(measure_risk_coverage([True], [0.3])),
    ):
        document = xml.dom.minidom.parseString(chart)
        assert document.documentElement is not None
        assert document.documentElement.getAttribute("aria-label")


def test_chart_of_many_videos_stays_small_and_inside_its_frame() -> None:
    random = np.random.default_rng(2)
    curve = measure_risk_coverage(random.uniform(size=50_000) < 0.3, random.uniform(size=50_000))
    chart = draw_risk_coverage(curve)
    assert len(chart) < 30_000
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d", chart)]
    assert min(numbers) >= 0
    assert max(numbers) <= 330
