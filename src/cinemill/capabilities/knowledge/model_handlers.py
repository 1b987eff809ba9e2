"""Entities of a stored video as a language model finds them; relations stay with the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.knowledge import model_entities, reading
from cinemill.capabilities.knowledge.model_entities import locate_entities
from cinemill.capabilities.knowledge.model_inquiry import (
    ASKING_SHARE,
    PROVIDER,
    Answers,
    ask_about,
    forget_others,
)
from cinemill.capabilities.knowledge.reading import BATCH, Save, relate
from cinemill.capabilities.knowledge.video_texts import (
    VideoText,
    list_read_ids,
    list_texts,
    require_same_passages,
)
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind, FindingModel
from cinemill.core.knowledge.gazetteer import Gazetteer
from cinemill.core.knowledge.graph import Mention
from cinemill.errors import InputRejected
from cinemill.inference.language.spacy_parser import CARD, open_parser
from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.inference.language_models.open import open_language_model
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import FindingWork, store_findings
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.name_list import read_name_list
from cinemill.steps.models import ensure_model
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.gaps import Gap, close_gap, save_gap
from cinemill.storage.findings.sets import find_active
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence, save_mentions
from cinemill.telemetry import get_logger

SUBJECT = "entities"
"""Of the gap of passages that were left out; apart from that of all entities and scenes."""
LEFT_OUT = "passages_left_out"

Mentions = Mapping[str, Sequence[Mention]]
"""By the ids of passages."""
Prepare = Callable[[StepResources, StepContext], None]
Complete = Callable[[StepResources, StepContext, VideoText, Mentions], list[PassageEvidence]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Extraction:
    """What is read in a video's passages, besides the entities."""

    known_from: Mapping[str, JsonObject]
    """Its name, and those of what includes it, with what else changes their result."""
    prepare: Prepare
    """Called before anything is paid for."""
    complete: Complete
    save: Save


