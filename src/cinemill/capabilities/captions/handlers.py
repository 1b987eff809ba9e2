"""Captions of a stored video: transcribed once by a model, written in several formats."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.capabilities.captions.formats import FILES, name_captions
from cinemill.capabilities.captions.likely_names import LikelyNames, find_likely_names
from cinemill.capabilities.captions.plan import WritingParameters
from cinemill.capabilities.captions.request import SpeechRequest
from cinemill.capabilities.captions.results import TRANSCRIBE, TranscribeResult
from cinemill.core.findings.finding import FindingKind
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.core.text.segmentation import make_cues
from cinemill.core.transcript import SpeechTask, Transcript, list_words
from cinemill.errors import InputRejected, MediaRejected, ToolMissing
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.rejections import REJECTION_CODES
from cinemill.media.text_tracks import write_json, write_srt, write_text, write_vtt
from cinemill.steps.content_key import content_key
from cinemill.steps.ingestion.finding_work import list_active
from cinemill.steps.ingestion.gaps import is_ingestion, make_gap
from cinemill.steps.ingestion.spoken_text import (
    WRITING,
    captions_key,
    find_heard,
    read_spoken_text,
)
from cinemill.steps.models import ensure_model, reject_model
from cinemill.steps.named_outputs import export_output
from cinemill.steps.publish import publish_artifact
from cinemill.steps.resources import (
    StepResources,
    ffmpeg_session,
    find_asset,
    require_space,
    stage_seconds,
)
from cinemill.steps.source.audio_samples import BYTES_PER_SECOND, describe_heard, extract_samples
from cinemill.steps.source.results import PROBE
from cinemill.steps.stored_video import find_artifact_path
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import Gap, close_gap, save_gap
from cinemill.storage.media import assets, findings
from cinemill.storage.media.assets import AssetRecord

if TYPE_CHECKING:
    from cinemill.inference.sound.ranges import AudioSpan
    from cinemill.inference.speech.model import SpeechModel

SPEECH = "speech"
NAMES = "names"
"""Of the gap where speech was heard without the list of names."""
STAGE = "transcribe"
STAGE_VERSION = 2
"""Increase it when the same video, model and request would give another transcript."""
AUDIO_SHARE = 0.05
"""Share of the step's progress that extracting the audio takes, once the model is there."""
MIN_BYTES = 1024 * 1024


def transcribe_speech(resources: StepResources, context: StepContext) -> StepOutcome:
    """Transcribe the speech of the job's video, unless the same model has done so before.

    With another list of names, it is transcribed again. An ingestion does not listen where a person
    has written what is said; it listens without names, and leaves a gap, where the list of names
    cannot be used.

    Result: ``asset_id``, ``transcript_id``, ``language``, ``model``, ``stages`` in seconds,
    ``reused``. Raises MediaRejected (``media_no_sound`` and others), InputRejected
    (``model_missing``, ``model_damaged``, ``model_unavailable``, ``translation_impossible``,
    ``names_unreadable``, ``name_invalid``), TooLarge (``names_too_large``, ``too_many_names``),
    CommandFailed, DiskFull.
    """
    asset = find_asset(resources, context)
    stages = {**context.result_of(PROBE).stages, **stage_seconds(context)}
    if is_ingestion(context) and (written := _find_written(resources, asset)) is not None:
        return StepOutcome(
            write_result(replace(written, stages=stages)),
            lambda connection: close_gap(connection, asset.id, NAMES),
        )
    request = context.parameters(SpeechRequest)
    key = transcript_key(asset.sha256, request, get_card(request.model).revision)
    spoken = _find_spoken(resources, context, asset)
    if spoken is not None:
        key = content_key(key, [(one.start_ms, one.end_ms) for one in spoken])
    likely, gap = _find_names(resources, context, asset)
    if likely is not None:
        key = content_key(key, "names", likely.digest)
    known = findings.find_transcript(resources.database, key)
    transcript = known or _transcribe(resources, context, asset, spoken, likely)
    result = TranscribeResult(
        asset.id,
        findings.transcript_id(asset.id, key),
        transcript.language,
        transcript.model,
        stages=stages,
        reused=known is not None,
    )

    def save(connection: Connection) -> None:
        findings.save_transcript(connection, asset_id=asset.id, step_key=key, transcript=transcript)
        if gap is not None:
            save_gap(connection, asset.id, gap)
        elif is_ingestion(context):
            close_gap(connection, asset.id, NAMES)

    return StepOutcome(write_result(result), save)


