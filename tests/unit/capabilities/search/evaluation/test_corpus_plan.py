"""The plan of a corpus, for any seed: facts are unique, near misses unanswerable, splits apart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.search.evaluation.making.make_corpus import digest_plan
from cinemill.capabilities.search.evaluation.plan.catalog import FAMILIES, get_family
from cinemill.capabilities.search.evaluation.plan.corpus_plan import (
    MOST_SCENES,
    MOST_VIDEOS,
    CorpusSize,
    CorpusSizeInvalid,
    make_plan,
)
from cinemill.capabilities.search.evaluation.plan.decks import NameDeck, PictureDeck
from cinemill.capabilities.search.evaluation.plan.records import (
    CorpusPlan,
    EvidencePart,
    MissKind,
    Question,
    Scene,
    Split,
)
from cinemill.capabilities.search.evaluation.plan.templates import fill, list_slots

SIZES = st.builds(
    CorpusSize,
    videos=st.integers(2, 16),
    scenes=st.integers(2, MOST_SCENES),
)
SEEDS = st.integers(0, 2**32)
NAMES = ("person", "person2", "org", "org2", "thing", "quote")
"""Slots whose values make a fact unique."""


@pytest.fixture(scope="module")
def plan() -> CorpusPlan:
    return make_plan()


def words_of(text: str) -> str:
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


def text_of(scene: Scene) -> str:
    """Return everything that a scene says and shows."""
    return words_of(" ".join([*scene.sentences, scene.sign, scene.picture.describe()]))


def scenes_of(plan: CorpusPlan, split: Split | None = None) -> list[Scene]:
    return [
        scene for video in plan.videos if split in (None, video.split) for scene in video.scenes
    ]


def scene_of(plan: CorpusPlan, question: Question) -> Scene:
    video = next(one for one in plan.videos if one.name == question.video)
    return video.scenes[question.scene]


def test_whole_plan_has_the_sizes_that_the_figures_need(plan: CorpusPlan) -> None:
    assert len(plan.videos) == 60
    assert len({question.family for question in plan.questions}) == 24
    assert len(plan.questions) >= 1400
    assert sum(not one.is_answerable for one in plan.questions) * 3 == len(plan.questions)
    assert sum(bool(one.after) for one in plan.questions) == 30
    assert {split: len(families) for split, families in FAMILIES.items()} == {
        Split.TUNE: 12,
        Split.VALIDATE: 6,
        Split.TEST: 6,
    }


def test_whole_plan_has_every_family_equally_often(plan: CorpusPlan) -> None:
    counts = Counter(scene.family for scene in scenes_of(plan))
    assert set(counts.values()) == {20}


def test_whole_plan_has_every_kind_of_near_miss_in_every_split(plan: CorpusPlan) -> None:
    for split in Split:
        found = {one.miss for one in plan.list_questions(split)}
        assert found == {None, *MissKind}


def test_every_family_is_asked_for_in_two_ways_and_nearly_in_two() -> None:
    families = [family for one in FAMILIES.values() for family in one]
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert len({ask.text for ask in family.asks}) == 2
        assert len({miss.text for miss in family.misses}) == len(family.misses) >= 2
        assert len({tuple(sorted(list_slots(text))) for text in family.statements}) <= 1


@given(SEEDS, SIZES)
def test_splits_share_no_video_family_or_name(seed: int, size: CorpusSize) -> None:
    plan = make_plan(seed, size)
    families: dict[Split, set[str]] = {}
    names: dict[Split, set[str]] = {}
    for split in Split:
        scenes = scenes_of(plan, split)
        families[split] = {scene.family for scene in scenes}
        names[split] = {
            scene.values[slot] for scene in scenes for slot in NAMES if slot in scene.values
        }
    for one, other in (
        (Split.TUNE, Split.VALIDATE),
        (Split.VALIDATE, Split.TEST),
        (Split.TUNE, Split.TEST),
    ):
        assert not families[one] & families[other]
        assert not names[one] & names[other]
    split_of = {video.name: video.split for video in plan.videos}
    for question in plan.questions:
        assert question.split is split_of[question.video]
        assert question.family in {family.name for family in FAMILIES[question.split]}


@given(SEEDS, SIZES)
def test_facts_are_unique(seed: int, size: CorpusSize) -> None:
    plan = make_plan(seed, size)
    scenes = scenes_of(plan)
    facts = Counter(
        (scene.family, scene.values[slot])
        for scene in scenes
        for slot in NAMES
        if slot in scene.values
    )
    assert all(count == 1 for count in facts.values())
    assert len({scene.sign for scene in scenes}) == len(scenes)
    shapes = [scene.picture for scene in scenes if scene.picture.shape]
    assert len(set(shapes)) == len(shapes)


@given(SEEDS, SIZES)
def test_neighboring_scenes_have_different_colors(seed: int, size: CorpusSize) -> None:
    for video in make_plan(seed, size).videos:
        assert len(video.scenes) == size.scenes
        for scene, after in pairwise(video.scenes):
            assert scene.picture.color != after.picture.color
            assert scene.family != after.family


@given(SEEDS, SIZES)
def test_answers_are_in_the_scene_that_questions_name(seed: int, size: CorpusSize) -> None:
    plan = make_plan(seed, size)
    for question in plan.questions:
        scene = scene_of(plan, question)
        assert scene.family == question.family
        if not question.is_answerable:
            assert question.answer == ""
        elif question.part is EvidencePart.SPEECH:
            assert scene.evidence is not None
            assert words_of(question.answer) in words_of(scene.sentences[scene.evidence])
        else:
            assert scene.evidence is None
            assert words_of(question.answer) in text_of(scene)


@given(SEEDS, SIZES)
def test_near_misses_ask_for_what_no_video_contains(seed: int, size: CorpusSize) -> None:
    plan = make_plan(seed, size)
    everything = [text_of(scene) for scene in scenes_of(plan)]
    for question in plan.questions:
        if question.miss is None:
            assert question.unsaid == ""
        elif question.miss is MissKind.SWAPPED_NAME:
            names = [words_of(name) for name in names_in(plan, question)]
            assert len(names) > 1
            same_family = [text_of(one) for one in scenes_of(plan) if one.family == question.family]
            assert not [text for text in same_family if all(name in text for name in names)]
        else:
            assert question.unsaid
            assert not [text for text in everything if words_of(question.unsaid) in text]


def names_in(plan: CorpusPlan, question: Question) -> list[str]:
    """Return the unique names that a question mentions."""
    known = {
        scene.values[slot]
        for scene in scenes_of(plan, question.split)
        for slot in NAMES
        if slot in scene.values
    }
    return [name for name in known if words_of(name) in words_of(question.text)]


@given(SEEDS, SIZES)
def test_questions_are_different_and_follow_ups_name_the_one_before(
    seed: int, size: CorpusSize
) -> None:
    plan = make_plan(seed, size)
    assert len({question.id for question in plan.questions}) == len(plan.questions)
    alone = [question for question in plan.questions if not question.after]
    assert len({question.text for question in alone}) == len(alone)
    by_id = {question.id: question for question in plan.questions}
    for question in plan.questions:
        assert "{" not in question.text
        if question.after:
            before = by_id[question.after]
            assert before.is_answerable
            assert before.split is question.split
            assert not before.after
            template = get_family(before.family).asks[0]
            assert before.text == fill(template.text, scene_of(plan, before).values)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(2, 2), (3, 8), (MOST_VIDEOS, MOST_SCENES)])
def test_a_third_of_the_questions_has_no_answer(size: tuple[int, int], seed: int) -> None:
    plan = make_plan(seed, CorpusSize(*size))
    alone = [question for question in plan.questions if not question.after]
    assert sum(not question.is_answerable for question in alone) * 3 == len(alone)
    assert len(alone) == 3 * size[0] * size[1]


@given(st.randoms(use_true_random=False), st.lists(st.booleans(), max_size=12))
def test_absent_name_is_never_dealt(random: Random, is_absent: list[bool]) -> None:
    names = [f"{first} {last}" for first in "abc" for last in "xyzw"]
    deck = NameDeck(names, random)
    drawn = [deck.draw_absent("a x") if one else deck.deal("family") for one in is_absent]
    assert len(set(drawn)) == len(drawn)
    pictures = PictureDeck(random)
    resembling = pictures.deal("")
    seen = [
        pictures.draw_absent(resembling) if one else pictures.deal("red") for one in is_absent * 8
    ]
    assert len({resembling, *seen}) == 1 + len(seen)


def test_absent_name_resembles_the_one_that_it_stands_for() -> None:
    deck = NameDeck(["ann x", "ann y", "bob x"], Random(1))
    assert sorted(deck.draw_absent("ann z") for _ in range(3)) == ["ann x", "ann y", "bob x"]
    assert NameDeck(["ann x", "bob x"], Random(1)).draw_absent("ann z") == "ann x"


def test_plan_depends_on_the_seed_alone() -> None:
    """Another process hashes texts otherwise: no order of a set may show in a plan."""
    code = (
        "from cinemill.capabilities.search.evaluation.plan.corpus_plan import make_plan;"
        "from cinemill.capabilities.search.evaluation.making.make_corpus import digest_plan;"
        "print(digest_plan(make_plan(5)))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {digest_plan(make_plan(5))}
    assert digest_plan(make_plan(6)) not in digests


@pytest.mark.parametrize("size", [(1, 8), (MOST_VIDEOS + 1, 8), (60, 1), (60, MOST_SCENES + 1)])
def test_impossible_size_is_rejected(size: tuple[int, int]) -> None:
    with pytest.raises(CorpusSizeInvalid) as rejected:
        CorpusSize(*size)
    assert rejected.value.code == "corpus_size_invalid"
