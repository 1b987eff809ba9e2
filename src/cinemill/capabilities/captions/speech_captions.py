"""Captions that an ingestion leaves: written from the transcript that it has just stored.

They are a set of their own next to those that somebody asked for, and never replace any of them:
``storage.media.captions`` says which are shown.
"""

from __future__ import annotations

from functools import partial

from cinemill.capabilities.captions.handlers import publish_texts, write_texts
from cinemill.capabilities.captions.results import TRANSCRIBE
from cinemill.core.media import ArtifactKind
from cinemill.jobs.results import ResultOf, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.spoken_text import captions_key
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection
from cinemill.storage.media import assets, captions, findings
from cinemill.storage.media.captions import CaptionSet
from cinemill.storage.media.files import LocalFiles

TRANSCRIPTION = ResultOf(TRANSCRIBE.step, StepReport)


def caption_speech(resources: StepResources, context: StepContext) -> StepOutcome:
    """Write the transcript of an ingestion as caption files, unless they are there. Runs no model.

    Where the transcription left a gap, or no model was asked, nothing changes. Where nobody speaks,
    there are no captions, and those that an earlier ingestion left are dropped. Counts sets of
    captions: 1 or 0. Raises NotFound (``asset_not_found``, ``transcript_not_found``), DiskFull.
    """
    asset = find_asset(resources, context)
    gap = context.result_of(TRANSCRIPTION).gap
    if gap:
        return StepOutcome(write_result(StepReport(gap=gap)))
    identity = context.result_of(TRANSCRIBE).transcript_id
    if not identity:
        return StepOutcome(write_result(StepReport(reused=True)))
    record = findings.get_transcript(resources.database, identity)
    key = captions_key(record.step_key, with_words=True)
    with resources.database.begin() as connection:
        known = captions.find_ingestion_captions(connection, asset.id)
    if known is not None and known.step_key == key and _has_files(resources.files, known):
        return StepOutcome(write_result(StepReport(reused=True, count=1)))
    texts = write_texts(record.transcript, with_words=True)
    if not texts[ArtifactKind.CAPTIONS_SRT]:
        return StepOutcome(write_result(StepReport()), partial(_forget, known=known))
    artifacts = publish_texts(resources, context.folder, asset, record.transcript, texts)
    save = partial(
        assets.save_artifacts,
        asset_id=asset.id,
        step_key=key,
        artifacts=artifacts,
        variant=captions.INGESTION_VARIANT,
    )
    return StepOutcome(write_result(StepReport(count=1)), save)


def _has_files(files: LocalFiles, known: CaptionSet) -> bool:
    return all(files.exists(artifact.sha256) for artifact in known.files.values())


def _forget(connection: Connection, *, known: CaptionSet | None) -> None:
    if known is not None:
        captions.forget_captions(connection, known)
