"""Passages of a video read by a parser: whom and what they mention, and what they say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.knowledge.entities import extract_entities
from cinemill.capabilities.knowledge.relations.extraction import (
    extract_relationships,
    is_unnamed,
)
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.capabilities.knowledge.video_texts import VideoText
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind, FindingModel
from cinemill.core.knowledge.gazetteer import Gazetteer
from cinemill.core.knowledge.graph import Mention, Modality, Relation
from cinemill.inference.language.parses import ParsedText, TextParser
from cinemill.inference.language.spacy_parser import CARD, open_parser
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.step import StepContext
from cinemill.steps.ingestion.finding_work import FindingWork, is_done, store_findings
from cinemill.steps.ingestion.name_list import read_name_list
from cinemill.steps.models import FETCH_SHARE, ensure_model
from cinemill.steps.resources import StepResources
from cinemill.storage.database import Connection, Database
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence, save_mentions

VERSION = 1
"""Raise it whenever the same passages would give other entities or relations."""
BATCH = 50
"""Passages that are parsed before progress is reported."""

Read = Callable[[Sequence[SourceText], TextParser, Gazetteer | None], list[PassageEvidence]]
Save = Callable[[Connection, str, Modality, Sequence[PassageEvidence]], None]
Evidence = Mapping[Modality, Sequence[PassageEvidence]]


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is looked for in a video's passages."""

    known_from: Sequence[str]
    """Its name, and those of what includes it."""
    read: Read
    save: Save


@dataclass(frozen=True, slots=True)
class KnowledgeReading:
    """Passages, and how they are read."""

    texts: Sequence[VideoText]
    extraction: Extraction
    names: Gazetteer | None
    works: Sequence[FindingWork]
    """This work, and those that include it."""

    @classmethod
    def prepare(
        cls, resources: StepResources, texts: Sequence[VideoText], extraction: Extraction
    ) -> KnowledgeReading:
        """Return what is to be read, by what, with the names that are set."""
        names = read_name_list(resources.names_file) if resources.names_file else None
        card = get_card(CARD)
        model = FindingModel("local", card.name, card.revision, VERSION)
        ids = [identity for text in texts for identity in text.ids]
        listed: JsonObject = {"names": names.digest} if names else {}
        works = [
            FindingWork(FindingKind.KNOWLEDGE, model, {"what": what, "passages": ids, **listed})
            for what in extraction.known_from
        ]
        return cls(texts, extraction, names.gazetteer if names else None, works)

    def is_done(self, database: Database, asset_id: str) -> bool:
        """Check whether the same passages of this video were read before, for as much or more."""
        return any(is_done(database, asset_id, work) for work in self.works)

    def read(
        self, resources: StepResources, context: StepContext, *, begin: float = 0.0
    ) -> Evidence:
        """Return what the passages say; ``begin`` is the share of the step that is done before.

        Raises InputRejected (``model_missing`` and others), ToolMissing (``extra_missing``), and
        what stops the step.
        """
        found: dict[Modality, Sequence[PassageEvidence]] = {
            text.modality: [] for text in self.texts
        }
        if any(text.passages for text in self.texts):
            share = (1 - begin) * FETCH_SHARE
            begin = ensure_model(resources, context, get_card(CARD), begin=begin, share=share)
            parser = open_parser(resources.models_dir)
            for text in self.texts:
                found[text.modality] = self._read_text(context, text, parser, begin)
        return found

    def _read_text(
        self, context: StepContext, text: VideoText, parser: TextParser, begin: float
    ) -> list[PassageEvidence]:
        """Return the evidence of a track, a batch of passages at a time.

        A pronoun at the beginning of a batch finds no person of the batch before.
        """
        evidence: list[PassageEvidence] = []
        sources = text.sources
        for first in range(0, len(sources), BATCH):
            if (stop := context.should_stop()) is not None:
                raise stop
            share = begin + (1 - begin) * first / len(sources)
            context.report(share, f"Reading passage {first + 1} of {len(sources)}")
            found = self.extraction.read(sources[first : first + BATCH], parser, self.names)
            ids = text.ids[first : first + BATCH]
            evidence += [
                PassageEvidence(identity, one.mentions, one.relations)
                for identity, one in zip(ids, found, strict=True)
            ]
        return evidence

    def store(self, connection: Connection, asset_id: str, evidence: Evidence) -> None:
        """Make this what is known of the video's passages, which must be stored by then."""
        for modality, found in evidence.items():
            self.extraction.save(connection, asset_id, modality, found)
        store_findings(connection, asset_id, self.works[0], [])


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


ENTITIES = Extraction(("entities", "relations"), _read_entities, save_mentions)
RELATIONS = Extraction(("relations",), _read_relations, save_evidence)
