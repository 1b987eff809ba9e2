"""The printed report: self-contained, escaped, bounded, and clear about what it does not say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis_reports import (
    CLEARED,
    FLAGGED,
    UNDECIDED,
    fill_texts,
    make_failed_report,
    make_no_face_report,
    make_no_model_report,
    make_report,
    make_review,
)

from cinemill.capabilities.detection.analysis_report.face_sections import MOST_ROWS, MOST_TIMELINES
from cinemill.capabilities.detection.analysis_report.page import write_page, write_response_policy
from cinemill.capabilities.detection.analysis_report.records import AnalysisReport, Part
from cinemill.capabilities.detection.analysis_report.statements import (
    HEADINGS,
    NO_ENCODING,
    NO_PICTURES,
    NO_PROVENANCE,
    OTHER_VERSION,
    SEPARATE,
)
from cinemill.capabilities.detection.verdict.bands import Band
from cinemill.core.job import JobState
from cinemill.storage.analyses.records import ReviewAction

HOSTILE = (
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "'--></style></title><img src=x onerror=alert(1)>",
    "&lt;b&gt;&#60;script&#62;",
    "invoice\u202e4pm.exe",
    "a\x00b\x1bc\r\nd\x85e\u2028f\ufeffg\ud800h",
    "]]><!--",
    "H" + "\u0300" * 300,
    "مقابلة الوزير.mp4",
    "x" * 100_000,
)
FRAGMENTS = st.sampled_from(
    [
        "<b>",
        "</p>",
        "<",
        ">",
        '"',
        "'",
        "<!--",
        "-->",
        "&",
        "&#60;",
        "</style>",
        " onload=",
        "\u202e",
    ]
)


class Outline(HTMLParser):
    """The tags of a page with their attributes, but without texts that people read."""

    VOID = frozenset({"meta"})
    TEXTS = frozenset({"aria-label"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[object, ...]] = []
        self.open: list[str] = []
        self.titles: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "a", "use", "form"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "style", "xlink:href"}
            assert name != "href" or (value or "").startswith("data:image/jpeg;base64,")
        kept = tuple((name, None if name in self.TEXTS else value) for name, value in attrs)
        self.seen.append((tag, kept))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


@pytest.fixture(scope="module")
def report() -> AnalysisReport:
    return make_report(sightings=6)


@pytest.fixture(scope="module")
def outline(report: AnalysisReport) -> list[tuple[object, ...]]:
    return Outline(write_page(fill_texts(report, "x"))).seen


def test_page_of_a_flagged_video_has_these_sections_in_order(report: AnalysisReport) -> None:
    assert Outline(write_page(report)).titles == [
        *("The file", "The analysis", "Faces over time", "Suspicious regions", "Faces"),
        *("The detector and its data", "Apart from the score", "Reviews by people", "Limits"),
        *("Scores by frame", "Versions"),
    ]


def test_page_loads_nothing_and_is_made_for_paper(report: AnalysisReport) -> None:
    page = write_page(report)
    Outline(page)
    assert "http" not in page.replace("http-equiv", "")
    for needed in ("@media print", "@page", "break-inside: avoid", "color-scheme: light"):
        assert needed in page
    for forbidden in ("@import", "url(", "size: A4", "size: letter"):
        assert forbidden not in page


def test_policy_allows_the_style_of_the_page_and_no_script(report: AnalysisReport) -> None:
    style = re.findall(r"<style>(.*?)</style>", write_page(report), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    directives = dict(
        one.strip().partition(" ")[::2] for one in write_response_policy(report).split(";")
    )
    assert len(style) == 1
    assert directives == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "sandbox": "",
    }


def test_printed_pages_name_the_analysis_and_the_file(report: AnalysisReport) -> None:
    assert report.asset is not None
    named = f'"Analysis {report.analysis.id}, file {report.asset.sha256[:16]}"'
    assert f"@bottom-left {{ content: {named};" in write_page(report)
    hostile = replace(report.analysis, id='x"} </style><b>')
    assert 'content: "Analysis xstyleb, file' in write_page(replace(report, analysis=hostile))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_page_escapes_hostile_text_wherever_it_stands(
    report: AnalysisReport, outline: list[tuple[object, ...]], text: str
) -> None:
    check_text(report, outline, text)


@pytest.mark.property
@given(text=st.lists(FRAGMENTS | st.text(max_size=3), min_size=1, max_size=12).map("".join))
@settings(max_examples=25)
def test_page_escapes_any_text_wherever_it_stands(
    report: AnalysisReport, outline: list[tuple[object, ...]], text: str
) -> None:
    check_text(report, outline, text)


def check_text(report: AnalysisReport, outline: list[tuple[object, ...]], text: str) -> None:
    """Check that a text changes nothing but text, and that the page can be sent and printed."""
    page = write_page(fill_texts(report, text or "x"))
    assert Outline(page).seen == outline
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", page
    )
    assert len(page.encode()) < 2_000_000


@pytest.mark.parametrize(
    ("logit", "band"),
    [
        (FLAGGED, Band.LIKELY_MANIPULATED),
        (CLEARED, Band.NO_MANIPULATION_FOUND),
        (UNDECIDED, Band.INCONCLUSIVE),
    ],
)
def test_page_states_the_verdict_and_what_it_does_not_mean(logit: float, band: Band) -> None:
    page = write_page(make_report(logit))
    assert f'class="verdict {band.value}"><p class="words">{HEADINGS[band]}<' in page
    assert "What it does not mean" in page
    assert ("not proof" in page) is (band is Band.LIKELY_MANIPULATED)
    assert ("does not show that the video is authentic" in page) is (
        band is Band.NO_MANIPULATION_FOUND
    )
    assert ("neither a sign that" in page) is (band is Band.INCONCLUSIVE)
    assert ("are expected to get this verdict" in page) is band.is_decided


def test_page_of_a_failed_analysis_names_the_error_and_no_score() -> None:
    page = write_page(make_failed_report())
    assert HEADINGS[Band.FAILED] in page
    assert "There is no such file. Check the path." in page
    assert "source_not_found" in page
    assert "/films/gone.mp4" in page
    assert "never imported" in page
    assert Outline(page).titles == ["The file", "The analysis", "Reviews by people", "Versions"]


def test_page_without_a_detector_says_that_nothing_was_examined() -> None:
    page = write_page(make_no_model_report())
    assert HEADINGS[Band.NO_MODEL] in page
    assert "Nothing in the video was examined." in page
    assert NO_PROVENANCE in page
    assert escape(NO_ENCODING) in page
    assert "Faces over time" not in page


def test_page_of_a_video_without_a_face_counts_its_frames() -> None:
    page = write_page(make_no_face_report())
    assert HEADINGS[Band.NO_FACE] in page
    assert "Of 32 examined frames, 32 showed no face. 0 faces were scored." in page


def test_page_keeps_what_enters_no_score_apart(report: AnalysisReport) -> None:
    page = write_page(report)
    aside = page[page.index(SEPARATE) : page.index("Reviews by people")]
    assert aside.count('<div class="apart">') == 2
    assert "the file was changed after it was signed" in aside
    assert "0.4 s of frames are missing." in aside
    assert "0:31.000" in aside
    assert "They do not show whether a face was altered" in aside


def test_page_shows_a_decision_under_the_verdict_and_in_the_trail(report: AnalysisReport) -> None:
    page = write_page(report)
    head = page[: page.index("<h2>")]
    assert "<bdi>Ines Álvarez</bdi>, who decided otherwise: Inconclusive" in head
    assert "The source has\nconfirmed it." in head
    assert "The mouth looks odd" not in head
    trail = page[page.index("Reviews by people") : page.index("Limits")]
    assert "<bdi>Ines Álvarez</bdi> asked for a review<" in trail
    assert "The mouth looks odd" in trail
    assert "The model said: A face is likely manipulated." in trail
    agreed = make_review(3, ReviewAction.ACCEPT, "likely_manipulated", "Seen.")
    page = write_page(replace(report, reviews=(*report.reviews, agreed)))
    assert "who agrees with the model: A face is likely manipulated" in page


def test_page_names_the_detector_and_its_data(report: AnalysisReport) -> None:
    page = write_page(report)
    assert "made up (50 people, 100 videos, licence CC0-1.0)" in page
    assert "auc 0.8" in page
    assert "100 videos that a test made up" in page
    assert "Weights of the members: the defaults." in page


def test_page_is_bounded_and_says_what_is_left_out() -> None:
    report = make_report(faces=MOST_TIMELINES + 8, sightings=20)
    report = replace(report, shortened=frozenset({Part.FRAMES, Part.REVIEWS}))
    page = write_page(report)
    assert page.count('class="timeline"') == MOST_TIMELINES
    assert f"{MOST_TIMELINES + 8} faces were followed" in page
    rows = page[page.index("Scores by frame") :].count("<tr>")
    assert rows == MOST_ROWS + 1
    assert f"The first {MOST_ROWS} of 401 rows are shown" in page
    assert "There are more than 401 scores of frames" in page
    assert "Only the last 2 entries" in page


def test_page_without_pictures_says_why(report: AnalysisReport) -> None:
    assert escape(NO_PICTURES) in write_page(replace(report, pictures=None))


def test_page_of_another_version_shows_what_it_can_read(report: AnalysisReport) -> None:
    page = write_page(replace(report, details=None))
    assert OTHER_VERSION in page
    assert HEADINGS[Band.LIKELY_MANIPULATED] in page
    assert "Scores by frame" in page


def test_page_of_an_unreviewed_analysis_says_that_it_waits(report: AnalysisReport) -> None:
    analysis = replace(report.analysis, state=JobState.COMPLETED, needs_review=True)
    page = write_page(replace(report, analysis=analysis, reviews=()))
    assert "It waits for a review." in page
    assert "Nobody has reviewed this analysis." in page
