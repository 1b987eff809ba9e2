"""Captions that a person edited, as what is said: searched, cited, and read for the graph.

Passages, their vectors and what they say of entities are made next to those that searches use, and
take their place in one transaction. Where anything fails, the former stay. A language model that
finds entities is asked afterwards, in a step of its own, so that an edit does not wait for it: that
transaction takes away what the former passages said of entities, and the step adds what the new
ones say. Where it fails, there is a gap, and nothing of the former words.
"""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.capabilities.knowledge.reading import (
    RELATIONS,
    Evidence,
    KnowledgeReading,
)
from cinemill.capabilities.knowledge.video_texts import (
    VideoText,
    list_read_ids,
    list_texts,
    require_same_passages,
)
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import StepSpec
from cinemill.core.knowledge.graph import Modality
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.spaces import Space
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import FindingWork, list_active, store_findings
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.kinds import EXTRACT_RELATIONS, FUSE_EMBEDDINGS
from cinemill.steps.ingestion.speech_passages import make_passages
from cinemill.steps.ingestion.spoken_text import (
    SpokenText,
    find_heard,
    read_spoken_text,
    require_unchanged,
)
from cinemill.steps.ingestion.text_vectors import embed_texts
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.gaps import Gap, close_gap, save_gap
from cinemill.storage.findings.ingestions import was_ingested
from cinemill.storage.findings.sets import find_active, lock_asset
from cinemill.storage.knowledge.evidence import forget_evidence
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.retrieval.models import list_models
from cinemill.storage.retrieval.passages import (
    StoredPassage,
    count_passages,
    passage_id,
    save_passages,
)

EMBEDDING_SHARE = 0.5
"""Of the progress of the step; the rest is reading."""
SPEECH = "speech"
NOBODY_LISTENED = Gap(
    SPEECH,
    "captions_discarded",
    "The captions that a person had written were discarded, and no model has listened yet.",
    "Ingest the video again.",
)


def apply_caption_edits(resources: StepResources, context: StepContext) -> StepOutcome:
    """Make what a person wrote in captions what is said in a video; without any, what was heard.

    A video that was never ingested stays as it is. No speech model runs. Where the captions are
    edited meanwhile, the step begins again, so that the last ones win. Counts passages.

    Raises InputRejected (``model_missing`` and others), ToolMissing (``extra_missing`` and others),
    NotFound (``asset_not_found``), Postponed.
    """
    asset = find_asset(resources, context)
    database = resources.database
    with database.begin() as connection:
        if not was_ingested(connection, asset.id):
            return StepOutcome(write_result(StepReport(reused=True)))
        known = list_read_ids(connection, asset.id)
        texts = list_texts(connection, asset.id)
    heard = find_heard(database, asset.id)
    transcript = None if heard is None else heard.transcript
    spoken = read_spoken_text(database, resources.files, asset.id, transcript)
    passages = _make_passages(database, asset, spoken)
    new = {one.id: one.passage.text for one in passages if one.id not in known}
    vectors = embed_texts(resources, context, new, share=EMBEDDING_SHARE)
    is_read_later = resources.entity_model is not None
    reading = None if is_read_later else _prepare_reading(resources, asset.id, texts, passages)
    evidence: Evidence = {}
    if reading is not None:
        evidence = reading.read(resources, context, begin=EMBEDDING_SHARE)

    def write(connection: Connection) -> None:
        lock_asset(connection, asset.id)
        require_unchanged(connection, asset.id, spoken)
        require_same_passages(connection, asset.id, known)
        if is_read_later:
            _forget_entities(connection, asset.id, texts, passages)
        listed = [one.passage for one in passages]
        save_passages(connection, asset.id, PassageTrack.SPEECH, listed)
        vectors.store(connection)
        if reading is not None:
            reading.store(connection, asset.id, evidence)
        _note_gap(connection, asset, spoken)

    report = StepReport(count=len(passages), reused=not new and reading is None)
    steps = _plan_moments(database, asset.id)
    if is_read_later and _is_read(database, asset.id):
        steps = [*steps, StepSpec("relations", EXTRACT_RELATIONS)]
    return StepOutcome(write_result(report), write, steps)


def _make_passages(
    database: Database, asset: AssetRecord, spoken: SpokenText
) -> Sequence[StoredPassage]:
    """Return the passages of what is said, as an ingestion would store them."""
    if spoken.transcript is None:
        return []
    cuts_ms = [one.start_ms for one in list_active(database, asset.id, FindingKind.SHOT)]
    return [
        StoredPassage(passage_id(asset.id, one), asset.id, asset.owner, one)
        for one in make_passages(spoken.transcript, cuts_ms)
    ]


def _prepare_reading(
    resources: StepResources,
    asset_id: str,
    texts: Sequence[VideoText],
    passages: Sequence[StoredPassage],
) -> KnowledgeReading | None:
    """Return what is to be read again; None where it was, or where nobody asked for knowledge."""
    if not _is_read(resources.database, asset_id):
        return None
    said = VideoText(Modality.SPEECH, passages).keep_english()
    others = [one.keep_english() for one in texts if one.modality is not Modality.SPEECH]
    reading = KnowledgeReading.prepare(resources, [said, *others], RELATIONS)
    return None if reading.is_done(resources.database, asset_id) else reading


def _forget_entities(
    connection: Connection,
    asset_id: str,
    texts: Sequence[VideoText],
    passages: Sequence[StoredPassage],
) -> None:
    """Delete what passages that disappear say of entities, and count what is known as a part.

    Otherwise captions that become again what they were would count as read.
    """
    kept = {one.id for one in passages}
    said = [one for text in texts if text.modality is Modality.SPEECH for one in text.ids]
    gone = [one for one in said if one not in kept]
    active = find_active(connection, asset_id, FindingKind.KNOWLEDGE)
    if not gone or active is None:
        return
    forget_evidence(connection, asset_id, gone)
    part = FindingWork(FindingKind.KNOWLEDGE, active.model, {"what": "part"})
    store_findings(connection, asset_id, part, [])


def _is_read(database: Database, asset_id: str) -> bool:
    with database.begin() as connection:
        return find_active(connection, asset_id, FindingKind.KNOWLEDGE) is not None


def _note_gap(connection: Connection, asset: AssetRecord, spoken: SpokenText) -> None:
    if spoken.is_written:
        close_gap(connection, asset.id, SPEECH)
    elif spoken.transcript is None and asset.media is not None and asset.media.audio:
        save_gap(connection, asset.id, NOBODY_LISTENED)


def _plan_moments(database: Database, asset_id: str) -> Sequence[StepSpec]:
    """Return the step that fuses pictures with what is said meanwhile, where there are any."""
    with database.begin() as connection:
        has_pictures = PassageTrack.KEYFRAME in count_passages(connection, asset_id)
        if has_pictures and list_models(connection, space=Space.MOMENT):
            return [StepSpec("moments", FUSE_EMBEDDINGS)]
    return []
