"""Key frames looked at by models: in chunks side by side, then merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

from cinemill.capabilities.analysis.frame_models import (
    FRAME_MODELS,
    FrameModel,
    LookAt,
    VideoFrames,
)
from cinemill.capabilities.analysis.sampled_frames import SampledFrame, read_sampled_frames
from cinemill.capabilities.analysis.shot_handlers import read_shots
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Parameters, choice_of
from cinemill.errors import InputRejected, ToolMissing
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.results import ResultOf, Seconds, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.finding_work import (
    is_done,
    list_active,
    list_all,
    store_findings,
    store_sightings,
)
from cinemill.steps.ingestion.gaps import StepReport, make_gap
from cinemill.steps.ingestion.plan import ProfileParameters
from cinemill.steps.ingestion.profiles import CONTENTS
from cinemill.steps.ingestion.providers import REPLACED
from cinemill.steps.models import FETCH_SHARE, ensure_model
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.source.results import PROBE
from cinemill.steps.stored_video import StoredVideo
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import Gap, close_gap, save_gap
from cinemill.storage.findings.sets import delete_set

FRAMES_PER_CHUNK = 24
"""Key frames: about a quarter of a minute of reading text, the slowest of the models."""

SIGHTINGS_GONE = (
    "sightings_gone",
    "What some of the frames show was deleted before it was merged.",
    "Process the video again.",
)
"""The job failed, and was retried after a day or more; or versions changed while it ran."""

Found = dict[FindingKind, list[Finding]]


class ChunkParameters(Parameters):
    """The key frames of a range of time, and what is looked for in them."""

    number: int
    """From 0."""
    start_ms: int
    """Of the first key frame."""
    end_ms: int
    """After the last one."""
    kinds: list[Annotated[FindingKind, choice_of(FindingKind)]]
    """What is looked for."""


class MergeParameters(Parameters):
    """What was looked for in all chunks."""

    kinds: list[Annotated[FindingKind, choice_of(FindingKind)]]
    """What was looked for."""


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What came of a chunk."""

    count: int = 0
    """Of what was seen."""
    missing: tuple[str, ...] = ()
    """Kinds whose model is not there."""
    seconds: Seconds = None


CHUNKS = ResultOf("analyze", ChunkReport)


def chunk_video(resources: StepResources, context: StepContext) -> StepOutcome:
    """Divide the key frames among steps that look at them side by side, and add those that listen.

    What is known from an earlier ingestion is not looked for again.
    """
    asset = find_asset(resources, context)
    params = context.parameters(ProfileParameters)
    contents = CONTENTS[params.profile]
    looked_for = contents.frames - REPLACED[params.provider]
    wanted = [
        kind
        for kind, model in FRAME_MODELS.items()
        if kind in looked_for and not is_done(resources.database, asset.id, model.work)
    ]
    keyframes = list_active(resources.database, asset.id, FindingKind.KEYFRAME)
    steps = _plan_chunks(keyframes, wanted) if wanted and keyframes else []
    if context.result_of(PROBE).media.audio:
        steps += _plan_listening(has_sound=contents.has_sound)
    chunks = sum(step.kind == kinds.ANALYZE_CHUNK for step in steps)
    return StepOutcome(write_result(StepReport(count=chunks)), steps=steps)


def _plan_chunks(keyframes: Sequence[Finding], wanted: Sequence[FindingKind]) -> list[StepSpec]:
    names = [kind.value for kind in wanted]
    groups = [
        keyframes[first : first + FRAMES_PER_CHUNK]
        for first in range(0, len(keyframes), FRAMES_PER_CHUNK)
    ]
    chunks = [
        StepSpec(
            f"analyze-{number:03d}",
            kinds.ANALYZE_CHUNK,
            {
                "number": number,
                "start_ms": group[0].start_ms,
                "end_ms": group[-1].start_ms + 1,
                "kinds": names,
            },
        )
        for number, group in enumerate(groups)
    ]
    after = tuple(chunk.name for chunk in chunks)
    return [*chunks, StepSpec("merge", kinds.MERGE_CHUNKS, {"kinds": names}, after=after)]


def _plan_listening(*, has_sound: bool) -> list[StepSpec]:
    sounds = [StepSpec("sounds", kinds.CLASSIFY_SOUND)] if has_sound else []
    return [
        *sounds,
        StepSpec("transcribe", kinds.TRANSCRIBE_SPEECH, after=tuple(step.name for step in sounds)),
        StepSpec("captions", kinds.CAPTION_SPEECH, after=("transcribe",)),
    ]


def analyze_chunk(resources: StepResources, context: StepContext) -> StepOutcome:
    """Look at the key frames of a chunk with each model.

    Where a model is missing, the others go on. Raises MediaRejected, CommandFailed, OutOfMemory.
    """
    asset = find_asset(resources, context)
    chunk = context.parameters(ChunkParameters)
    with ExitStack() as stack:
        looks, gaps = _open_models(resources, context, chunk.kinds, stack)
        found = _look(StoredVideo(resources, context, asset), chunk, looks)

    def write(connection: Connection) -> None:
        for kind, findings in found.items():
            seen = FRAME_MODELS[kind].work.sightings(context.run.job_id)
            store_sightings(connection, asset.id, seen, chunk.number, findings)
        for gap in gaps:
            save_gap(connection, asset.id, gap)

    report = ChunkReport(sum(map(len, found.values())), tuple(gap.subject for gap in gaps))
    return StepOutcome(write_result(report), write)