def _find_names(
    resources: StepResources, context: StepContext, asset: AssetRecord
) -> tuple[LikelyNames | None, Gap | None]:
    """Return likely names; in an ingestion, the gap that a list leaves which cannot be used.

    A line of the list must not cost an ingestion all that is said.
    """
    try:
        return find_likely_names(resources, asset), None
    except InputRejected as error:
        if not is_ingestion(context):
            raise
        return None, make_gap(NAMES, error)


def _find_written(resources: StepResources, asset: AssetRecord) -> TranscribeResult | None:
    """Return what was heard earlier, if anything, where a person wrote what is said; else None."""
    heard = find_heard(resources.database, asset.id)
    transcript = None if heard is None else heard.transcript
    spoken = read_spoken_text(resources.database, resources.files, asset.id, transcript)
    if spoken.transcript is None or not spoken.is_certain:
        return None
    return TranscribeResult(
        asset.id,
        "" if heard is None else heard.id,
        spoken.transcript.language,
        "" if heard is None else heard.transcript.model,
        reused=True,
    )


def _find_spoken(
    resources: StepResources, context: StepContext, asset: AssetRecord
) -> Sequence[AudioSpan] | None:
    """Return the ranges to transcribe where an ingestion found music in the sound; else None."""
    sounds = list_active(resources.database, asset.id, FindingKind.SOUND)
    if not is_ingestion(context) or all(one.label == SPEECH for one in sounds):
        return None
    from cinemill.steps.ingestion.music import choose_transcribed_spans

    duration_ms = int(context.result_of(PROBE).media.duration_seconds_from_header * 1000) + 1
    return choose_transcribed_spans(sounds, max(duration_ms, *(one.end_ms for one in sounds)))


def transcript_key(sha256: str, request: SpeechRequest, revision: str) -> str:
    """Return the key of a transcript: the same bytes, weights and request have the same one."""
    return content_key(sha256, STAGE, STAGE_VERSION, revision, request.to_json())


def _transcribe(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    spoken: Sequence[AudioSpan] | None,
    likely: LikelyNames | None,
) -> Transcript:
    request = context.parameters(SpeechRequest)
    info = context.result_of(PROBE).media
    if not info.audio:
        raise MediaRejected(
            f"{REJECTION_CODES['media_no_sound']} There is no speech to caption.",
            code="media_no_sound",
            hint="Choose a video with audio.",
        )
    # Imported here: NumPy takes megabytes in each process, and only captioning needs it.
    from cinemill.inference.speech.model import release_model
    from cinemill.steps.ingestion.music import silence_others

    done = ensure_model(resources, context, get_card(request.model))
    model = open_model(request.model, resources.models_dir)
    prepared = find_artifact_path(resources, asset, ArtifactKind.AUDIO)
    try:
        samples = _extract_audio(resources, context, asset, info, prepared, begin=done)
        if spoken is not None:
            silence_others(samples, spoken)
        done += (1 - done) * AUDIO_SHARE
        names = () if likely is None else likely.names
        transcript = _run_model(model, samples, context, names, begin=done)
    finally:
        release_model(model)
    audio_source = ArtifactKind.SOURCE if prepared is None else ArtifactKind.AUDIO
    facts = {"sound_from": audio_source.value, "changes": describe_heard(info)}
    return replace(transcript, facts={**transcript.facts, **facts})


def open_model(name: str, folder: Path) -> SpeechModel:
    """Return the model of this name. Raises InputRejected with the command that fetches it."""
    from cinemill.inference.speech.model import open_speech_model

    try:
        return open_speech_model(get_card(name), folder)
    except ToolMissing as missing:
        raise reject_model(missing) from missing


def _extract_audio(
    resources: StepResources,
    context: StepContext,
    asset: AssetRecord,
    info: MediaInfo,
    prepared: Path | None,
    *,
    begin: float,
) -> Path:
    require_space(resources, MIN_BYTES + int(info.duration_seconds_from_header * BYTES_PER_SECOND))
    return extract_samples(
        ffmpeg_session(
            resources,
            context,
            "Extracting the audio",
            begin=begin,
            share=(1 - begin) * AUDIO_SHARE,
        ),
        resources.files.require(asset.sha256),
        info,
        prepared=prepared,
    )


