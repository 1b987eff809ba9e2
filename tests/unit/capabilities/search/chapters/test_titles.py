"""Titles are what one chapter says and others do not."""

from __future__ import annotations

from collections.abc import Sequence

from tests.subjects import MONEY, ROSES

from cinemill.capabilities.search.chapters.terms import list_terms
from cinemill.capabilities.search.chapters.titles import ChapterWords, choose_titles
from cinemill.storage.knowledge.passage_facts import PassageName


def make_chapter(texts: Sequence[str], *names: tuple[str, str]) -> ChapterWords:
    terms = [term for text in texts for term in list_terms(text)]
    return ChapterWords(terms, [PassageName(*name) for name in names])


def test_titles_are_the_words_of_their_chapter() -> None:
    roses, money = choose_titles([make_chapter(ROSES), make_chapter(MONEY)])
    assert set(roses[:2]) == {"garden", "roses"}
    assert money[0] == "bank"
    assert len(roses) == len(money) == 3


def test_what_all_chapters_say_is_in_no_title() -> None:
    titles = choose_titles([make_chapter(["The weather today"]), make_chapter(["Weather, again"])])
    assert titles == [("today",), ()]


def test_names_go_before_words_and_are_spelt_as_in_the_chapter() -> None:
    titles = choose_titles(
        [
            make_chapter(["Alice Walker sings"], ("a", "Alice Walker"), ("a", "Alice Walker")),
            make_chapter(["Others dance"], ("b", "Oslo"), ("b", "oslo"), ("b", "Oslo")),
        ]
    )
    assert titles == [("Alice Walker", "sings"), ("Oslo", "Others", "dance")]


def test_words_of_a_chosen_name_are_not_repeated() -> None:
    (title, _) = choose_titles(
        [
            make_chapter(["Walker, Walker and Walker walks on"], ("a", "Alice Walker")),
            make_chapter(["Something else"]),
        ]
    )
    assert sum("Walker" in part for part in title) == 1


def test_capital_of_a_first_word_is_not_taken_over() -> None:
    (title, _) = choose_titles([make_chapter(["Roses flower. Red roses."]), make_chapter(["Else"])])
    assert title[0] == "roses"
