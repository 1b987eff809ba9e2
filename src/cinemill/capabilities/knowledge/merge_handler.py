"""Entities that may be one: suggested, merged when a person says so, and separated again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from functools import partial

from cinemill.capabilities.knowledge.merge_parameters import MergeParameters
from cinemill.capabilities.knowledge.merging.suggestions import (
    MOST_ENTITIES,
    EntityProfile,
    TooManyEntities,
    suggest_merges,
)
from cinemill.core.documents import JsonObject
from cinemill.core.job import ClaimedRun
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.job_changes import record_quotations
from cinemill.storage.knowledge.entities import has_more_entities, list_profiles
from cinemill.storage.knowledge.labels import (
    find_mentioned,
    find_mentioning_assets,
    find_naming_assets,
    label_entities,
)
from cinemill.storage.knowledge.merges import (
    NamedMerge,
    list_merges,
    lock_mentioning_assets,
    merge_entities,
    undo_merge,
)


def merge_graphs(resources: StepResources, context: StepContext) -> StepOutcome:
    """Merge and separate the entities that are named, and suggest what else may be one.

    Result: ``merges`` (with the ``id`` that takes each back), ``undone``, ``in_effect`` (the latest
    merges that are not undone, with names) and ``suggestions`` as they were before; where entities
    are named, an owner with more than can be compared has none.

    Raises NotFound (``entity_not_found``, ``merge_not_found``), Conflict (``entities_are_one``,
    ``merge_undone``), ToolMissing (``extra_missing``), TooLarge (``too_many_entities``).
    """
    params, owner = context.parameters(MergeParameters), context.run.owner
    suggestions = _suggest(resources.database, owner, params)
    with resources.database.begin() as connection:
        quoted = find_naming_assets(connection, owner, _list_names(suggestions))
        # Afterwards: a video that was gone by then is not among them, and its names must go too.
        suggestions = _keep_current(connection, owner, suggestions)
    # With the job's end or not at all: a second attempt must not find the merges of a first.
    write = partial(_write, run=context.run, params=params, suggested_of=quoted)
    return StepOutcome({"suggestions": suggestions}, write)


def _write(
    connection: Connection,
    *,
    run: ClaimedRun,
    params: MergeParameters,
    suggested_of: Collection[str],
) -> JsonObject:
    """Apply what is named, record the videos that the result quotes, and return what is in effect.

    Raises what ``merge_graphs`` raises, and NotFound (``asset_not_found``) where a video whose
    names are suggested was deleted meanwhile.
    """
    record_quotations(connection, run.job_id, suggested_of)
    before = list_merges(connection, run.owner, limit=params.limit + len(params.undo))
    chosen = {identity for pair in params.merge for identity in (pair.source, pair.target)}
    lock_mentioning_assets(connection, run.owner, chosen | _list_merged(before))
    result = _apply(connection, run.owner, params)
    in_effect = list_merges(connection, run.owner, limit=params.limit)
    named_by = find_mentioning_assets(connection, run.owner, _list_merged(in_effect))
    record_quotations(connection, run.job_id, named_by)
    return {**result, "in_effect": [_describe_merge(one) for one in in_effect]}


def _suggest(database: Database, owner: str, params: MergeParameters) -> list[JsonObject]:
    with database.begin() as connection:
        # First of all: to read the profiles of more takes long, and for nothing.
        if has_more_entities(connection, owner, MOST_ENTITIES):
            if params.merge or params.undo:
                return []
            raise TooManyEntities
        found = list_profiles(connection, owner, limit=MOST_ENTITIES)
        named = find_mentioned(connection, owner, params.assets) if params.assets else None
    profiles = {
        one.id: EntityProfile(one.id, one.name, one.kind, frozenset(one.neighbors)) for one in found
    }
    suggested = suggest_merges([*profiles.values()], least_score=params.least_score)
    if named is not None:
        suggested = [one for one in suggested if named & {one.first_id, one.second_id}]
    return [
        {
            **asdict(one),
            "first_name": profiles[one.first_id].name,
            "second_name": profiles[one.second_id].name,
            "kind": profiles[one.first_id].kind.value,
        }
        for one in suggested[: params.limit]
    ]


def _keep_current(
    connection: Connection, owner: str, suggestions: Sequence[JsonObject]
) -> list[JsonObject]:
    """Return the suggestions whose entities are still called so: to compare them may take long."""
    labels = label_entities(connection, owner, _list_names(suggestions))
    current = {identity: label.name for identity, label in labels.items()}
    return [one for one in suggestions if _list_names([one]).items() <= current.items()]


def _list_names(suggestions: Sequence[JsonObject]) -> dict[str, str]:
    """Return the names that suggestions show, by the entities' ids."""
    return {
        str(one[f"{which}_id"]): str(one[f"{which}_name"])
        for one in suggestions
        for which in ("first", "second")
    }


def _apply(connection: Connection, owner: str, params: MergeParameters) -> JsonObject:
    """Apply all of it or nothing."""
    undone = [
        undo_merge(connection, owner, one, undone_by=params.decided_by).id for one in params.undo
    ]
    merged = [
        merge_entities(
            connection,
            owner,
            pair.source,
            pair.target,
            reason="chosen",
            decided_by=params.decided_by,
        )
        for pair in params.merge
    ]
    merges: list[JsonObject] = [
        {"id": one.id, "source_id": one.source_id, "target_id": one.target_id} for one in merged
    ]
    return {"merges": merges, "undone": undone}


def _list_merged(merges: Iterable[NamedMerge]) -> set[str]:
    return {identity for one in merges for identity in (one.merge.source_id, one.merge.target_id)}


def _describe_merge(one: NamedMerge) -> JsonObject:
    return {
        "id": one.merge.id,
        "source_id": one.merge.source_id,
        "source_name": one.source_name,
        "target_id": one.merge.target_id,
        "target_name": one.target_name,
        "decided_by": one.merge.decided_by,
    }
