"""Key moments name or state much that is new, and lie apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cinemill.capabilities.search.chapters.key_moments import (
    MOST_KEY_MOMENTS,
    KeyMoment,
    choose_key_moments,
)
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.storage.knowledge.passage_facts import PassageName
from cinemill.storage.retrieval.passages import StoredPassage


def choose(
    names: Sequence[Sequence[str]], statements: Mapping[int, int] | None = None
) -> list[KeyMoment]:
    """Choose among passages of ten seconds that name these entities."""
    passages = [
        StoredPassage(
            f"p{at}",
            "film",
            "ann",
            Passage(at, PassageTrack.SPEECH, at * 10_000, at * 10_000 + 9_000, f"text {at}"),
        )
        for at in range(len(names))
    ]
    named = {
        f"p{at}": [PassageName(name.casefold(), name) for name in listed]
        for at, listed in enumerate(names)
    }
    stated = {f"p{at}": count for at, count in (statements or {}).items()}
    return choose_key_moments(passages, named, stated)


def test_names_count_where_they_are_new() -> None:
    (first,) = choose([["Alice", "Oslo", "alice"], [], [], ["Alice", "Oslo"], ["Alice"]])
    assert first.names == ("Alice", "Oslo")
    assert (first.passage_id, first.start_ms, first.end_ms) == ("p0", 0, 9_000)
    assert first.text == "text 0"


def test_statements_count_each() -> None:
    (only,) = choose([["Alice"], [], [], [], []], {0: 1, 4: 1})
    assert (only.passage_id, only.statement_count, only.points) == ("p0", 1, 2)


def test_moments_lie_apart_and_are_in_order() -> None:
    names: list[list[str]] = [[] for _ in range(10)]
    names[0], names[2], names[9] = ["A", "B"], ["C", "D", "E"], ["F", "G"]
    assert [one.passage_id for one in choose(names)] == ["p2", "p9"]


def test_long_video_has_at_most_twenty_and_a_short_one_three() -> None:
    names = [[f"A{at}", f"B{at}"] for at in range(500)]
    assert len(choose(names)) == MOST_KEY_MOMENTS
    assert len(choose(names[:15])) == 3


def test_nothing_named_and_nothing_stated_is_no_moment() -> None:
    assert choose([["Alice"], ["Oslo"]]) == []
    assert choose([]) == []