def _open_models(
    resources: StepResources,
    context: StepContext,
    wanted: Sequence[FindingKind],
    stack: ExitStack,
) -> tuple[dict[FindingKind, LookAt], list[Gap]]:
    """Return what can be looked for, and a gap for each kind whose model cannot be had."""
    looks: dict[FindingKind, LookAt] = {}
    gaps = []
    for number, kind in enumerate(wanted):
        begin = FETCH_SHARE * number / len(wanted)
        try:
            _fetch(resources, context, FRAME_MODELS[kind], begin, FETCH_SHARE / len(wanted))
            looks[kind] = stack.enter_context(FRAME_MODELS[kind].open(resources.models_dir))
        except (InputRejected, ToolMissing) as error:
            gaps.append(make_gap(kind.value, error))
    return looks, gaps


def _fetch(
    resources: StepResources, context: StepContext, model: FrameModel, begin: float, share: float
) -> None:
    for name in model.cards:
        part = share / len(model.cards)
        ensure_model(resources, context, get_card(name), begin=begin, share=part)


def _look(video: StoredVideo, chunk: ChunkParameters, looks: Mapping[FindingKind, LookAt]) -> Found:
    found: Found = {kind: [] for kind in looks}
    frames = _read_frames(video, chunk) if looks else iter(())
    for sampled in frames:
        for kind, look in looks.items():
            found[kind] += look(sampled)
    return found


def _read_frames(video: StoredVideo, chunk: ChunkParameters) -> Iterator[SampledFrame]:
    """Yield the chunk's key frames, and report each."""
    keyframes = list_active(video.resources.database, video.asset.id, FindingKind.KEYFRAME)
    inside = [one for one in keyframes if chunk.start_ms <= one.start_ms < chunk.end_ms]
    sampled = read_sampled_frames(
        video.path,
        video.read_index(),
        [_read_pts(one.details) for one in inside],
        limits=video.limits,
        sandbox=video.resources.sandbox,
        should_stop=video.context.should_stop,
    )
    for number, frame in enumerate(sampled):
        share = FETCH_SHARE + (1 - FETCH_SHARE) * number / len(inside)
        video.context.report(share, f"Looking at key frame {number + 1} of {len(inside)}")
        yield frame


def _read_pts(details: JsonObject) -> int:
    return int(str(details["pts"]))


def merge_chunks(resources: StepResources, context: StepContext) -> StepOutcome:
    """Make the sightings of all chunks the findings of the video.

    Another job may have found the same meanwhile: that stays. Where some of the sightings are gone,
    a gap is left, for the others are not what the video shows.
    """
    asset = find_asset(resources, context)
    looked_for = context.parameters(MergeParameters).kinds
    reports = context.results_of(CHUNKS).values()
    missing = {name for one in reports for name in one.missing}
    database = resources.database
    known = [one for one in looked_for if is_done(database, asset.id, FRAME_MODELS[one].work)]
    wanted = [kind for kind in looked_for if kind not in missing and kind not in known]
    seen = _read_sightings(resources, context, asset.id, looked_for)
    is_whole = sum(map(len, seen.values())) == sum(one.count for one in reports)
    merged = _merge(resources, context, asset.id, {kind: seen[kind] for kind in wanted})

    def write(connection: Connection) -> None:
        for kind in wanted:
            if is_whole:
                store_findings(connection, asset.id, FRAME_MODELS[kind].work, merged[kind])
                close_gap(connection, asset.id, kind.value)
            else:
                save_gap(connection, asset.id, Gap(kind.value, *SIGHTINGS_GONE))
        for kind in known:
            close_gap(connection, asset.id, kind.value)
        for kind in looked_for:
            work = FRAME_MODELS[kind].work.sightings(context.run.job_id)
            delete_set(connection, work.identify(asset.id))

    count = sum(map(len, merged.values())) if is_whole else 0
    return StepOutcome(write_result(StepReport(count=count)), write)


def _read_sightings(
    resources: StepResources, context: StepContext, asset_id: str, looked_for: Iterable[FindingKind]
) -> Found:
    works = {kind: FRAME_MODELS[kind].work.sightings(context.run.job_id) for kind in looked_for}
    return {
        kind: list(list_all(resources.database, work.identify(asset_id)))
        for kind, work in works.items()
    }


def _merge(
    resources: StepResources, context: StepContext, asset_id: str, seen: Found
) -> dict[FindingKind, Sequence[Finding]]:
    size = context.result_of(PROBE).media.video
    keyframes = list_active(resources.database, asset_id, FindingKind.KEYFRAME)
    frames = VideoFrames(
        read_shots(resources.database, asset_id),
        [one.start_ms for one in keyframes],
        size.display_width / size.display_height,
    )
    return {kind: FRAME_MODELS[kind].merge(found, frames) for kind, found in seen.items()}
