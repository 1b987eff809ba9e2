"""Talks are joined from scenes of one family after another, and say what the scenes say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusInvalid
from cinemill.capabilities.search.evaluation.making.talks import (
    LEAST_SCENES,
    MOST_SCENES,
    Talk,
    join_talks,
)
from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueSentence, TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import Picture, Split
from cinemill.core.transcript import SpeechTask, Transcript, Utterance, Word

SCENE_MS = 8_000


def make_video(name: str, scenes: int = 10) -> TrueVideo:
    """A video whose scenes are of three families in turn; each has a sentence with its name."""
    return TrueVideo(
        name,
        Split.TUNE,
        12,
        scenes * SCENE_MS * 12 // 1000,
        tuple(
            TrueScene(
                at,
                f"family{at % 3}",
                at * SCENE_MS,
                (at + 1) * SCENE_MS,
                Picture("red"),
                "",
                "en",
                (TrueSentence(at * SCENE_MS + 300, at * SCENE_MS + 4_000, f"Of family{at % 3}."),),
                0,
            )
            for at in range(scenes)
        ),
    )


VIDEOS = [make_video(name) for name in ("v1", "v2", "v3")]


def list_chapters(talk: Talk) -> list[set[str]]:
    """Return the last words of what each chapter says: the names of its families."""
    bounds = [*talk.starts_ms, talk.duration_ms]
    return [
        {one.text.split()[-1] for one in talk.transcript.utterances if start <= one.start_ms < end}
        for start, end in pairwise(bounds)
    ]


def test_each_chapter_is_of_one_family_and_its_neighbours_of_others() -> None:
    for talk in join_talks(VIDEOS, None, number=5):
        chapters = list_chapters(talk)
        assert len(chapters) == 6
        assert all(len(one) == 1 for one in chapters)
        assert all(one != other for one, other in pairwise(chapters))
        for start, end in pairwise([*talk.starts_ms, talk.duration_ms]):
            assert LEAST_SCENES <= (end - start) / SCENE_MS <= MOST_SCENES
        assert set(talk.starts_ms[1:]) <= set(talk.cuts_ms)


def test_same_arguments_make_the_same_talks() -> None:
    first = join_talks(VIDEOS, None, number=3, seed=1)
    assert first == join_talks(VIDEOS, None, number=3, seed=1)
    assert first != join_talks(VIDEOS, None, number=3, seed=2)


def test_talk_of_one_chapter_has_one_subject() -> None:
    (talk,) = join_talks(VIDEOS, None, number=1, chapters=1, name="single")
    assert (talk.name, talk.starts_ms) == ("single-0", (0,))
    assert len(list_chapters(talk)[0]) == 1


def test_what_is_heard_is_joined_in_place_of_the_truth() -> None:
    """Words that are heard between two scenes are of the one that their middle is in."""
    words = (Word(100, 900, " Heard", 0.5), Word(7_000, 8_400, " early", 0.5))
    said = Transcript(
        "tiny", "", "en", SpeechTask.TRANSCRIBE, (Utterance(100, 8_400, "", words),), {}
    )
    talks = join_talks(VIDEOS, {video.name: said for video in VIDEOS}, number=4)
    heard = [one for talk in talks for one in talk.transcript.utterances]
    assert {one.text for one in heard} == {" Heard early"}
    assert {one.end_ms - one.start_ms for one in heard} == {8_300}
    assert {talk.transcript.model for talk in talks} == {"tiny"}


def test_corpus_that_is_too_small_is_refused() -> None:
    with pytest.raises(CorpusInvalid, match="too small"):
        join_talks([make_video("v1")], None, number=1)
