"""Names of classes from the files that hold them."""

from __future__ import annotations

import pytest

from cinemill.errors import ToolMissing
from cinemill.inference.tags.names import CLASS_COUNT, parse_class_names

SYNSETS = [f"n{number:08}" for number in range(CLASS_COUNT)]


def write_words(**others: str) -> str:
    lines = [f"{synset}\t{others.get(synset, f'thing {synset}, other')}" for synset in SYNSETS]
    return "\n".join([*lines, "n99999999\tunused"])


def test_class_is_called_by_its_first_word() -> None:
    names = parse_class_names("\n".join(SYNSETS), write_words(n00000007="suit, suit of clothes"))
    assert len(names) == CLASS_COUNT
    assert names[7] == "suit"
    assert names[8] == "thing n00000008"


def test_classes_with_one_name_differ_by_a_second_word() -> None:
    words = write_words(n00000001="maillot", n00000002="maillot, tank suit")
    names = parse_class_names("\n".join(SYNSETS), words)
    assert names[1:3] == ("maillot", "maillot (tank suit)")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ("\n".join(SYNSETS[:-1]), write_words()),
        ("\n".join(SYNSETS), write_words(n00000005="")),
        ("\n".join(SYNSETS), "n00000001\tfish"),
        ("", ""),
    ],
)
def test_files_that_do_not_fit_are_refused(classes: str, words: str) -> None:
    with pytest.raises(ToolMissing) as refused:
        parse_class_names(classes, words)
    assert refused.value.code == "model_unusable"
