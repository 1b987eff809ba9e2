"""Documents of searches, answers and conversations. Times are seconds from a video's start."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from cinemill.api.models.documents import Document, Name, RequestDocument, Timestamp
from cinemill.api.models.pages import Page
from cinemill.capabilities.search.runtime.requests import SearchMode, SearchRequest
from cinemill.capabilities.search.runtime.vectors import VectorState
from cinemill.core.knowledge.graph import EntityKind
from cinemill.core.retrieval.hits import SearchFilters
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import DEFAULT_HITS, MOST_HITS, MOST_HOPS
from cinemill.storage.retrieval.conversations import ConversationSummary, StoredTurn

MOST_FILTERS = 200
LONGEST_SECONDS = 1e9
Names = Annotated[list[Name], Field(max_length=MOST_FILTERS)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]


class SearchQuery(RequestDocument):
    """A search. In an address, lists are repeated: `asset=a&asset=b`."""

    q: str
    """Words, a question or names, at most 10,000 characters. Words in double quotes are found in
    this order only."""
    mode: SearchMode = SearchMode.HYBRID
    """`hybrid`, `semantic` (meaning alone) or `graph` (entities that are named, and related
    ones)."""
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = DEFAULT_HITS
    """Maximum number of hits."""
    hops: Annotated[int | None, Field(ge=0, le=MOST_HOPS)] = None
    """How many relations the graph is followed along; null: 1, and 2 with the mode `graph`."""
    asset: Names = Field(default_factory=list)
    """Only these videos."""
    collection: Names = Field(default_factory=list)
    """Only videos of these collections."""
    track: Annotated[list[PassageTrack], Field(max_length=4)] = Field(default_factory=list)
    """Only what is said (`speech`), read in the picture (`text`), seen (`picture`) or described by
    a model that watched (`description`)."""
    language: Names = Field(default_factory=list)
    """Only passages in these languages, such as `en`."""
    speaker: Names = Field(default_factory=list)
    """Only what one of these people says, by the name that captions give them."""
    entity: Names = Field(default_factory=list)
    """Only passages that mention one of these entities, by id."""
    label: Names = Field(default_factory=list)
    """Only while one of these things is seen or heard, such as `dog`."""
    confidence: Annotated[float | None, Field(ge=0, le=1)] = None
    """With `label`: least confidence of the model that found it."""
    created_from: datetime | None = None
    """Only videos that were added then or later."""
    created_to: datetime | None = None
    """Only videos that were added before."""
    start: Seconds | None = None
    """Only what ends after this second of its video."""
    end: Seconds | None = None
    """Only what starts before this second of its video."""

    def to_request(self) -> SearchRequest:
        """Return the search that these parameters ask for."""
        filters = SearchFilters(
            asset_ids=tuple(self.asset),
            tracks=tuple(self.track),
            languages=tuple(self.language),
            speakers=tuple(self.speaker),
            entity_ids=tuple(self.entity),
            labels=tuple(self.label),
            created_from=self.created_from,
            created_to=self.created_to,
            start_ms=None if self.start is None else round(self.start * 1000),
            end_ms=None if self.end is None else round(self.end * 1000),
            least_confidence=self.confidence,
        )
        return SearchRequest(
            self.q,
            collections=tuple(self.collection),
            filters=filters,
            limit=self.limit,
            hops=self.hops,
        )


class MomentDocument(Document):
    """A range of a video's time."""

    asset_id: str
    title: str
    """File name of the video."""
    start: float
    """Seconds."""
    end: float
    """Seconds; after `start`."""
    text: str
    """What is said, written or seen there."""


class ScoresDocument(Document):
    """Why a moment was found; null where a retriever did not find it."""

    vector: float | None
    """Cosine of the meanings, -1 to 1."""
    text: float | None
    """Rank by words, 0 and up."""
    trigram: float | None
    """Share of a misspelled word's letters in threes, 0 to 1."""
    graph: float | None
    """How near the entities of the query are, 0 to 1."""


class HitDocument(MomentDocument):
    """A moment that was found: one passage, or several in a row."""

    score: float
    """0 to 1; comparable within one search only."""
    scores: ScoresDocument
    passage_ids: list[str]


class RelevanceDocument(Document):
    """Whether what was found answers the query."""

    probability: float
    threshold: float
    """Questions of this kind are answered from this probability on."""
    is_fitted: bool
    """Whether the model was fitted to videos of yours, and decides for every query. False: it comes
    with Cinemill, was fitted to a corpus of Cinemill's own, and decides for questions; keywords
    count as found where a moment has one of them."""


class EntityLabelDocument(Document):
    """An entity by its most frequent name."""

    id: str
    kind: EntityKind
    name: str


