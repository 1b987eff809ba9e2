"""Text that stays on screen is one finding, however it was read."""

from __future__ import annotations

from cinemill.capabilities.analysis.text_in_frames import LONGEST_GAP_MS, fold_text, group_text
from cinemill.core.findings.finding import Finding, PictureBox

BELOW = PictureBox(0.1, 0.85, 0.6, 0.08)
ABOVE = PictureBox(0.1, 0.05, 0.6, 0.08)
ASIDE = PictureBox(0.8, 0.5, 0.1, 0.05)


def read(
    time_ms: int, text: str, confidence: float = 0.9, box: PictureBox | None = BELOW
) -> Finding:
    return Finding(time_ms, time_ms + 40, text, confidence, box)


def summarize(findings: list[Finding]) -> list[tuple[int, int, str]]:
    return [(one.start_ms, one.end_ms, one.label) for one in findings]


TIMES = range(0, 10_000, 1000)


def test_same_text_in_frames_in_a_row_is_one_finding() -> None:
    readings = [read(1000, "HELLO", 0.8), read(2000, "HELLO", 0.95), read(3000, "HELLO")]
    (found,) = group_text(readings, TIMES)
    assert (found.start_ms, found.end_ms, found.confidence) == (1000, 3040, 0.95)
    assert found.details == {"frames": 3}


def test_other_spacing_and_case_are_the_same_letters() -> None:
    readings = [read(0, "JULY14,2015"), read(1000, "July 14.2015"), read(2000, "JULY14,2015")]
    assert summarize(group_text(readings, TIMES)) == [(0, 2040, "JULY14,2015")]


def test_letters_read_wrong_at_one_place_are_outvoted() -> None:
    readings = [
        read(0, "STATEMENT ON IRAN", 0.9),
        read(1000, "STATENENT 0N IRAN", 0.95),
        read(2000, "STATEMENT ON IRAN", 0.9),
    ]
    assert summarize(group_text(readings, TIMES)) == [(0, 2040, "STATEMENT ON IRAN")]


def test_similar_texts_at_two_places_are_two_findings() -> None:
    readings = [read(0, "Chapter 10", box=ABOVE), read(1000, "Chapter 11", box=BELOW)]
    assert len(group_text(readings, TIMES)) == 2


def test_text_that_moves_is_one_finding() -> None:
    boxes = [PictureBox(0.1, 0.9 - 0.2 * n, 0.5, 0.05) for n in range(4)]
    readings = [read(1000 * n, "Written by Ada", box=box) for n, box in enumerate(boxes)]
    assert summarize(group_text(readings, TIMES)) == [(0, 3040, "Written by Ada")]


def test_two_lines_with_one_text_stay_apart() -> None:
    readings = [read(n * 1000, "0 : 0", box=box) for n in range(3) for box in (ABOVE, ASIDE)]
    found = group_text(readings, TIMES)
    assert [(one.start_ms, one.end_ms, one.box) for one in found] == [
        (0, 2040, ABOVE),
        (0, 2040, ASIDE),
    ]


def test_same_letters_count_before_similar_ones() -> None:
    # A list moves up by one line: each line is near another that is similar.
    places = [PictureBox(0.1, 0.1 * n, 0.5, 0.09) for n in range(1, 4)]
    first = [read(0, f"Participant {n}", box=place) for n, place in zip("ABC", places, strict=True)]
    second = [
        read(1000, f"Participant {n}", box=place) for n, place in zip("BCD", places, strict=True)
    ]
    assert summarize(group_text([*first, *second], TIMES)) == [
        (0, 40, "Participant A"),
        (0, 1040, "Participant B"),
        (0, 1040, "Participant C"),
        (1000, 1040, "Participant D"),
    ]


def test_text_that_one_frame_misses_goes_on() -> None:
    readings = [read(1000, "HELLO"), read(3000, "HELLO")]
    assert summarize(group_text(readings, TIMES)) == [(1000, 3040, "HELLO")]


def test_text_that_two_frames_miss_is_another_finding() -> None:
    readings = [read(1000, "HELLO"), read(4000, "HELLO")]
    assert len(group_text(readings, TIMES)) == 2


def test_text_of_frames_far_apart_is_another_finding() -> None:
    far_ms = 1000 + LONGEST_GAP_MS
    assert len(group_text([read(1000, "HELLO"), read(far_ms, "HELLO")], [])) == 1
    assert len(group_text([read(1000, "HELLO"), read(far_ms + 1, "HELLO")], [])) == 2


def test_no_text_is_no_finding() -> None:
    assert group_text([], TIMES) == []


def test_signs_alone_are_compared_as_they_are() -> None:
    assert fold_text("?!") == "?!"
    assert fold_text("Straße 5!") == "strasse5"