def find_entities(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find the entities that a video's passages mention, in any language, unless they are known.

    Raises as ``model_inquiry.ask_about`` does, and for a list of names that cannot be read.
    """
    known_from: dict[str, JsonObject] = {"entities": {}, "relations": _describe_parser()}
    extraction = _Extraction(known_from, _need_nothing, _keep_mentions, save_mentions)
    return _read_video(resources, context, extraction)


def find_relationships(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find entities, and by the parser's rules what English sentences state of them.

    Raises as :func:`find_entities` does, and where there is no parser.
    """
    known_from: dict[str, JsonObject] = {"relations": _describe_parser()}
    extraction = _Extraction(known_from, _need_parser, _add_relations, save_evidence)
    return _read_video(resources, context, extraction)


def _need_nothing(_resources: StepResources, _context: StepContext) -> None:
    pass


def _need_parser(resources: StepResources, context: StepContext) -> None:
    ensure_model(resources, context, get_card(CARD))
    open_parser(resources.models_dir)


def _describe_parser() -> JsonObject:
    return {"parser": get_card(CARD).revision, "rules": reading.VERSION}


def _read_video(
    resources: StepResources, context: StepContext, extraction: _Extraction
) -> StepOutcome:
    asset = find_asset(resources, context)
    address = _get_address(resources)
    with resources.database.begin() as connection:
        # Ids first: an edit between the two queries has other ids, and is noticed in the end.
        ids = list_read_ids(connection, asset.id)
        texts = list_texts(connection, asset.id)
    names = read_name_list(resources.names_file) if resources.names_file else None
    passages = {one.id: one.passage.text for text in texts for one in text.passages}
    listed: JsonObject = {"names": names.digest} if names else {}
    asked = [
        {"what": what, "passages": [*passages], **listed, **more}
        for what, more in extraction.known_from.items()
    ]
    if any(_is_known(resources.database, asset.id, address.name, one) for one in asked):
        return StepOutcome(write_result(StepReport(reused=True)))
    if passages:
        extraction.prepare(resources, context)
    answers = _ask(resources, context, asset.id, address, passages)
    mentions = _locate(texts, answers, names.gazetteer if names else None)
    found = {
        text.modality: extraction.complete(resources, context, text, mentions) for text in texts
    }
    revision = ", ".join(answers.served)
    model = FindingModel(PROVIDER, address.name, revision, model_entities.VERSION)
    # What is not complete counts as other work, so that the next ingestion asks again.
    part: JsonObject = {"left_out": len(answers.left_out)} if answers.left_out else {}
    work = FindingWork(FindingKind.KNOWLEDGE, model, {**asked[0], **part})

    def write(connection: Connection) -> None:
        require_same_passages(connection, asset.id, ids)
        for modality, evidence in found.items():
            extraction.save(connection, asset.id, modality, evidence)
        store_findings(connection, asset.id, work, [])
        forget_others(connection, address.name, asset.id, passages.values())
        _note_left_out(connection, asset.id, answers, len(passages))

    count = sum(len(one.mentions) for evidence in found.values() for one in evidence)
    gap = LEFT_OUT if answers.left_out else ""
    return StepOutcome(write_result(StepReport(gap=gap, count=count)), write)


def _note_left_out(connection: Connection, asset_id: str, answers: Answers, total: int) -> None:
    if not answers.left_out:
        close_gap(connection, asset_id, SUBJECT)
        return
    message = (
        f"The language model gave no usable reply about {len(answers.left_out)} of {total} "
        "passages; their entities are missing."
    )
    hint = "Ingest the video again, or have the parser find entities."
    save_gap(connection, asset_id, Gap(SUBJECT, LEFT_OUT, message, hint))


def _get_address(resources: StepResources) -> LanguageModelAddress:
    if resources.entity_model is None:
        raise InputRejected(
            "No language model is set to find entities.", code="language_model_missing"
        )
    return resources.entity_model


def _is_known(database: Database, asset_id: str, model: str, asked: JsonObject) -> bool:
    """Check whether the stored entities answer the same question to the same model.

    The revision counts for nothing here: the server states it only in a reply.
    """
    with database.begin() as connection:
        active = find_active(connection, asset_id, FindingKind.KNOWLEDGE)
    if active is None or (active.model.provider, active.model.name) != (PROVIDER, model):
        return False
    work = FindingWork(FindingKind.KNOWLEDGE, active.model, asked)
    is_same_version = active.model.version == model_entities.VERSION
    return is_same_version and active.params_digest == work.digest


def _ask(
    resources: StepResources,
    context: StepContext,
    asset_id: str,
    address: LanguageModelAddress,
    passages: Mapping[str, str],
) -> Answers:
    model = open_language_model(address)
    try:
        return ask_about(resources, context, asset_id, model, passages)
    finally:
        model.close()


def _locate(
    texts: Sequence[VideoText], answers: Answers, gazetteer: Gazetteer | None
) -> dict[str, list[Mention]]:
    mentions: dict[str, list[Mention]] = {}
    unsupported = 0
    for text in texts:
        for identity, source in zip(text.ids, text.sources, strict=True):
            located = locate_entities(source, answers.found.get(identity, ()), gazetteer)
            mentions[identity] = located.mentions
            unsupported += located.unsupported
    if unsupported or answers.unknown_ids:
        log.info(
            "entities of a language model left out",
            not_in_passage=unsupported,
            unknown_passages=answers.unknown_ids,
        )
    return mentions


def _keep_mentions(
    _resources: StepResources, _context: StepContext, text: VideoText, mentions: Mentions
) -> list[PassageEvidence]:
    return [PassageEvidence(one, mentions[one]) for one in text.ids]


def _add_relations(
    resources: StepResources, context: StepContext, text: VideoText, mentions: Mentions
) -> list[PassageEvidence]:
    """Return the mentions of a text with what its English passages state, some at a time."""
    english = text.keep_english()
    stated: dict[str, PassageEvidence] = {}
    if english.passages:
        parser = open_parser(resources.models_dir)
        sources, ids = english.sources, english.ids
        for first in range(0, len(sources), BATCH):
            if (stop := context.should_stop()) is not None:
                raise stop
            context.report(ASKING_SHARE, f"Relating passage {first + 1} of {len(sources)}")
            part = slice(first, first + BATCH)
            parsed = parser.parse([one.text for one in sources[part]])
            named = [mentions[one] for one in ids[part]]
            stated |= zip(ids[part], relate(sources[part], parsed, named), strict=True)
    evidence = []
    for one in text.ids:
        known = stated.get(one, PassageEvidence(one, mentions[one]))
        evidence.append(PassageEvidence(one, known.mentions, known.relations))
    return evidence