class VectorsDocument(Document):
    """Whether meanings were compared."""

    vectors: VectorState
    """`used`; or why not: `not_used` (not asked for), `not_indexed`, `model_missing`,
    `model_unusable`. Words and names are searched all the same."""
    vectors_hint: str
    """What you can do about it. With `used` it is empty, or says that Qdrant did not respond and
    PostgreSQL's own index was searched."""


class SearchDocument(VectorsDocument):
    """What a search found."""

    query: str
    mode: SearchMode
    hits: list[HitDocument]
    """The best first; empty where nothing that was found answers the question, or has one of the
    keywords."""
    nothing_found: bool
    nearest: list[HitDocument]
    """Where nothing was found: what came nearest without answering it."""
    relevance: RelevanceDocument
    tracks: list[PassageTrack]
    """Whose moments rank higher, by a rule; all are searched. Empty: none of them does."""
    rules: list[str]
    """Why the query was searched as it was, such as `quoted` or `on_screen`."""
    entities: list[EntityLabelDocument]
    """That the query names."""


class AskRequest(RequestDocument):
    """A question about videos."""

    question: str
    """At most 10,000 characters."""
    conversation_id: Name | None = None
    """A conversation to go on with; null begins one."""
    asset_ids: Names = Field(default_factory=list)
    """Only these videos."""
    collections: Names = Field(default_factory=list)
    """Only videos of these collections."""


class CitationDocument(MomentDocument):
    """A moment that an answer rests on."""

    passage_id: str
    track: PassageTrack
    """Whether this is said (`speech`), read in the picture (`text`), seen (`picture`) or described
    by a model (`description`)."""


class RewritingEventDocument(Document):
    """Data of the event `rewriting`: a language model is asked to complete a follow-up question."""

    question: str
    """As it was asked."""


class RetrievalEventDocument(VectorsDocument):
    """Data of the event `retrieval`: what the answer may use."""

    question: str
    """As it was searched for, a follow-up completed from the conversation."""
    is_follow_up: bool
    moments: list[CitationDocument]


class DeltaEventDocument(Document):
    """Data of the event `delta`: the next statement, which has been checked."""

    text: str


class CitationsEventDocument(Document):
    """Data of the event `citations`."""

    citations: list[CitationDocument]
    """The first is `[1]` in the text."""


class DoneEventDocument(VectorsDocument):
    """Data of the event `done`, the last one."""

    question: str
    is_follow_up: bool
    mode: str
    """`generated` by a language model, each statement checked against its passages; or
    `extractive`, quotations of the videos."""
    abstained: bool
    """There is no answer, and `abstain_reason` says why."""
    abstain_reason: str | None
    """`nothing-found`, `not-relevant` or `not-supported`."""
    model: str
    """The language model; empty for an extractive answer."""
    model_error: str
    """Code of why the language model did not finish; empty where it did."""
    dropped: dict[str, int]
    """Statements of the model that were left out, by reason."""
    hidden_passages: int
    """Passages that read like instructions to a language model, so that it did not get them."""
    conversation_id: str | None
    """For the next question; null where the conversation was deleted meanwhile."""


class AnswerDocument(DoneEventDocument):
    """An answer whole."""

    answer: str
    """Statements, one a line, each with the numbers of its citations; empty where there is none."""
    citations: list[CitationDocument]
    moments: list[CitationDocument]
    """What the answer could use."""


class ConversationDocument(Document):
    """A conversation as a list shows it."""

    id: str
    used_at: Timestamp
    turn_count: int
    question: str
    """The last one."""

    @classmethod
    def from_record(cls, one: ConversationSummary) -> Self:
        """Return the document of a conversation."""
        return cls(
            id=one.id,
            used_at=one.used_at.isoformat(),
            turn_count=one.turn_count,
            question=one.question,
        )


class ConversationPage(Page):
    """Conversations, the one used last first."""

    conversations: list[ConversationDocument]


class TurnDocument(Document):
    """A question and its answer."""

    number: int
    question: str
    standalone_question: str
    """As it was searched for."""
    answer: str
    """Empty where there was none."""
    created_at: Timestamp

    @classmethod
    def from_record(cls, one: StoredTurn) -> Self:
        """Return the document of a turn."""
        return cls(
            number=one.number,
            question=one.turn.question,
            standalone_question=one.turn.standalone_question,
            answer=one.turn.answer,
            created_at=one.created_at.isoformat(),
        )


class ConversationDetails(Document):
    """A conversation with its turns, oldest first. A turn goes with a video that it cites."""

    id: str
    turns: list[TurnDocument]