def _run_model(
    model: SpeechModel,
    samples: Path,
    context: StepContext,
    names: Sequence[str],
    *,
    begin: float,
) -> Transcript:
    from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, memory_map

    began = time.monotonic()
    request = context.parameters(SpeechRequest)
    audio = memory_map(samples)
    context.report(begin, "Listening")
    transcribed = model.transcribe(
        audio,
        language=request.language,
        task=request.task,
        on_progress=lambda share: context.report(begin + share * (1 - begin), "Listening"),
        should_stop=context.should_stop,
        names=names,
    )
    facts = {
        "device": model.device.name,
        "precision": model.device.precision,
        "fallback_reason": model.device.fallback_reason,
        "language_probability": round(transcribed.language_probability, 3),
        "sound_seconds": round(len(audio) / SAMPLE_RATE_HZ, 3),
        "speech_seconds": round(transcribed.speech_seconds, 3),
        "seconds": round(time.monotonic() - began, 3),
        **({"hotwords": list(transcribed.hotwords)} if transcribed.hotwords else {}),
    }
    card = get_card(request.model)
    return Transcript(
        card.name,
        card.revision,
        transcribed.language,
        request.task,
        transcribed.utterances,
        facts,
    )


def write_captions(resources: StepResources, context: StepContext) -> StepOutcome:
    """Write a transcript as SubRip, WebVTT, plain text and JSON, and name the files as outputs.

    Result: ``asset_id``, ``srt_path``, ``vtt_path``, ``txt_path``, ``json_path``, ``made`` (kinds
    and variants), ``language`` as read, ``spoken_language``, ``model``, ``transcript_id``,
    ``facts``, ``stages`` in seconds, ``reused``.
    """
    began = time.monotonic()
    asset = find_asset(resources, context)
    transcribed = context.result_of(TRANSCRIBE)
    record = findings.get_transcript(resources.database, transcribed.transcript_id)
    with_words = context.parameters(WritingParameters).words
    key = captions_key(record.step_key, with_words=with_words)
    texts = write_texts(record.transcript, with_words=with_words)
    artifacts = publish_texts(resources, context.folder, asset, record.transcript, texts)
    paths = {
        file.result_name: str(
            export_output(
                resources.files,
                artifact.sha256,
                resources.render_dir,
                context.run.job_id,
                artifact.filename,
            )
        )
        for file, artifact in zip(FILES, artifacts, strict=True)
    }
    stages = {**transcribed.stages, "transcribe": transcribed.seconds}
    result = {
        "asset_id": asset.id,
        **paths,
        "made": [{"kind": artifact.kind.value, "variant": key[:12]} for artifact in artifacts],
        "language": record.transcript.caption_language,
        "spoken_language": record.transcript.language,
        "translated": record.transcript.task is SpeechTask.TRANSLATE,
        "model": record.transcript.model,
        "transcript_id": record.id,
        "facts": dict(record.transcript.facts),
        "stages": {**stages, WRITING: round(time.monotonic() - began, 3)},
        "reused": transcribed.reused,
    }
    save = partial(
        assets.save_artifacts,
        asset_id=asset.id,
        step_key=key,
        artifacts=artifacts,
        variant=key[:12],
    )
    return StepOutcome(result, save)


def write_texts(transcript: Transcript, *, with_words: bool) -> Mapping[ArtifactKind, str]:
    """Return the content of each file."""
    cues = make_cues(list_words(transcript.utterances))
    return {
        ArtifactKind.CAPTIONS_SRT: write_srt(cues),
        ArtifactKind.CAPTIONS_VTT: write_vtt(cues),
        ArtifactKind.CAPTIONS_TEXT: write_text(transcript),
        ArtifactKind.CAPTIONS_JSON: write_json(transcript, cues, with_words=with_words),
    }


def publish_texts(
    resources: StepResources,
    folder: Path,
    asset: AssetRecord,
    transcript: Transcript,
    texts: Mapping[ArtifactKind, str],
) -> Sequence[Artifact]:
    """Store the content of each caption file and return the files. Raises DiskFull."""
    artifacts = []
    for file in FILES:
        path = folder / f"captions.{file.suffix}"
        path.write_text(texts[file.kind], encoding="utf-8")
        artifacts.append(
            publish_artifact(
                resources.files,
                path,
                file.kind,
                filename=name_captions(asset.filename, transcript.caption_language, file.suffix),
                media_type=file.media_type,
                facts={"language": transcript.caption_language, "model": transcript.model},
            )
        )
    return artifacts
