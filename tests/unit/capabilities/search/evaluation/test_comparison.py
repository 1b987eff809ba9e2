"""Rankings compared with one another, and passages of made videos."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cinemill.capabilities.search.evaluation.making.truth import (
    TrueScene,
    TrueSentence,
    TrueVideo,
)
from cinemill.capabilities.search.evaluation.metrics.comparison import (
    compare_with_best,
    measure_ratio,
)
from cinemill.capabilities.search.evaluation.metrics.records import (
    AskedQuestion,
    Moment,
    Outcome,
)
from cinemill.capabilities.search.evaluation.plan.records import Picture, Split
from cinemill.capabilities.search.evaluation.running.video_passages import make_video_passages
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.transcript import SpeechTask, Transcript, Utterance

RIGHT, WRONG = Moment("v1", 0, 9_000), Moment("v2", 0, 9_000)
WHO = AskedQuestion("1", "Who?", "v1", (RIGHT,), ("class: who",))
WHEN = AskedQuestion("2", "When?", "v2", (RIGHT,), ("class: when",))
MISS = AskedQuestion("3", "Why?", "v3", (), ("class: who",))


def rank(*right: bool) -> list[Outcome]:
    """Outcomes of the three questions: found at once, or not at all."""
    pairs = zip((WHO, WHEN), right, strict=True)
    found = [Outcome(question, (RIGHT if is_right else WRONG,)) for question, is_right in pairs]
    return [*found, Outcome(MISS, (RIGHT,))]


def test_each_group_is_compared_with_what_is_best_in_it() -> None:
    compared = compare_with_best(
        rank(True, True), {"vectors": rank(True, False), "text": rank(False, False)}
    )
    assert {group: one.value for group, one in compared.items()} == {
        "all": 0.5,
        "class: when": 1.0,
        "class: who": 0.0,
    }
    assert compared["class: who"].best_other == "vectors"
    assert compared["all"].count == 2
    assert compared["all"].interval is None


def test_ratio_is_of_means() -> None:
    assert measure_ratio(rank(True, False), rank(True, True)).value == 0.5


@pytest.mark.parametrize("others", [[], rank(True, True)[:2]])
def test_different_questions_are_not_compared(others: Sequence[Outcome]) -> None:
    with pytest.raises(ValueError, match="different questions"):
        compare_with_best(rank(True, True), {"text": others})
    with pytest.raises(ValueError, match="different questions"):
        measure_ratio(rank(True, True), others)


def test_nothing_found_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="nothing was found"):
        measure_ratio(rank(True, True), rank(False, False))


def make_video() -> TrueVideo:
    def make_scene(number: int, sign: str, picture: Picture) -> TrueScene:
        start_ms = 10_000 * number
        said = TrueSentence(start_ms + 500, start_ms + 6_000, f"It is number {number}.")
        end_ms = start_ms + 10_000
        return TrueScene(number, "f", start_ms, end_ms, picture, sign, "en", (said,), 0)

    scenes = (make_scene(0, "OSLO 1", Picture("red")), make_scene(1, "ROME 2", Picture("blue")))
    return TrueVideo("v1", Split.TUNE, 12, 240, scenes)


def test_signs_and_pictures_of_a_scene_have_passages_of_its_length() -> None:
    passages = make_video_passages(make_video())
    texts = [(one.start_ms, one.end_ms, one.text) for one in passages[PassageTrack.TEXT]]
    assert texts == [(0, 10_000, "OSLO 1"), (10_000, 20_000, "ROME 2")]
    pictures = [one.text for one in passages[PassageTrack.PICTURE]]
    assert pictures == ["a red background", "a blue background"]
    assert [one.text for one in passages[PassageTrack.SPEECH]] == [
        "It is number 0.",
        "It is number 1.",
    ]


def test_speech_is_what_was_heard_where_a_transcript_is_given() -> None:
    heard = Transcript(
        "tiny.en", "1", "en", SpeechTask.TRANSCRIBE, (Utterance(500, 6_000, "It is none."),), {}
    )
    (passage,) = make_video_passages(make_video(), heard)[PassageTrack.SPEECH]
    assert passage.text == "It is none."
