"""Dealing of names so that a fact stays unique: no name is in one family twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from cinemill.capabilities.search.evaluation.plan.records import Picture
from cinemill.capabilities.search.evaluation.plan.words import (
    COLORS,
    MOST_SHAPES,
    SHAPES,
    list_notices,
    list_organizations,
    list_people,
    list_quotes,
    list_signs,
    list_venues,
)

_WAITING_NAMES = 12
"""As many names at least wait to be dealt again, so that a name's two scenes are apart."""


class NameDeck:
    """Names of one kind. People and companies are dealt twice, to different families."""

    def __init__(self, names: list[str], random: Random, *, is_dealt_twice: bool = False) -> None:
        """Shuffle ``names``."""
        self._random = random
        self._fresh = random.sample(names, len(names))
        self._is_dealt_twice = is_dealt_twice
        self._families: dict[str, str] = {}
        """The family of each name that may be dealt again."""

    def start_split(self) -> None:
        """Let no name be dealt again that was dealt so far: splits share none."""
        self._families.clear()

    def deal(self, family: str) -> str:
        """Return a name that this family does not have. Raises IndexError if none is left."""
        again = [name for name, other in self._families.items() if other != family]
        if len(again) > _WAITING_NAMES:
            name = self._random.choice(again)
            del self._families[name]
            return name
        name = self._fresh.pop()
        if self._is_dealt_twice:
            self._families[name] = family
        return name

    def draw_absent(self, resembling: str) -> str:
        """Return a name that is never dealt, with the same first word if one is left.

        Raises IndexError if no name is left.
        """
        first = resembling.split()[0]
        alike = [name for name in self._fresh if name.split()[0] == first]
        name = self._random.choice(alike or self._fresh)
        self._fresh.remove(name)
        return name


class PictureDeck:
    """Shapes on backgrounds, each at most once."""

    def __init__(self, random: Random) -> None:
        """Shuffle all combinations of color, shape and count."""
        every = [
            Picture(color, shape, count)
            for color in COLORS
            for shape in SHAPES
            for count in range(1, MOST_SHAPES + 1)
        ]
        self._fresh = random.sample(every, len(every))

    def deal(self, avoid_color: str) -> Picture:
        """Return a picture of another color. Raises IndexError if none is left."""
        found = [picture for picture in self._fresh if picture.color != avoid_color][-1]
        self._fresh.remove(found)
        return found

    def draw_absent(self, resembling: Picture) -> Picture:
        """Return a picture that is never shown, with the same shape if one is left.

        Raises IndexError if no picture is left.
        """
        alike = [picture for picture in self._fresh if picture.shape == resembling.shape]
        found = (alike or self._fresh)[-1]
        self._fresh.remove(found)
        return found


@dataclass(slots=True)
class Decks:
    """All decks of a corpus."""

    random: Random
    names: dict[str, NameDeck] = field(init=False)
    """By slot."""
    pictures: PictureDeck = field(init=False)

    def __post_init__(self) -> None:
        self.names = {
            "person": NameDeck(list_people(), self.random, is_dealt_twice=True),
            "org": NameDeck(list_organizations(), self.random, is_dealt_twice=True),
            "thing": NameDeck(list_venues(), self.random),
            "quote": NameDeck(list_quotes(), self.random),
            "sign": NameDeck(list_signs(), self.random),
            "notice": NameDeck(list_notices(), self.random),
        }
        self.pictures = PictureDeck(self.random)

    def start_split(self) -> None:
        """Separate the names of the next split from those of the splits before."""
        for deck in self.names.values():
            deck.start_split()
