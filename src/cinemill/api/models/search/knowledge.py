"""Documents of entities and of findings. Times are seconds from a video's start."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Self

from pydantic import Field

from cinemill.api.models.documents import Document, Name, OpenObject, RequestDocument
from cinemill.api.models.pages import LONGEST_CURSOR, MOST_ENTRIES, Page
from cinemill.api.models.search.searches import EntityLabelDocument, Names
from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.core.knowledge.graph import Modality, RelationKind
from cinemill.core.text.storable_text import Text
from cinemill.storage.findings.gaps import Gap
from cinemill.storage.knowledge.entities import CoOccurrence, EntityRelation, Moment
from cinemill.storage.knowledge.labels import EntityLabel
from cinemill.storage.knowledge.statements import RelationKey, Statement


class NamedEntityDocument(EntityLabelDocument):
    """An entity that a name means, or may mean."""

    score: float
    """1 where the name is the entity's; else how much the names have in common, 0 to 1."""


class EntityList(Page):
    """Entities of a name, those that are called so exactly first."""

    entities: list[NamedEntityDocument]


class RelationDocument(Document):
    """A relation, counted from its evidence."""

    entity: EntityLabelDocument
    """The other one."""
    predicate: str
    kind: RelationKind
    is_subject: bool
    """Whether the entity that you asked for is the subject."""
    is_negated: bool
    is_possible: bool
    """Under a modal verb or a condition."""
    weight: int
    """Pieces of evidence."""
    asset_count: int

    @classmethod
    def from_record(cls, one: EntityRelation, other: EntityLabelDocument) -> Self:
        """Return the document of a relation to another entity."""
        return cls(
            entity=other,
            predicate=one.predicate,
            kind=one.kind,
            is_subject=one.is_subject,
            is_negated=one.is_negated,
            is_possible=one.is_possible,
            weight=one.weight,
            asset_count=one.asset_count,
        )


class StatementDocument(Document):
    """The evidence of a relation: a moment of a video that says or shows it."""

    asset_id: str
    start: float
    end: float
    subject_id: str
    subject: str
    """As it is named there."""
    predicate: str
    object_id: str
    object: str
    kind: RelationKind
    is_negated: bool
    is_possible: bool
    according_to: str
    """Who says so, where a sentence names someone."""
    passage_id: str | None
    text: str
    """Of the passage; empty where there is none."""

    @classmethod
    def from_record(cls, one: Statement) -> Self:
        """Return the document of a statement."""
        return cls(
            asset_id=one.asset_id,
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            subject_id=one.subject_id,
            subject=one.subject,
            predicate=one.predicate,
            object_id=one.object_id,
            object=one.object,
            kind=one.kind,
            is_negated=one.is_negated,
            is_possible=one.is_possible,
            according_to=one.according_to,
            passage_id=one.passage_id,
            text=one.text,
        )


class RelationQuery(RequestDocument):
    """One relation of an entity, as parameters of an address."""

    other: Name
    """The id of the other entity."""
    predicate: Name
    kind: RelationKind
    is_subject: bool
    """Whether the entity in the path is the subject."""
    is_negated: bool = False
    is_possible: bool = False
    collection: Names = Field(default_factory=list)
    """Only videos of these collections."""
    limit: Annotated[int, Field(ge=1, le=MOST_ENTRIES)] = 50
    """Maximum number of entries in the response."""
    cursor: Annotated[Text | None, Field(max_length=LONGEST_CURSOR)] = None
    """The `next` of the previous page; without it, the first page is returned."""

    def to_key(self) -> RelationKey:
        """Return what storage finds the relation's evidence by."""
        return RelationKey(
            self.other,
            self.predicate,
            self.kind,
            self.is_subject,
            is_negated=self.is_negated,
            is_possible=self.is_possible,
        )


class EvidencePage(Page):
    """Evidence of one relation, by video and time."""

    statements: list[StatementDocument]


class CoOccurrenceDocument(Document):
    """An entity in the same passages; how the two relate is not known."""

    entity: EntityLabelDocument
    passage_count: int
    npmi: float
    """Normalised pointwise mutual information, -1 to 1; 0 is chance."""

    @classmethod
    def from_record(cls, one: CoOccurrence, other: EntityLabelDocument) -> Self:
        """Return the document of a co-occurrence with another entity."""
        return cls(entity=other, passage_count=one.passage_count, npmi=one.npmi)


class EntityMomentDocument(Document):
    """Where an entity is mentioned or seen."""

    asset_id: str
    start: float
    end: float
    modality: Modality
    name: str
    """As it is said or written there."""
    passage_id: str | None
    is_inferred: bool
    """A pronoun that stands for it."""

    @classmethod
    def from_record(cls, one: Moment) -> Self:
        """Return the document of a moment."""
        return cls(
            asset_id=one.asset_id,
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            modality=one.modality,
            name=one.name,
            passage_id=one.passage_id,
            is_inferred=one.is_inferred,
        )


class EntityDetails(EntityLabelDocument, Page):
    """An entity with its names, its relations, their evidence, and one page of its moments.

    Pages after the first have only the moments; their other lists are empty.
    """

    names: list[str]
    """All spellings, the most frequent first."""
    mention_count: int
    asset_count: int
    relations: list[RelationDocument]
    """Those with the most evidence, at most 100."""
    statements: list[StatementDocument]
    """Evidence of the relations, at most 100; that of one relation is a list of its own."""
    co_occurrences: list[CoOccurrenceDocument]
    moments: list[EntityMomentDocument]


class BoxDocument(Document):
    """A part of the picture; shares of its width and height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


class FindingModelDocument(Document):
    """What found something."""

    provider: str
    name: str
    revision: str
    version: int

    @classmethod
    def from_record(cls, one: FindingModel) -> Self:
        """Return the document of a model."""
        return cls(provider=one.provider, name=one.name, revision=one.revision, version=one.version)


class FindingDocument(Document):
    """Something that was found in a range of a video's time."""

    kind: FindingKind
    start: float
    end: float
    label: str
    confidence: float | None
    box: BoxDocument | None
    track: int | None
    """Findings of one kind with the same number show the same thing."""
    details: OpenObject

    @classmethod
    def from_record(cls, kind: FindingKind, one: Finding) -> Self:
        """Return the document of a finding."""
        return cls(
            kind=kind,
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            label=one.label,
            confidence=one.confidence,
            box=None if one.box is None else BoxDocument(**asdict(one.box)),
            track=one.track,
            details=dict(one.details),
        )


class FindingGapDocument(Document):
    """What could not be found out about a video, and why."""

    subject: str
    """A kind of finding or a part of the ingestion."""
    code: str
    message: str
    hint: str

    @classmethod
    def from_record(cls, one: Gap) -> Self:
        """Return the document of a gap."""
        return cls(subject=one.subject, code=one.code, message=one.message, hint=one.hint)


class FindingPage(Page):
    """Findings of a video by kind, then by time."""

    findings: list[FindingDocument]
    models: dict[FindingKind, FindingModelDocument]
    """What found them, for each kind that was looked for; one without findings included."""
    gaps: list[FindingGapDocument]


def write_label(label: EntityLabel) -> EntityLabelDocument:
    """Return the document of an entity's label."""
    return EntityLabelDocument(id=label.id, kind=label.kind, name=label.name)
