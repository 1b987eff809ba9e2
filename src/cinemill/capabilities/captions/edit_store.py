"""Captions that a person has corrected: kept next to the model's transcript, and shown instead.

Nothing is transcribed again, and the transcript stays as it was. Discarding a correction shows the
model's captions again. Searches and answers follow: a job that is accepted together with the change
sees to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.capabilities.captions.edits import check_cues
from cinemill.capabilities.captions.formats import FILES, name_captions
from cinemill.core.documents import JsonObject
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.text.segmentation import Cue
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.errors import Conflict, NotFound
from cinemill.jobs.service import JobService
from cinemill.media.text_tracks import write_json, write_srt, write_text, write_vtt
from cinemill.steps.content_key import content_key
from cinemill.steps.ingestion.kinds import APPLY_CAPTION_EDITS
from cinemill.steps.named_outputs import export_output
from cinemill.storage.database import Connection, Database
from cinemill.storage.findings.ingestions import was_ingested
from cinemill.storage.media import assets, captions
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.captions import UNKNOWN_LANGUAGE, CaptionSet, read_caption_document
from cinemill.storage.media.files import LocalFiles

PERSON = "person"
VERSION_CHARACTERS = 12
"""Characters of the hash: each correction has a name of its own, because a video may have burned in
an earlier one."""
HINT = "Load the captions again and repeat the edit in the new version."


class CaptionsChanged(Conflict):
    """The captions are not the ones that the change was based on."""

    code = "captions_changed"
    http_status = 412
    hint = HINT


class VersionMissing(Conflict):
    """A change that does not say what it was based on could silently undo somebody's work."""

    code = "version_required"
    http_status = 428
    hint = "Send the ETag of the captions to replace in the If-Match header."


@dataclass(frozen=True, slots=True)
class CaptionStore:
    """Where corrections are kept."""

    database: Database
    files: LocalFiles
    shelf: Path
    """A correction's SRT gets a name below it, for a timeline that burns it in."""
    jobs: JobService


@dataclass(frozen=True, slots=True)
class SavedEdit:
    """Captions as they were saved."""

    captions: CaptionSet
    srt_path: Path
    job_id: str | None
    """Of the job after which searches know them; None where the video was not ingested."""


def list_captions(database: Database, asset_id: str) -> Mapping[str, CaptionSet]:
    """Return the current captions by language. Raises NotFound if there is no such video."""
    assets.get_asset(database, asset_id)
    with database.begin() as connection:
        return captions.find_captions(connection, asset_id)


def get_captions(database: Database, asset_id: str, language: str) -> CaptionSet:
    """Return the current captions in this language. Raises NotFound."""
    found = list_captions(database, asset_id).get(language)
    if found is None:
        raise NotFound(
            f"This video has no captions in the language {language}.",
            code="captions_not_found",
            hint="Create captions first, or write them yourself.",
        )
    return found


def correct_captions(
    store: CaptionStore, asset: AssetRecord, language: str, cues: Sequence[Cue], version: str | None
) -> SavedEdit:
    """Replace the video's captions in this language.

    ``version`` is that of the captions on which they are based; ``*`` accepts any, None is for the
    first in a language. Raises InputRejected (``captions_invalid``), CaptionsChanged,
    VersionMissing, NotFound, DiskFull.
    """
    check_cues(cues)
    known = list_captions(store.database, asset.id).get(language)
    _require_version(known, version)
    transcript = _as_transcript(
        read_caption_document(store.files, known) if known else {}, language, cues
    )
    artifacts = _store(store.files, asset, transcript, cues)
    key = _name_work(asset, language, artifacts)
    with store.database.begin() as connection:
        _require_unchanged(connection, asset.id, language, known)
        variant = f"corrected-{language}"
        assets.save_artifacts(connection, asset.id, key, artifacts, variant=variant)
        saved = captions.find_captions(connection, asset.id)[language]
        # Before the commit: if there is no space for the named file, nothing is saved.
        return SavedEdit(saved, _export(store, saved), _plan_follow_up(store, connection, asset))


