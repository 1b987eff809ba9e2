"""The plan of a render: fetch, validate, render the pieces on all workers at once, mix, join.

::

    gather… ──► open ──► render… ──► join
                   └───► mix ─────────┘

Each render has one ``open`` step, so the rate limit of renders applies to it. If there are very
many pieces, neighbors share a step, so that a render has a few hundred rows at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cinemill.capabilities.render import kinds
from cinemill.capabilities.render.results import REMADE, RENDERED, PieceResult
from cinemill.capabilities.render.timeline.models import SceneListDocument, TimelineDocument
from cinemill.capabilities.render.timeline.pieces import (
    Piece,
    SpanSweep,
    find_overlays,
    partition_by_weight,
    split_into_pieces,
)
from cinemill.capabilities.render.timeline.timeline import Timeline
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.documents import quote
from cinemill.core.encoding.rendition import VideoCodec
from cinemill.core.job import StepSpec
from cinemill.core.parameters import Expected, Listed, Parameters, reject
from cinemill.errors import InputRejected
from cinemill.steps import batch

RENDER_CODEC = VideoCodec.H264
RENDER_STEP, REMAKE_STEP = RENDERED.step, REMADE.step
GATHER_STEPS = 100
RENDER_STEPS = 300
START_FRAMES = 10
"""The cost of starting a piece, in frames."""


class FetchParameters(Parameters):
    """Which of a timeline's sources a step fetches."""

    first: int
    """The number of the first one."""
    count: int
    """How many."""


class PiecesParameters(Parameters):
    """Which pieces a step renders."""

    first: int
    """The number of the first one."""
    count: int
    """How many."""
    of: int
    """Of how many in all: another version might cut the timeline otherwise."""
    in_software: bool = False
    """Whether hardware is not used, even where the timeline asks for it."""

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True)


class _TimelineSchema:
    """Annotates a timeline that is passed on unread, and read once where it is planned."""

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        forms = (TimelineDocument, SceneListDocument)
        described = (
            form.__get_pydantic_json_schema__(form.__pydantic_core_schema__, handler)
            for form in forms
        )
        return {"anyOf": list(described)}


class RenderParameters(Parameters):
    """One timeline, rendered into one file."""

    job: Annotated[Any, _TimelineSchema()] = None
    """Timeline: the clips of one track, or several tracks with overlays, titles and audio."""


class BatchParameters(Parameters):
    """Many timelines, each rendered into a file of its own."""

    jobs: Annotated[
        Listed[Annotated[Any, _TimelineSchema()]],
        Expected(
            "a list of timelines",
            hint="Pass the list as the only argument, or as the parameter 'jobs'.",
        ),
    ]
    """Timelines, at most 1000. One that cannot be rendered does not stop the others."""

    @field_validator("jobs", mode="after")
    @classmethod
    def _check_count(cls, jobs: tuple[Any, ...]) -> tuple[Any, ...]:
        if not jobs:
            raise reject("A batch needs at least one timeline.")
        if len(jobs) > batch.MOST_CHILDREN:
            raise reject(
                f"A batch has at most {batch.MOST_CHILDREN} timelines, this has {len(jobs)}.",
                code="batch_too_long",
                hint="Submit several batches.",
            )
        return jobs


