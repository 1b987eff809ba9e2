"""Suggestions of entities that may be one."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.knowledge.merging import similarity, suggestions
from cinemill.capabilities.knowledge.merging.similarity import (
    compare_names,
    compare_trigrams,
    may_be_same,
)
from cinemill.capabilities.knowledge.merging.suggestions import (
    EntityProfile,
    compare_entities,
    suggest_merges,
)
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.text.sounds import LONGEST_KEY, sound_key
from cinemill.errors import TooLarge, ToolMissing

names = st.text(st.characters(codec="utf-8"), max_size=30)


def person(entity_id: str, name: str, *neighbors: str) -> EntityProfile:
    return EntityProfile(entity_id, name, EntityKind.PERSON, frozenset(neighbors))


def pairs(*entities: EntityProfile) -> list[tuple[str, str]]:
    return [(one.first_id, one.second_id) for one in suggest_merges(entities)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Stephen", "Steven"),
        ("Catherine", "Katherine"),
        ("Knight", "Night"),
        ("Philip", "Filip"),
        ("Wright", "Right"),
        ("Smith", "Smyth"),
        ("Marc", "Mark"),
    ],
)
def test_names_that_sound_alike_have_one_key(one: str, other: str) -> None:
    assert sound_key(one) == sound_key(other) != ""


def test_names_that_sound_different_have_different_keys() -> None:
    words = ["Bennet", "Darcy", "Bingley", "Collins", "Lucas", "Wickham"]
    assert len({sound_key(word) for word in words}) == len(words)


@given(names)
def test_key_has_a_bounded_length_whatever_the_word(word: str) -> None:
    key = sound_key(word)
    assert len(key) <= LONGEST_KEY
    assert key.isascii()
    assert key == sound_key(word.upper()) or not word.isascii()


@given(names, names)
def test_similarity_is_symmetric_and_within_bounds(one: str, other: str) -> None:
    there, back = compare_names(one, other), compare_names(other, one)
    assert there.score == back.score
    assert 0 <= there.score <= 1
    assert 0 <= there.sound <= 1
    assert compare_trigrams(one, other) == compare_trigrams(other, one)


def test_misheard_name_with_the_same_neighbors_is_suggested_first() -> None:
    found = suggest_merges(
        [
            person("1", "Katherine Bowen", "film", "london"),
            person("2", "Catherine Bohen", "film", "london"),
            person("3", "Katherine Bowen-Smith"),
            person("4", "Isambard Brunel", "film", "london"),
        ]
    )
    assert (found[0].first_id, found[0].second_id) == ("1", "2")
    assert found[0].shared_neighbors == ("film", "london")
    assert all("4" not in (one.first_id, one.second_id) for one in found)


def test_surname_and_whole_name_with_a_shared_neighbor_are_suggested() -> None:
    assert pairs(person("1", "Lincoln", "union"), person("2", "Abraham Lincoln", "union")) == [
        ("1", "2")
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("World War I", "World War II"),
        ("Apollo 11", "Apollo 12"),
        ("Mr. Bennet", "Mrs. Bennet"),
        ("Jane Bennet", "Elizabeth Bennet"),
    ],
)
def test_names_that_say_two_are_meant_are_not_suggested(one: str, other: str) -> None:
    assert not may_be_same(one, other)
    assert pairs(person("1", one, "a", "b"), person("2", other, "a", "b")) == []


def test_entities_of_different_kinds_are_not_suggested() -> None:
    place = EntityProfile("2", "Lincoln", EntityKind.PLACE)
    assert pairs(person("1", "Lincoln"), place) == []


def test_dates_are_not_suggested() -> None:
    dates = [EntityProfile(str(n), "Monday", EntityKind.DATE) for n in range(2)]
    assert suggest_merges(dates) == []


def test_order_of_entities_does_not_matter() -> None:
    one, other = person("b", "Steven Low", "x"), person("a", "Stephen Low", "x")
    assert compare_entities(one, other) == compare_entities(other, one)
    assert suggest_merges([one, other]) == suggest_merges([other, one])


def test_many_entities_with_one_name_are_bounded() -> None:
    crowd = [person(f"{n:05}", "John Smith") for n in range(3_000)]
    assert len(suggest_merges(crowd)) == suggestions.MOST_SUGGESTIONS


def test_too_many_entities_are_rejected() -> None:
    with pytest.raises(TooLarge) as many:
        suggest_merges([person("1", "Anna")] * (suggestions.MOST_ENTITIES + 1))
    assert many.value.code == "too_many_entities"


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    similarity._load_ratio.cache_clear()
    try:
        with pytest.raises(ToolMissing) as missing:
            compare_names("Anna", "Anne")
    finally:
        similarity._load_ratio.cache_clear()
    assert missing.value.code == "extra_missing"
    assert "pip install 'cinemill[intelligence]'" in missing.value.hint
