"""Parameters of merging entities."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from cinemill.core.files.asset_ids import read_asset_id
from cinemill.core.parameters import Expected, Listed, Parameters, none_as, reject

MOST_MERGES = 1000
LONGEST_NAME = 255
BY_TASK = "merge_knowledge_graphs"

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


def _read_asset(value: object) -> object:
    if isinstance(value, str) and "/" in value:
        raise reject(
            "merge_knowledge_graphs takes ids of assets, not paths.",
            hint="Import a video first, such as with process_video, and pass its asset_id.",
        )
    return read_asset_id(value) or value


class MergePair(Parameters):
    """Two entities that are one."""

    source: Name
    """Id of the entity that is merged."""
    target: Name
    """Id of the entity that it becomes a part of."""


class MergeParameters(Parameters):
    """What to merge and what to separate. Without both, only suggestions are made."""

    assets: Annotated[
        Listed[Annotated[Name, BeforeValidator(_read_asset)]],
        Field(max_length=MOST_MERGES),
        none_as(()),
        Expected(f"a list of at most {MOST_MERGES} ids of assets"),
    ] = ()
    """Ids of stored videos: only pairs of which one is found in them are suggested. Default: all
    videos. What is named in 'merge' and 'undo' may be of any video."""
    merge: Annotated[Listed[MergePair], Field(max_length=MOST_MERGES)] = ()
    """Pairs of entities that are one. Nothing is merged that is not named here."""
    undo: Annotated[Listed[Annotated[int, Field(ge=1)]], Field(max_length=MOST_MERGES)] = ()
    """Ids of merges to take back."""
    decided_by: Name = BY_TASK
    """Who decided so, for the log."""
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Of suggestions, 0 to 1."""
    limit: Annotated[int, Field(ge=1, le=MOST_MERGES)] = 100
    """Most suggestions to return, and most of the merges that are in effect."""
