"""The order in which names of a list are given to a speech model."""

from __future__ import annotations

from cinemill.capabilities.captions.likely_names import order_names
from cinemill.core.knowledge.gazetteer import Gazetteer, KnownName
from cinemill.core.knowledge.graph import EntityKind

ANN, BEN, CAT, DAN = (
    KnownName(name, EntityKind.PERSON) for name in ("Ann Lee", "Ben Ray", "Cat Orr", "Dan Fox")
)
LIST = Gazetteer([ANN, BEN, CAT, DAN])


def test_names_keep_the_order_of_the_list() -> None:
    assert order_names(LIST, ["clip_0001.mp4", ""], {}) == (
        *("Ann Lee", "Ben Ray", "Cat Orr", "Dan Fox"),
    )


def test_names_of_the_title_come_first_then_those_shown_then_frequent_ones() -> None:
    texts = ["interview_with_Dan_Fox-final.mp4", "CAT ORR\nreporter"]
    assert order_names(LIST, texts, {BEN: 3, DAN: 1}) == (
        *("Dan Fox", "Cat Orr", "Ben Ray", "Ann Lee"),
    )


def test_titles_are_written_in_any_case() -> None:
    assert order_names(LIST, ["ben-ray.mp4"], {})[0] == "Ben Ray"


def test_name_that_is_listed_twice_counts_once() -> None:
    twice = Gazetteer([ANN, KnownName("ann lee", EntityKind.PLACE), BEN])
    assert order_names(twice, [], {}) == ("Ann Lee", "Ben Ray")
