"""Findings of services: within their range, each once, repeated lines of text as one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.analysis.providers.normalisation import merge_repeated, normalise
from cinemill.core.findings.finding import Finding, FindingKind, FindingModel, PictureBox
from cinemill.inference.providers.jobs import FindingSet

MODEL = FindingModel("rekognition", "rekognition text")
HERE, THERE = PictureBox(0.1, 0.1, 0.2, 0.1), PictureBox(0.6, 0.8, 0.2, 0.1)


def read(start_ms: int, label: str = "EXIT", box: PictureBox | None = HERE) -> Finding:
    return Finding(start_ms, start_ms + 500, label, 0.8, box)


def normalise_all(findings: list[Finding], kind: FindingKind = FindingKind.TAG) -> list[Finding]:
    return normalise(FindingSet(kind, MODEL, findings), start_ms=1000, end_ms=2000).findings


def test_finding_is_cut_to_the_range() -> None:
    found = [
        Finding(0, 1000, "before"),
        Finding(0, 1001, "into"),
        Finding(1999, 9000, "out of"),
        Finding(2000, 3000, "after"),
        Finding(0, 9000, "all of"),
    ]
    assert [(one.label, one.start_ms, one.end_ms) for one in normalise_all(found)] == [
        ("into", 1000, 1001),
        ("all of", 1000, 2000),
        ("out of", 1999, 2000),
    ]


def test_surest_of_two_equal_findings_is_kept() -> None:
    doubled = [Finding(1100, 1200, "car", sure, HERE) for sure in (0.5, 0.9, None)]
    (found,) = normalise_all([*doubled])
    assert found.confidence == 0.9
    assert len(normalise_all([doubled[0], replace(doubled[0], box=THERE)])) == 2


def test_line_of_text_in_many_samples_is_one_finding() -> None:
    samples = [read(start) for start in (0, 500, 1000, 2500)]
    (found,) = merge_repeated(samples)
    assert (found.start_ms, found.end_ms) == (0, 3000)


def test_line_that_comes_back_later_is_another_finding() -> None:
    assert [one.start_ms for one in merge_repeated([read(0), read(1501)])] == [0, 1501]


def test_same_word_in_two_places_is_two_findings() -> None:
    samples = [read(0), read(0, box=THERE), read(500), read(500, box=THERE)]
    found = merge_repeated(samples)
    assert sorted((one.start_ms, one.end_ms) for one in found) == [(0, 1000), (0, 1000)]
    assert {one.box for one in found} == {HERE, THERE}


def test_merged_text_is_the_surest_sample() -> None:
    moved = replace(HERE, left=0.12)
    (found,) = merge_repeated([read(0, "Exit"), replace(read(500), confidence=0.95, box=moved)])
    assert (found.label, found.confidence, found.box) == ("EXIT", 0.95, moved)
    assert (found.start_ms, found.end_ms) == (0, 1000)


def test_only_text_is_merged() -> None:
    samples = [read(1000), read(1500)]
    assert len(normalise_all(samples, FindingKind.FACE)) == 2
    assert len(normalise_all(samples, FindingKind.TEXT)) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 3000), st.sampled_from("abc")), max_size=20
    )
)
def test_normal_findings_stay_as_they_are(spans: list[tuple[int, int, str]]) -> None:
    found = [Finding(start, start + length, label) for start, length, label in spans]
    for kind in (FindingKind.TAG, FindingKind.TEXT):
        once = normalise_all(found, kind)
        assert all(1000 <= one.start_ms < one.end_ms <= 2000 for one in once)
        assert normalise_all(once, kind) == once
        covered = {
            t for one in found for t in range(max(1000, one.start_ms), min(2000, one.end_ms))
        }
        assert covered <= {t for one in once for t in range(one.start_ms, one.end_ms)}
