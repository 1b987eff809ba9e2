"""Entities, relations and scenes of a stored video."""

from __future__ import annotations

from cinemill.capabilities.knowledge.reading import (
    ENTITIES,
    RELATIONS,
    Extraction,
    KnowledgeReading,
)
from cinemill.capabilities.knowledge.scene_graph import SceneGraph, build_scene_graph
from cinemill.capabilities.knowledge.video_texts import (
    list_read_ids,
    list_texts,
    require_same_passages,
)
from cinemill.core.findings.finding import FindingKind
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation, save_scenes


def find_entities(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find the entities that a video's passages mention, unless they are known.

    Where relations are known, the entities are. Those of other passages stay until they are found
    again.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``extra_missing``); Postponed
    where the passages become others meanwhile.
    """
    return _read_video(resources, context, ENTITIES)


def find_relationships(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find entities and what is said about them, unless they are known.

    Raises as :func:`find_entities` does.
    """
    return _read_video(resources, context, RELATIONS)


def _read_video(
    resources: StepResources, context: StepContext, extraction: Extraction
) -> StepOutcome:
    asset = find_asset(resources, context)
    with resources.database.begin() as connection:
        # Ids first: an edit between the two queries has other ids, and is noticed in the end.
        ids = list_read_ids(connection, asset.id)
        texts = [one.keep_english() for one in list_texts(connection, asset.id)]
    reading = KnowledgeReading.prepare(resources, texts, extraction)
    if reading.is_done(resources.database, asset.id):
        return StepOutcome(write_result(StepReport(reused=True)))
    evidence = reading.read(resources, context)

    def write(connection: Connection) -> None:
        require_same_passages(connection, asset.id, ids)
        reading.store(connection, asset.id, evidence)

    count = sum(len(one.mentions) for found in evidence.values() for one in found)
    return StepOutcome(write_result(StepReport(count=count)), write)


def build_scenes(resources: StepResources, context: StepContext) -> StepOutcome:
    """Build the scene graph of every shot from the objects and faces that were found."""
    asset = find_asset(resources, context)
    shots = list_active(resources.database, asset.id, FindingKind.SHOT)
    seen = [
        *list_active(resources.database, asset.id, FindingKind.OBJECT),
        *list_active(resources.database, asset.id, FindingKind.FACE),
    ]
    scenes = [_as_scene(build_scene_graph(shot, seen)) for shot in shots]

    def write(connection: Connection) -> None:
        save_scenes(connection, asset.id, scenes)

    return StepOutcome(write_result(StepReport(count=len(scenes))), write)


def _as_scene(graph: SceneGraph) -> Scene:
    objects = [
        SceneObject(one.label, one.track, one.start_ms, one.end_ms, one.confidence)
        for one in graph.nodes
    ]
    relations = [
        SceneRelation(
            one.subject, one.predicate.value, one.object, one.start_ms, one.end_ms, one.confidence
        )
        for one in graph.edges
    ]
    return Scene(graph.start_ms, graph.end_ms, objects, relations)
