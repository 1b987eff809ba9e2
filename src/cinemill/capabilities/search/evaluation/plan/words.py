"""Words that the corpus is made of: common ones, which speech models know.

Names are put together from two lists, so that many share one half: a search that finds half of a
name has not found the name.
"""

from __future__ import annotations

from itertools import product

_FIRST_NAMES = (
    *("Alice", "Bruno", "Clara", "David", "Elena", "Frank", "Grace", "Henry", "Irene", "James"),
    *("Karen", "Louis", "Maria", "Oliver", "Sophie", "Thomas", "Victor", "Laura", "Peter", "Julia"),
    *("Martin", "Helen"),
)
_LAST_NAMES = (
    *("Walker", "Bennett", "Carter", "Foster", "Graham", "Hughes", "Keller", "Mitchell", "Parker"),
    *("Rossi", "Stevens", "Turner", "Anderson", "Collins", "Dawson", "Ellis", "Fisher", "Harper"),
    *("Jenkins", "Lawson", "Morgan", "Porter"),
)
_ORGANIZATION_NAMES = (
    *("Harbor", "Lakeside", "Evergreen", "Redwood", "Sunrise", "Summit", "Pioneer", "Atlas"),
    *("Beacon", "Granite", "Horizon", "Falcon", "Liberty", "Northwind", "Bluestone", "Maple"),
)
_ORGANIZATION_KINDS = (
    *("Energy", "Bank", "Insurance", "Airlines", "Motors", "Foods", "Studios", "Medical"),
    *("Hotels", "Publishing", "Media", "Logistics", "Chemicals", "Robotics", "Partners"),
)
_VENUE_ADJECTIVES = (
    *("solar", "wooden", "marble", "copper", "northern", "southern", "winter", "river", "harbor"),
    *("desert", "mountain", "island", "silver", "golden", "glass", "stone", "old", "royal"),
    *("central", "underground", "floating", "electric", "public", "forest"),
)
_VENUES = (
    *("ferry", "bridge", "library", "museum", "railway", "theater", "hospital", "stadium"),
    *("market", "garden", "tower", "tunnel", "school", "archive", "palace", "airport", "factory"),
    *("bakery", "dairy", "brewery", "lighthouse", "gallery", "cinema", "orchard", "shelter"),
    *("laboratory", "refinery", "mill"),
)
_QUOTE_ADJECTIVES = (
    *("sleeping", "stubborn", "gentle", "broken", "forgotten", "patient", "hungry", "restless"),
    *("shining", "frozen"),
)
_QUOTE_NOUNS = (
    *("giant", "mirror", "promise", "machine", "secret", "lantern", "miracle", "whale", "clock"),
    "puzzle",
)
PLACES = (
    *("Lisbon", "Oslo", "Prague", "Nairobi", "Geneva", "Boston", "Kyoto", "Vienna", "Dublin"),
    *("Chicago", "Madrid", "Athens", "Toronto", "Warsaw", "Berlin", "Sydney", "Havana", "Cairo"),
    *("Denver", "Glasgow", "Hamburg", "Seattle", "Naples", "Bristol", "Montreal", "Budapest"),
    *("Helsinki", "Santiago", "Melbourne", "Rotterdam"),
)
COLORS = {
    "red": "B02020",
    "green": "2E7D32",
    "blue": "2848B0",
    "yellow": "C8A818",
    "purple": "7B2D8E",
    "gray": "707070",
}
"""Of backgrounds: hexadecimal red, green and blue, dark enough for white signs."""
SHAPES = ("star", "circle", "square", "triangle", "diamond", "arrow")
MOST_SHAPES = 5
NEUTRAL_SENTENCES = (
    "Good evening and welcome back.",
    "Here is the next report.",
    "We continue after a short break.",
    "Thank you for staying with us.",
    "This is what our team found out.",
    "Now we come to something different.",
    "More about this in a few minutes.",
    "Please stay with us.",
    "And that was all for now.",
    "Let us have a closer look.",
)
"""Said in many scenes: they state nothing."""

FREE_SLOTS: dict[str, tuple[str, ...]] = {
    "place": PLACES,
    "day": (
        *("third", "fourth", "sixth", "seventh", "ninth", "tenth", "twelfth", "fourteenth"),
        *("sixteenth", "nineteenth", "twentieth"),
    ),
    "month": ("January", "March", "April", "June", "July", "August", "October", "November"),
    "hour": ("six", "seven", "eight", "nine", "ten", "eleven"),
    "event": ("floods", "fire", "strike", "wedding", "earthquake", "election"),
    "job": ("an engineer", "a lawyer", "a nurse", "a pilot", "a gardener", "a translator"),
    "reason": (
        *("a broken pipe", "a lack of money", "a missing permit", "heavy snow", "a gas leak"),
        *("rising rents", "a rat plague", "a cracked roof"),
    ),
    "object": (
        *("a violin", "a typewriter", "a sewing machine", "a motorcycle", "a telescope"),
        *("an accordion", "a camera", "a fishing boat"),
    ),
    "item": ("keys", "maps", "paintings", "letters", "tools", "medals", "coins", "drawings"),
    "spot": (
        *("a wine cellar", "a garden shed", "an iron safe", "a rented garage", "an empty pool"),
        *("a church tower", "a hollow tree", "a railway wagon"),
    ),
    "cause": ("salt", "lightning", "vibrations", "moisture", "insects", "tree roots", "frost"),
    "cargo": ("windows", "turbines", "chairs", "elevators", "lamps", "carpets", "bells"),
    "number": tuple(map(str, range(12, 96))),
    "price": tuple(map(str, range(11, 80))),
    "visitors": tuple(map(str, range(120, 1000, 10))),
    "year": tuple(str(year) for year in range(1911, 1990) if year % 100 > 10),
}
"""Values that may occur in many scenes."""


def list_people() -> list[str]:
    """Return full names."""
    return [" ".join(pair) for pair in product(_FIRST_NAMES, _LAST_NAMES)]


def list_organizations() -> list[str]:
    """Return names of companies."""
    return [" ".join(pair) for pair in product(_ORGANIZATION_NAMES, _ORGANIZATION_KINDS)]


def list_venues() -> list[str]:
    """Return things that are opened, closed, bought and visited, without an article."""
    return [" ".join(pair) for pair in product(_VENUE_ADJECTIVES, _VENUES)]


def list_quotes() -> list[str]:
    """Return words that people are quoted with, without an article."""
    return [" ".join(pair) for pair in product(_QUOTE_ADJECTIVES, _QUOTE_NOUNS)]


def list_signs() -> list[str]:
    """Return texts of signs: a place and a number."""
    return [f"{place.upper()} {number}" for place in PLACES for number in range(100, 1000, 7)]


def list_notices() -> list[str]:
    """Return texts of a railway station's notices."""
    return [f"PLATFORM {number} {place.upper()}" for place in PLACES for number in range(2, 40)]
