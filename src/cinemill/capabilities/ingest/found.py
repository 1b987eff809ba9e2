"""What a task that was asked for by itself has found, as its callers expect to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cinemill.core.findings.finding import FindingKind
from cinemill.core.parameters import Parameters
from cinemill.core.retrieval.spaces import Space
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection, Database
from cinemill.storage.jobs.job_changes import record_quotations
from cinemill.storage.knowledge.labels import label_entities
from cinemill.storage.knowledge.mentions import count_mentioned
from cinemill.storage.knowledge.scenes import list_scenes
from cinemill.storage.knowledge.statements import list_stated
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.retrieval.models import list_models

MOST_LISTED = 1000
"""Of each; ``count`` says what the step itself has added."""

Describe = Callable[[Database, AssetRecord], dict[str, Any]]


class SubjectParameters(Parameters):
    """What is reported."""

    subject: str


def report_found(resources: StepResources, context: StepContext) -> StepOutcome:
    """Return the result of the step before, with what is known of the job's video after it.

    Result: that of the step, ``asset_id``, and what the job's kind is about: ``shots``,
    ``keyframes``, ``entities``, ``relations``, ``scenes``, ``model`` and ``dimension``, or
    ``indexed``. Raises NotFound.
    """
    subject = context.parameters(SubjectParameters).subject
    asset = find_asset(resources, context)
    inputs = context.run.inputs
    worked = next(dict(inputs[name]) for name in reversed(list(inputs)) if "gap" in inputs[name])
    found = _DESCRIBED[subject](resources.database, asset)
    if subject == "indexed":
        found = {"indexed": worked["count"]}

    def write(connection: Connection) -> None:
        # It quotes the video: without it, the result goes too.
        record_quotations(connection, context.run.job_id, [asset.id])

    return StepOutcome({**worked, "asset_id": asset.id, **found}, write)


def _list_findings(
    kind: FindingKind, name: str, database: Database, asset: AssetRecord
) -> dict[str, Any]:
    found = list_active(database, asset.id, kind)[:MOST_LISTED]
    return {name: [_write_times(one.start_ms, one.end_ms) for one in found]}


def _list_entities(database: Database, asset: AssetRecord) -> dict[str, Any]:
    with database.begin() as connection:
        counts = count_mentioned(connection, asset.id, limit=MOST_LISTED)
        labels = label_entities(connection, asset.owner, list(counts))
    return {
        "entities": [
            {
                "id": labels[one].id,
                "name": labels[one].name,
                "kind": labels[one].kind.value,
                "mentions": number,
            }
            for one, number in counts.items()
            if one in labels
        ]
    }


def _list_relations(database: Database, asset: AssetRecord) -> dict[str, Any]:
    with database.begin() as connection:
        stated = list_stated(connection, asset.id, limit=MOST_LISTED)
    return {
        "relations": [
            {
                "subject": one.subject,
                "predicate": one.predicate,
                "object": one.object,
                "kind": one.kind.value,
                "is_negated": one.is_negated,
                **_write_times(one.start_ms, one.end_ms),
            }
            for one in stated
        ]
    }


def _list_scenes(database: Database, asset: AssetRecord) -> dict[str, Any]:
    with database.begin() as connection:
        scenes = list_scenes(connection, asset.id, limit=MOST_LISTED)
    return {
        "scenes": [
            {
                **_write_times(one.start_ms, one.end_ms),
                "objects": [thing.label for thing in one.objects],
                "relations": len(one.relations),
            }
            for one in scenes
        ]
    }


def _name_model(space: Space, database: Database, _asset: AssetRecord) -> dict[str, Any]:
    """Return the model that fills vectors of this space, or else the one that searches use."""
    with database.begin() as connection:
        models = [one for one in list_models(connection) if one.space == space]
    last = max(models, key=lambda one: one.id, default=None)
    return {
        "model": None if last is None else last.name,
        "dimension": None if last is None else last.dimension,
    }


def _add_nothing(_database: Database, _asset: AssetRecord) -> dict[str, Any]:
    return {}


def _write_times(start_ms: int, end_ms: int) -> dict[str, float]:
    return {"start": start_ms / 1000, "end": end_ms / 1000}


_DESCRIBED: Mapping[str, Describe] = {
    "shots": partial(_list_findings, FindingKind.SHOT, "shots"),
    "keyframes": partial(_list_findings, FindingKind.KEYFRAME, "keyframes"),
    "entities": _list_entities,
    "relations": _list_relations,
    "scenes": _list_scenes,
    "text_embeddings": partial(_name_model, Space.TEXT),
    "visual_embeddings": partial(_name_model, Space.PICTURE),
    "multimodal_embeddings": partial(_name_model, Space.MOMENT),
    "indexed": _add_nothing,
}