def _plan_follow_up(store: CaptionStore, connection: Connection, asset: AssetRecord) -> str | None:
    """Accept the job after which searches know the captions; return its id, if it is needed."""
    if not was_ingested(connection, asset.id):
        return None
    return store.jobs.add_job(connection, APPLY_CAPTION_EDITS, asset.id, owner=asset.owner).id


def _export(store: CaptionStore, saved: CaptionSet) -> Path:
    srt = saved.files[ArtifactKind.CAPTIONS_SRT]
    folder = f"captions-{saved.asset_id}-{saved.version[:VERSION_CHARACTERS]}"
    return export_output(store.files, srt.sha256, store.shelf, folder, srt.filename)


def discard_correction(
    store: CaptionStore, asset: AssetRecord, language: str, version: str | None
) -> str | None:
    """Discard a person's correction; the model's captions apply again, if there are any.

    Returns the id of the job after which searches know them again; None where the video was not
    ingested.

    Raises NotFound, Conflict (``captions_not_corrected``), CaptionsChanged, VersionMissing.
    """
    known = get_captions(store.database, asset.id, language)
    _require_version(known, version)
    if not known.is_corrected:
        raise Conflict(
            "These captions have no edits.",
            code="captions_not_corrected",
            hint="There is nothing to discard.",
        )
    with store.database.begin() as connection:
        _require_unchanged(connection, asset.id, language, known)
        captions.forget_captions(connection, known)
        return _plan_follow_up(store, connection, asset)


def _require_version(known: CaptionSet | None, version: str | None) -> None:
    if known is None and version is None:
        return
    if known is not None and version is None:
        raise VersionMissing("The If-Match header is missing.")
    if known is None or version not in ("*", known.version):
        raise CaptionsChanged("Someone else changed these captions in the meantime.")


def _require_unchanged(
    connection: Connection, asset_id: str, language: str, known: CaptionSet | None
) -> None:
    """Raise unless the captions are unchanged.

    Called behind the lock of the video's row: of two who save at once, one is rejected.
    """
    if not assets.lock_asset(connection, asset_id):
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    current = captions.find_captions(connection, asset_id).get(language)
    if (current and current.version) != (known and known.version):
        raise CaptionsChanged("Someone else changed these captions in the meantime.")


def _as_transcript(before: JsonObject, language: str, cues: Sequence[Cue]) -> Transcript:
    """Convert each caption to an utterance; words within a person's caption have no known times."""
    said = tuple(
        Utterance(cue.start_ms, cue.end_ms, " ".join(cue.lines), speaker=cue.speaker)
        for cue in cues
    )
    return Transcript(
        model=str(before.get("model", "")),
        model_revision=str(before.get("model_revision", "")),
        language=str(
            before.get("spoken_language", "" if language == UNKNOWN_LANGUAGE else language)
        ),
        task=SpeechTask(str(before.get("task", SpeechTask.TRANSCRIBE.value))),
        utterances=said,
        facts={"corrected_by": PERSON},
    )


def _store(
    files: LocalFiles, asset: AssetRecord, transcript: Transcript, cues: Sequence[Cue]
) -> list[Artifact]:
    texts = {
        ArtifactKind.CAPTIONS_SRT: write_srt(cues),
        ArtifactKind.CAPTIONS_VTT: write_vtt(cues),
        ArtifactKind.CAPTIONS_TEXT: write_text(transcript),
        ArtifactKind.CAPTIONS_JSON: write_json(transcript, cues, with_words=False),
    }
    language = transcript.caption_language
    facts = {"language": language, "model": transcript.model, "corrected_by": PERSON}
    artifacts = []
    for file in FILES:
        with files.receive() as incoming:
            incoming.write(texts[file.kind].encode())
            stored = incoming.commit()
        artifacts.append(
            Artifact(
                kind=file.kind,
                sha256=stored.sha256,
                size_bytes=stored.size_bytes,
                filename=name_captions(asset.filename, language, file.suffix),
                media_type=file.media_type,
                facts=facts,
            )
        )
    return artifacts


def _name_work(asset: AssetRecord, language: str, artifacts: Sequence[Artifact]) -> str:
    return content_key(asset.sha256, "correction", language, [one.sha256 for one in artifacts])
