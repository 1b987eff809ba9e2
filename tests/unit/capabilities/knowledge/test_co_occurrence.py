"""Entities that meet in passages, and how much that means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.knowledge.co_occurrence import (
    MOST_ENTITIES_IN_PASSAGE,
    compute_npmi,
    count_co_occurrences,
    find_co_occurrences,
    weigh_co_occurrences,
)
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.graph import EntityKind, Mention, Modality, RelationKind

passages = st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), max_size=40)


def mention(name: str, kind: EntityKind = EntityKind.PERSON) -> Mention:
    return Mention(name, kind, Modality.SPEECH, 0, 1)


def test_npmi_is_one_for_entities_that_only_meet_each_other() -> None:
    assert compute_npmi(5, 5, 5, 100) == pytest.approx(1)
    assert compute_npmi(7, 7, 7, 7) == 1


def test_npmi_is_zero_for_entities_that_meet_by_chance() -> None:
    assert compute_npmi(10, 20, 50, 100) == pytest.approx(0)


def test_npmi_is_minus_one_for_entities_that_never_meet() -> None:
    assert compute_npmi(0, 20, 50, 100) == -1
    assert compute_npmi(0, 0, 0, 0) == -1


@pytest.mark.parametrize("counts", [(6, 5, 9, 10), (-1, 5, 5, 10), (1, 5, 11, 10), (0, 6, 6, 10)])
def test_impossible_counts_are_rejected(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError):
        compute_npmi(*counts)


@given(passages)
def test_weights_are_within_bounds_and_symmetric(mentioned: list[list[str]]) -> None:
    counts = count_co_occurrences(mentioned)
    for (first, second), together in counts.pairs.items():
        ends = counts.entities[first], counts.entities[second]
        weight = compute_npmi(together, *ends, counts.passages)
        assert -1 <= weight <= 1
        assert weight == compute_npmi(together, ends[1], ends[0], counts.passages)
        assert first < second


@given(passages)
def test_counts_without_deleted_passages_are_what_the_others_say(
    mentioned: list[list[str]],
) -> None:
    kept, deleted = count_co_occurrences(mentioned[::2]), count_co_occurrences(mentioned[1::2])
    both = count_co_occurrences(mentioned)
    assert both.passages - deleted.passages == kept.passages
    assert {
        p: n for p in both.pairs if (n := both.pairs[p] - deleted.pairs.get(p, 0))
    } == kept.pairs


def test_pair_that_met_once_has_no_edge() -> None:
    counts = count_co_occurrences([["Anna", "Ben"], ["Anna", "Ben"], ["Anna", "Cy"], ["Dora"]])
    assert [(edge.first, edge.second) for edge in weigh_co_occurrences(counts)] == [("Anna", "Ben")]


def test_evidence_names_each_pair_once_without_dates() -> None:
    mentions = [mention("Ben"), mention("Anna"), mention("Ben"), mention("1863", EntityKind.DATE)]
    found = find_co_occurrences(SourceText("", 5, 9), mentions)
    assert [(one.subject, one.object) for one in found] == [("Anna", "Ben")]
    assert found[0].kind is RelationKind.CO_OCCURRENCE
    assert (found[0].start_ms, found[0].end_ms) == (5, 9)


def test_passage_with_many_entities_is_bounded() -> None:
    most = MOST_ENTITIES_IN_PASSAGE
    names = [f"Name {n:03}" for n in range(200)]
    assert len(count_co_occurrences([names]).pairs) == most * (most - 1) // 2
    found = find_co_occurrences(SourceText("", 0, 1), [mention(name) for name in names])
    assert len(found) == most * (most - 1) // 2
