"""Passages of a stored video: what is said, written, seen and described in it, for search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.search.keyframe_passages import make_keyframe_passages
from cinemill.capabilities.search.picture_passages import (
    make_description_passages,
    make_picture_passages,
)
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.transcript import Transcript
from cinemill.jobs.results import ResultOf, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.ingestion.plan import ProfileParameters
from cinemill.steps.ingestion.profiles import CONTENTS
from cinemill.steps.ingestion.speech_passages import make_passages
from cinemill.steps.ingestion.spoken_text import find_heard, read_spoken_text, require_unchanged
from cinemill.steps.resources import StepResources, find_asset
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.sets import lock_asset
from cinemill.storage.media.findings import TranscriptRecord, get_transcript
from cinemill.storage.retrieval.passages import count_passages, save_passages

Passages = Mapping[PassageTrack, Sequence[Passage]]


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What was transcribed by the same job."""

    transcript_id: str = ""
    """Empty where a gap was left."""


TRANSCRIBED = ResultOf("transcribe", Transcribed)


def write_passages(resources: StepResources, context: StepContext) -> StepOutcome:
    """Divide what is known of the video into passages; those that stay keep their embeddings.

    What is said is what a person wrote in captions, if anybody did. Raises Postponed where
    somebody edits them at this moment.

    Its pictures become passages where the profile includes their search, or where they are already.
    """
    asset = find_asset(resources, context)
    record = _find_transcript(resources.database, context, asset.id)
    heard = None if record is None else record.transcript
    spoken = read_spoken_text(resources.database, resources.files, asset.id, heard)
    passages = dict(read_passages(resources.database, asset.id, spoken.transcript))
    if _has_pictures(resources.database, context, asset.id):
        passages[PassageTrack.KEYFRAME] = make_keyframe_passages(
            list_active(resources.database, asset.id, FindingKind.KEYFRAME),
            list_active(resources.database, asset.id, FindingKind.SHOT),
        )

    def write(connection: Connection) -> None:
        lock_asset(connection, asset.id)
        require_unchanged(connection, asset.id, spoken)
        for track, listed in passages.items():
            save_passages(connection, asset.id, track, listed)

    count = sum(map(len, passages.values()))
    return StepOutcome(write_result(StepReport(count=count)), write)


def _find_transcript(
    database: Database, context: StepContext, asset_id: str
) -> TranscriptRecord | None:
    """Return the transcript of the same job; where it has none, that of an earlier one.

    The job's own may be an old one that was found again, with later captions by another model.
    """
    transcribed = context.find_result(TRANSCRIBED)
    if transcribed is not None and transcribed.transcript_id:
        return get_transcript(database, transcribed.transcript_id)
    return find_heard(database, asset_id)


def _has_pictures(database: Database, context: StepContext, asset_id: str) -> bool:
    if CONTENTS[context.parameters(ProfileParameters).profile].has_pictures:
        return True
    with database.begin() as connection:
        return PassageTrack.KEYFRAME in count_passages(connection, asset_id)


def read_passages(database: Database, asset_id: str, transcript: Transcript | None) -> Passages:
    """Return the passages with a text: those of the transcript and of the active findings."""

    def find(kind: FindingKind) -> list[Finding]:
        return list_active(database, asset_id, kind)

    cuts_ms = [one.start_ms for one in find(FindingKind.SHOT)]
    seen = sorted([*find(FindingKind.TAG), *find(FindingKind.OBJECT)], key=lambda one: one.start_ms)
    return {
        PassageTrack.SPEECH: [] if transcript is None else make_passages(transcript, cuts_ms),
        PassageTrack.TEXT: make_picture_passages(
            find(FindingKind.TEXT), cuts_ms, PassageTrack.TEXT
        ),
        PassageTrack.PICTURE: make_picture_passages(
            seen, cuts_ms, PassageTrack.PICTURE, language="en"
        ),
        PassageTrack.DESCRIPTION: make_description_passages(find(FindingKind.DESCRIPTION)),
    }
