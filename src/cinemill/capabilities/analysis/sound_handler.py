"""Kinds of sound of a stored video."""

from __future__ import annotations

from cinemill.capabilities.analysis.shot_handlers import report_found, report_known
from cinemill.capabilities.analysis.sound import SOUND_MODEL, find_sounds
from cinemill.core.findings.finding import FindingKind
from cinemill.core.media import ArtifactKind
from cinemill.inference.sound.classifier import open_sound_classifier
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion.finding_work import FindingWork, is_done
from cinemill.steps.resources import StepResources, ffmpeg_session, find_asset, require_space
from cinemill.steps.source.audio_samples import BYTES_PER_SECOND, extract_samples
from cinemill.steps.source.results import PROBE
from cinemill.steps.stored_video import find_artifact_path

SOUNDS = FindingWork(FindingKind.SOUND, SOUND_MODEL)
EXTRACT_SHARE = 0.3
SPARE_BYTES = 1024 * 1024


def classify_sound(resources: StepResources, context: StepContext) -> StepOutcome:
    """Find the ranges of speech, singing and music, unless they are known.

    Raises MediaRejected (``media_no_sound`` and others), ToolMissing (``extra_missing``,
    ``model_missing``), CommandFailed, DiskFull.
    """
    asset = find_asset(resources, context)
    if is_done(resources.database, asset.id, SOUNDS):
        return report_known(resources.database, asset.id, FindingKind.SOUND)
    classifier = open_sound_classifier(resources.models_dir)
    info = context.result_of(PROBE).media
    require_space(
        resources, SPARE_BYTES + int(info.duration_seconds_from_header * BYTES_PER_SECOND)
    )
    samples = extract_samples(
        ffmpeg_session(resources, context, "Extracting the audio", share=EXTRACT_SHARE),
        resources.files.require(asset.sha256),
        info,
        prepared=find_artifact_path(resources, asset, ArtifactKind.AUDIO),
    )
    context.report(EXTRACT_SHARE, "Telling speech from music")

    def check_cancelled() -> None:
        if (stop := context.should_stop()) is not None:
            raise stop

    found = find_sounds(samples, classifier, check_cancelled=check_cancelled)
    return report_found(asset.id, SOUNDS, found)
