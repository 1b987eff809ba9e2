"""Names that are likely to be said in a video: those of the installation's list, in order.

Only names that a person wrote down are given to a speech model. What a model has heard before never
is: a misheard name would be heard again in every later video. The title, text in the picture and
the library only say which names of a long list come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cinemill.core.findings.finding import FindingKind
from cinemill.core.knowledge.gazetteer import Gazetteer, KnownName
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.ingestion.name_list import read_name_list
from cinemill.steps.resources import StepResources
from cinemill.storage.knowledge.mentions import count_mentions
from cinemill.storage.media.assets import AssetRecord


@dataclass(frozen=True, slots=True)
class LikelyNames:
    """Names, the likeliest first, and what identifies their list."""

    names: tuple[str, ...]
    digest: str
    """Of the list. The order is no part of it: each ingestion would change it."""


def find_likely_names(resources: StepResources, asset: AssetRecord) -> LikelyNames | None:
    """Return the names of the list for a video; None where there is no list, or it is empty.

    Raises InputRejected (``names_unreadable``, ``name_invalid``), TooLarge (``names_too_large``,
    ``too_many_names``).
    """
    if resources.names_file is None:
        return None
    listed = read_name_list(resources.names_file)
    known = listed.gazetteer.names
    if not known:
        return None
    shown = [one.label for one in list_active(resources.database, asset.id, FindingKind.TEXT)]
    with resources.database.begin() as connection:
        mentioned = count_mentions(connection, asset.owner, known)
    ordered = order_names(listed.gazetteer, [asset.filename, "\n".join(shown)], mentioned)
    return LikelyNames(ordered, listed.spoken_digest)


def order_names(
    gazetteer: Gazetteer, texts: Sequence[str], mentioned: Mapping[KnownName, int]
) -> tuple[str, ...]:
    """Return the names of a list, the likeliest first.

    First come those that the first of ``texts`` has, then those of the second, and so on; among
    equals those that are mentioned most in the library, then those that the list has first.
    """
    places: dict[KnownName, int] = {}
    for place, text in enumerate(texts):
        for known, _span in gazetteer.find(text):
            places.setdefault(known, place)
    ordered = sorted(
        gazetteer.names, key=lambda one: (places.get(one, len(texts)), -mentioned.get(one, 0))
    )
    return tuple(one.name for one in ordered)