def plan_render(params: RenderParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan one file from a timeline. Raises InputRejected, with the index of the clip."""
    _refuse_asset("render_video", asset_id)
    if not isinstance(params.job, dict):
        raise InputRejected(
            f"job must be a timeline, an object with clips or tracks, not {quote(params.job)}.",
            code="timeline_invalid",
            hint="Pass the timeline as the only argument, or as the parameter 'job'.",
        )
    timeline = read_timeline(params.job)
    gathers = _plan_gathers(timeline)
    renders = _plan_renders(timeline, gathers)
    names = tuple(step.name for step in gathers)
    return [
        *gathers,
        StepSpec("open", kinds.VALIDATE_RENDER, after=names),
        *renders,
        StepSpec("mix", kinds.MIX_AUDIO, after=("open", *names)),
        StepSpec(
            "join", kinds.JOIN_RENDER, after=(*names, "open", *(s.name for s in renders), "mix")
        ),
    ]


def _refuse_asset(kind: str, asset_id: str | None) -> None:
    if asset_id is not None:
        raise InputRejected(
            f"{kind} takes no asset: a timeline names its own videos.",
            code="params_invalid",
            hint="Leave asset_id out, and name the asset in the timeline's clips.",
        )


def plan_batch(_params: BatchParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan many timelines, each rendered by a job of its own. Raises InputRejected.

    A timeline that cannot be rendered is no reason to refuse the others: it fails by itself.
    """
    _refuse_asset("batch_render", asset_id)
    return [
        StepSpec("submit", kinds.SUBMIT_BATCH),
        StepSpec("collect", kinds.COLLECT_BATCH, after=("submit",)),
    ]


def name_children(job_id: str, params: BatchParameters) -> list[str]:
    """Return the ids of a batch's renders: the same each time that they are asked for."""
    return batch.name_children(job_id, len(params.jobs))


def _plan_gathers(timeline: Timeline) -> list[StepSpec]:
    """Plan to fetch the clips' videos, then the overlays, which are kept with the first of them."""
    clip_sources, all_sources = len(timeline.clip_sources), len(timeline.sources)
    shares = partition_by_weight([1] * clip_sources, GATHER_STEPS)
    over_clips = [
        range(clip_sources + one.start, clip_sources + one.stop)
        for one in partition_by_weight([1] * (all_sources - clip_sources), GATHER_STEPS)
    ]
    return [
        StepSpec(
            f"gather-{number:03d}",
            kinds.FETCH_SOURCES,
            {"first": share.start, "count": len(share)},
            after=() if share.start < clip_sources else ("gather-000",),
        )
        for number, share in enumerate([*shares, *over_clips])
    ]


def _plan_renders(timeline: Timeline, gathers: Sequence[StepSpec]) -> list[StepSpec]:
    pieces = split_into_pieces(timeline)
    numbers = {source: number for number, source in enumerate(timeline.sources)}
    sweep = SpanSweep(find_overlays(timeline))
    steps = []
    for name, share in share_pieces(pieces).items():
        own = pieces[share.start : share.stop]
        clips = [timeline.clips[index] for piece in own for index in piece.clips]
        # The output of a gap is kept with the first video.
        used = {0 if clip.is_gap else numbers[clip.source] for clip in clips}
        seen = sweep.find(own[0].first, own[-1].end)
        used |= {numbers[timeline.overlays[index].source] for index in seen}
        params = PiecesParameters(first=share.start, count=len(share), of=len(pieces))
        after = ("open", *_find_gathers(gathers, used))
        codec = RENDER_CODEC.value if timeline.use_gpu else None
        steps.append(
            StepSpec(name, kinds.RENDER_PIECES, params.to_json(), after=after, hardware=codec)
        )
    return steps


def share_pieces(pieces: Sequence[Piece]) -> dict[str, range]:
    """Return which pieces each step renders, by its name."""
    shares = partition_by_weight([piece.frames + START_FRAMES for piece in pieces], RENDER_STEPS)
    return {f"{RENDER_STEP}{number:03d}": share for number, share in enumerate(shares)}


def _find_gathers(gathers: Sequence[StepSpec], used: set[int]) -> list[str]:
    return [
        step.name
        for step in gathers
        if used & set(range(step.params["first"], step.params["first"] + step.params["count"]))
    ]


def find_pieces(timeline: Timeline, params: PiecesParameters) -> Sequence[Piece] | None:
    """Return the pieces that a step was planned for; None where this version cuts otherwise."""
    pieces = split_into_pieces(timeline)
    if len(pieces) != params.of:
        return None
    return pieces[params.first : params.first + params.count]


def plan_remake(made: Mapping[str, Sequence[PieceResult]]) -> list[StepSpec]:
    """Plan to encode in software the pieces that were encoded in hardware, and to join again.

    ``made`` are the pieces by the steps' names.
    """
    total = sum(len(pieces) for pieces in made.values())
    steps, first = [], 0
    for name, pieces in sorted(made.items()):
        if any(piece.hardware for piece in pieces):
            params = PiecesParameters(first=first, count=len(pieces), of=total, in_software=True)
            again = name.replace(RENDER_STEP, REMAKE_STEP)
            steps.append(StepSpec(again, kinds.RENDER_PIECES, params.to_json()))
        first += len(pieces)
    after = tuple(step.name for step in steps)
    return [*steps, StepSpec("rejoin", kinds.JOIN_RENDER, after=after)]
