"""Drawing of scenes: which family is stated where, with which names, colors and signs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from cinemill.capabilities.search.evaluation.plan.decks import Decks
from cinemill.capabilities.search.evaluation.plan.records import (
    COUNT_WORDS,
    Family,
    Picture,
    Scene,
)
from cinemill.capabilities.search.evaluation.plan.templates import base_of, fill, list_slots
from cinemill.capabilities.search.evaluation.plan.words import (
    COLORS,
    FREE_SLOTS,
    NEUTRAL_SENTENCES,
)

VOICES = 12
"""Speakers that scenes are dealt to; a synthesizer with fewer gives one voice to several."""
_INTRODUCED_SHARE, _CONCLUDED_SHARE = 0.5, 0.25


def deal_families(
    families: Sequence[Family], videos: int, scenes: int, random: Random
) -> list[list[Family]]:
    """Return the families of each video's scenes: all equally often, none twice in a row."""
    dealt: list[Family] = []
    while len(dealt) < videos * scenes:
        one_of_each = random.sample(families, len(families))
        if dealt and one_of_each[0] is dealt[-1]:
            one_of_each.append(one_of_each.pop(0))
        dealt += one_of_each
    return [dealt[number * scenes : (number + 1) * scenes] for number in range(videos)]


def draw_scenes(families: Sequence[Family], decks: Decks) -> tuple[Scene, ...]:
    """Return a video's scenes; neighbors have backgrounds of different colors.

    Raises IndexError if a deck has no name left.
    """
    scenes: list[Scene] = []
    for number, family in enumerate(families):
        color = scenes[-1].picture.color if scenes else ""
        scenes.append(_draw_scene(number, family, color, decks))
    return tuple(scenes)


def _draw_scene(number: int, family: Family, color_before: str, decks: Decks) -> Scene:
    random = decks.random
    values = _draw_values(family, decks)
    sign = values["notice"] if "notice" in values else decks.names["sign"].deal(family.name)
    values["sign"] = sign
    if "picture" in family.slots:
        picture = decks.pictures.deal(color_before)
        values |= describe_picture(picture)
    else:
        picture = Picture(random.choice([color for color in COLORS if color != color_before]))
    sentences, evidence = _write_sentences(family, values, random)
    voice = random.randrange(VOICES)
    return Scene(number, family.name, picture, sign, sentences, evidence, voice, values)


def _draw_values(family: Family, decks: Decks) -> dict[str, str]:
    values: dict[str, str] = {}
    for slot in list_slots(*family.statements, *(f"{{{name}}}" for name in family.slots)):
        base = base_of(slot)
        if base in decks.names:
            values[slot] = decks.names[base].deal(family.name)
        elif base in FREE_SLOTS:
            used = set(values.values())
            free = [value for value in FREE_SLOTS[base] if value not in used]
            values[slot] = decks.random.choice(free)
    return values


def describe_picture(picture: Picture) -> dict[str, str]:
    """Return the values of the slots that a picture fills."""
    return {
        "picture": picture.describe(),
        "count": COUNT_WORDS[picture.count],
        "shape": picture.shape,
        "color": picture.color,
    }


def _write_sentences(
    family: Family, values: dict[str, str], random: Random
) -> tuple[tuple[str, ...], int | None]:
    """Return what is said, and which sentence states the fact."""
    first, last = random.sample(NEUTRAL_SENTENCES, 2)
    if not family.statements:
        return (first, last), None
    statement = fill(random.choice(family.statements), values)
    before = [first] if random.random() < _INTRODUCED_SHARE else []
    after = [last] if random.random() < _CONCLUDED_SHARE else []
    return (*before, statement, *after), len(before)
