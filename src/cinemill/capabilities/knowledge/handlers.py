"""Entities, relations and scenes of a stored video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cinemill.capabilities.knowledge.entities import extract_entities
from cinemill.capabilities.knowledge.relations.extraction import (
    extract_relationships,
    is_unnamed,
)
from cinemill.capabilities.knowledge.scene_graph import SceneGraph, build_scene_graph
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.capabilities.knowledge.video_texts import VideoText, list_texts
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind, FindingModel
from cinemill.core.knowledge.gazetteer import Gazetteer
from cinemill.core.knowledge.graph import Mention, Modality, Relation
from cinemill.inference.language.parses import ParsedText, TextParser
from cinemill.inference.language.spacy_parser import CARD, open_parser
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import (
    FindingWork,
    is_done,
    list_active,
    store_findings,
)
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.name_list import read_name_list
from cinemill.steps.models import FETCH_SHARE, ensure_model
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence, save_mentions
from cinemill.storage.knowledge.scenes import Scene, SceneObject, SceneRelation, save_scenes

VERSION = 1
"""Raise it whenever the same passages would give other entities or relations."""
BATCH = 50
"""Passages that are parsed before progress is reported."""

Read = Callable[[Sequence[SourceText], TextParser, Gazetteer | None], list[PassageEvidence]]
Save = Callable[[Connection, str, Modality, Sequence[PassageEvidence]], None]


@dataclass(frozen=True, slots=True)
class _Extraction:
    """What is read in a video's passages."""

    known_from: Sequence[str]
    """Its name, and those of what includes it."""
    read: Read
    save: Save


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a text is read."""

    parser: TextParser
    read: Read
    known: Gazetteer | None
    begin: float
    """Share of the step's progress that is done before."""


def find_entities(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find the entities that a video's passages mention, unless they are known.

    Where relations are known, the entities are. Those of other passages stay until they are found
    again.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``extra_missing``).
    """
    return _read_video(
        resources,
        context,
        _Extraction(("entities", "relations"), _read_entities, save_mentions),
    )


def find_relationships(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find entities and what is said about them, unless they are known.

    Raises as :func:`find_entities` does.
    """
    return _read_video(
        resources, context, _Extraction(("relations",), _read_relations, save_evidence)
    )


def _read_video(
    resources: StepResources, context: StepContext, extraction: _Extraction
) -> StepOutcome:
    asset = find_asset(resources, context)
    card = get_card(CARD)
    texts = [one.keep_english() for one in list_texts(resources.database, asset.id)]
    ids = [identity for text in texts for identity in text.ids]
    names = read_name_list(resources.names_file) if resources.names_file else None
    model = FindingModel("local", card.name, card.revision, VERSION)
    listed: JsonObject = {"names": names.digest} if names else {}
    works = [
        FindingWork(FindingKind.KNOWLEDGE, model, {"what": what, "passages": ids, **listed})
        for what in extraction.known_from
    ]
    if any(is_done(resources.database, asset.id, work) for work in works):
        return StepOutcome(write_result(StepReport(reused=True)))
    found: dict[Modality, list[PassageEvidence]] = {text.modality: [] for text in texts}
    if ids:
        begin = ensure_model(resources, context, card, share=FETCH_SHARE)
        parser = open_parser(resources.models_dir)
        reading = _Reading(parser, extraction.read, names.gazetteer if names else None, begin)
        for text in texts:
            found[text.modality] = _read_text(context, text, reading)

    def write(connection: Connection) -> None:
        for modality, evidence in found.items():
            extraction.save(connection, asset.id, modality, evidence)
        store_findings(connection, asset.id, works[0], [])

    count = sum(len(one.mentions) for evidence in found.values() for one in evidence)
    return StepOutcome(write_result(StepReport(count=count)), write)


def _read_text(context: StepContext, text: VideoText, reading: _Reading) -> list[PassageEvidence]:
    """Return the evidence of a track, a batch of passages at a time.

    A pronoun at the beginning of a batch finds no person of the batch before.
    """
    evidence: list[PassageEvidence] = []
    sources = text.sources
    for first in range(0, len(sources), BATCH):
        if (stop := context.should_stop()) is not None:
            raise stop
        share = reading.begin + (1 - reading.begin) * first / len(sources)
        context.report(share, f"Reading passage {first + 1} of {len(sources)}")
        found = reading.read(sources[first : first + BATCH], reading.parser, reading.known)
        ids = text.ids[first : first + BATCH]
        evidence += [
            PassageEvidence(identity, one.mentions, one.relations)
            for identity, one in zip(ids, found, strict=True)
        ]
    return evidence


def _read_entities(
    sources: Sequence[SourceText], parser: TextParser, names: Gazetteer | None
) -> list[PassageEvidence]:
    parsed = parser.parse([one.text for one in sources])
    return [
        PassageEvidence(None, extract_entities(source, text, names))
        for source, text in zip(sources, parsed, strict=True)
    ]


def _read_relations(
    sources: Sequence[SourceText], parser: TextParser, names: Gazetteer | None
) -> list[PassageEvidence]:
    parsed = parser.parse([one.text for one in sources])
    mentions = [
        extract_entities(source, text, names) for source, text in zip(sources, parsed, strict=True)
    ]
    return relate(sources, parsed, mentions)


def relate(
    sources: Sequence[SourceText],
    parsed: Sequence[ParsedText],
    mentions: Sequence[Sequence[Mention]],
) -> list[PassageEvidence]:
    """Return what sentences state of the entities that are mentioned in them, by passage."""
    known = extract_relationships(sources, parsed, mentions)
    return [
        PassageEvidence(None, _join(named, one.inferred), _keep_named(one.relations))
        for named, one in zip(mentions, known, strict=True)
    ]


def _join(named: Sequence[Mention], inferred: Sequence[Mention]) -> list[Mention]:
    return [*named, *inferred]


def _keep_named(relations: Sequence[Relation]) -> list[Relation]:
    """Return the relations whose both ends name something: "it" is no entity."""
    return [one for one in relations if not (is_unnamed(one.subject) or is_unnamed(one.object))]


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
