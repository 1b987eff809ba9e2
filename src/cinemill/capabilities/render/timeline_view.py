"""A render's timeline for people: clips, titles, subtitles, and the state of each piece. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from cinemill.capabilities.render.plan import share_pieces
from cinemill.capabilities.render.timeline.pieces import (
    Piece,
    place_clips,
    split_into_pieces,
    total_frames,
)
from cinemill.capabilities.render.timeline.timeline import Source, Timeline
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.job import Job, Step, StepState
from cinemill.errors import NotFound

RENDER_KIND = "render_video"
_STATES = {
    StepState.WAITING: "waiting",
    StepState.QUEUED: "waiting",
    StepState.RUNNING: "working",
    StepState.SUCCEEDED: "done",
    StepState.DEAD: "failed",
    StepState.CANCELLED: "waiting",
}
_MARKUP = re.compile(r"(?<!\\)\{[^}]*+\}")


def describe_layout(job: Job, steps: Sequence[Step]) -> dict[str, Any]:
    """Return the timeline of a render as JSON values, with times in seconds of the whole video.

    ``pieces`` are ``waiting``, ``working``, ``done``, ``reused`` or ``failed``. A clip's
    ``asset_id`` and the ``subtitles`` are known once the render's videos were opened. Raises
    NotFound where the job is no render.
    """
    if job.kind != RENDER_KIND:
        raise NotFound(
            "This job has no timeline.",
            code="timeline_not_found",
            hint=f"Only jobs of the kind {RENDER_KIND} have one.",
        )
    timeline = read_timeline(job.params.get("job"))
    by_name = {step.name: step for step in steps}
    output = timeline.output
    return {
        "seconds": float(total_frames(timeline) / output.fps),
        "width": output.width,
        "height": output.height,
        "fps": str(output.fps),
        "clips": list(_describe_clips(timeline, steps)),
        "titles": [
            {"text": one.text, "start": float(one.since), "end": float(one.until)}
            for one in timeline.titles
        ],
        "subtitles": list(_describe_subtitles(by_name.get("open"))),
        "pieces": list(_describe_pieces(timeline, by_name)),
    }


def _describe_clips(timeline: Timeline, steps: Sequence[Step]) -> Iterator[dict[str, Any]]:
    fps, found = timeline.output.fps, _find_assets(timeline, steps)
    for clip, place in zip(timeline.clips, place_clips(timeline), strict=True):
        joint = clip.transition if place.shared_after else None
        yield {
            "name": clip.source.path and PurePath(clip.source.path).name,
            "asset_id": clip.source.asset_id or found.get(clip.source),
            "is_gap": clip.is_gap,
            "start": float(place.first / fps),
            "seconds": float(place.frames / fps),
            "source_start": float(clip.start),
            "transition": joint and {"kind": joint.kind, "seconds": float(joint.seconds)},
        }


def _find_assets(timeline: Timeline, steps: Sequence[Step]) -> dict[Source, str]:
    """Return the assets that the steps found for the sources."""
    sources = timeline.sources
    return {
        sources[int(number)]: str(one["asset_id"])
        for step in steps
        for number, one in (step.result or {}).get("sources", {}).items()
    }


def _describe_subtitles(opened: Step | None) -> Iterator[dict[str, Any]]:
    subtitles = (opened.result or {}).get("subtitles") if opened else None
    for start_ms, end_ms, text, *_ in (subtitles or {}).get("cues", ()):
        yield {"start": start_ms / 1000, "end": end_ms / 1000, "text": to_plain_text(text)}


def to_plain_text(text: str) -> str:
    """Return the text of an ASS event without its styling."""
    # Nothing is searched for after the last closing brace: each opening one would scan to the end.
    marked, brace, rest = text.rpartition("}")
    bare = (_MARKUP.sub("", marked + brace) + rest).replace("\\N", " ").replace("\\n", " ")
    return bare.replace("\\{", "{").replace("\\}", "}").replace("\\\u2060", "\\")


def _describe_pieces(timeline: Timeline, by_name: Mapping[str, Step]) -> Iterator[dict[str, Any]]:
    pieces = split_into_pieces(timeline)
    states = _find_states(pieces, by_name)
    for number, piece in enumerate(pieces):
        yield _describe_piece(piece, timeline.output.fps, states.get(number, "waiting"))


def _describe_piece(piece: Piece, fps: Fraction, state: str) -> dict[str, Any]:
    return {
        "start": float(piece.first / fps),
        "seconds": float(piece.frames / fps),
        "clip": piece.clip,
        "transition": piece.transition,
        "state": state,
    }


def _find_states(pieces: Sequence[Piece], by_name: Mapping[str, Step]) -> dict[int, str]:
    """Return the states by the number of the piece, whose step is found by partitioning again."""
    states: dict[int, str] = {}
    for name, share in share_pieces(pieces).items():
        step = by_name.get(name)
        if step is None:
            continue
        outputs = (step.result or {}).get("pieces", ())
        for offset, number in enumerate(share):
            is_reused = offset < len(outputs) and outputs[offset]["reused"]
            states[number] = "reused" if is_reused else _STATES[step.state]
    return states
