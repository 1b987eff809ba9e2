"""A range in few words: captions, key frames and findings, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.assistants.arguments import MomentArguments
from cinemill.assistants.findings import (
    LABELED_KINDS,
    MOST_OF_A_KIND,
    MOST_READ,
    summarize_findings,
)
from cinemill.assistants.moments import (
    MOST_PICTURE_BYTES,
    MOST_TRANSCRIPT_CHARACTERS,
    Cue,
    choose_keyframe,
    cut_transcript,
)
from cinemill.client import FindingDocument
from cinemill.client.models import ArtifactDocument

RANGE = MomentArguments(asset_id="film", start=10, end=20)


def cue(start_ms: int, end_ms: int, text: str = "words") -> Cue:
    return Cue(start_ms=start_ms, end_ms=end_ms, lines=[text])


def finding(label: str, start: float = 10, kind: str = "object", **more: Any) -> FindingDocument:
    known: dict[str, Any] = {"kind": kind, "start": start, "end": start + 1, "label": label}
    found: FindingDocument = {**known, **more}  # type: ignore[typeddict-item]
    return found


def frame(time_ms: int, **changes: Any) -> ArtifactDocument:
    known: dict[str, Any] = {
        "kind": "keyframe",
        "variant": f"{time_ms:09d}",
        "media_type": "image/jpeg",
        "size_bytes": 1000,
    }
    found: ArtifactDocument = {**known, **changes}  # type: ignore[typeddict-item]
    return found


def test_transcript_has_what_overlaps_the_range_by_time() -> None:
    cues = [
        cue(20_000, 21_000, "after"),
        cue(19_999, 21_000, "last"),
        cue(9_000, 10_001, "first"),
        cue(9_000, 10_000, "before"),
    ]
    lines, is_cut = cut_transcript(cues, RANGE)
    assert [one.text for one in lines] == ["first", "last"]
    assert is_cut is False


def test_long_transcript_is_cut_and_says_so() -> None:
    cues = [cue(10_000 + n, 10_001 + n, "x" * 1_500) for n in range(20)]
    lines, is_cut = cut_transcript(cues, RANGE)
    assert is_cut is True
    assert 0 < sum(len(one.text) for one in lines) <= MOST_TRANSCRIPT_CHARACTERS


@pytest.mark.parametrize(
    ("frames", "seconds"),
    [
        ([frame(19_000), frame(12_000), frame(9_000)], 12.0),
        ([frame(9_000), frame(2_000), frame(20_000)], 9.0),
        ([frame(20_000)], None),
        ([frame(12_000, size_bytes=MOST_PICTURE_BYTES + 1)], None),
        ([frame(12_000, media_type="image/svg+xml")], None),
        ([frame(12_000, variant="latest")], None),
        ([frame(12_000, kind="poster")], None),
        ([], None),
    ],
)
def test_picture_is_the_first_key_frame_of_the_range_or_the_last_before(
    frames: list[ArtifactDocument], seconds: float | None
) -> None:
    chosen = choose_keyframe(frames, RANGE)
    assert (chosen and chosen.seconds) == seconds


def test_findings_of_one_label_become_one() -> None:
    objects = [
        finding("car", 12, confidence=0.5),
        finding("Car", 10, confidence=0.75),
        finding("car", 11, confidence=None),
    ]
    found, is_cut = summarize_findings([objects, [], [finding("car", 10, kind="tag")]])
    assert is_cut is False
    car, tag = found
    assert (car.kind, car.start, car.end, car.confidence, car.count) == ("object", 10, 13, 0.75, 3)
    assert (tag.kind, tag.count, tag.confidence) == ("tag", 1, None)


def test_many_findings_of_a_kind_do_not_crowd_out_another() -> None:
    for count in (MOST_OF_A_KIND + 1, MOST_READ + 1):
        many = [finding(f"thing {n}", n) for n in range(count)]
        found, is_cut = summarize_findings([many, [finding("CLOSED", kind="text")]])
        assert is_cut is True
        assert len(found) == MOST_OF_A_KIND + 1
        assert found[-1].label == "CLOSED"


def test_kinds_that_say_nothing_but_when_are_left_out() -> None:
    assert {"text", "tag", "object", "sound", "description"} < set(LABELED_KINDS)
    assert {"shot", "keyframe", "knowledge"}.isdisjoint(LABELED_KINDS)


def test_findings_are_read_up_to_a_limit() -> None:
    read = []

    def produce() -> Any:
        for number in range(10 * MOST_READ):
            read.append(number)
            yield finding("car", number)

    found, is_cut = summarize_findings([produce()])
    assert (found[0].count, is_cut) == (MOST_READ, True)
    assert len(read) == MOST_READ + 1
