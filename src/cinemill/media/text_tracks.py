"""Timed text: captions as WebVTT, SubRip, plain text and JSON; the index of a sprite sheet.

WebVTT is https://www.w3.org/TR/webvtt1/; SubRip has no standard, and is written as players read it.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from cinemill.core.media import SpriteLayout
from cinemill.core.text.segmentation import Cue
from cinemill.core.timing import format_clock, to_milliseconds
from cinemill.core.transcript import Transcript, Utterance

_SRT_LIKES = str.maketrans("<>{}\\", "‹›()/")


def write_sprite_index(
    layout: SpriteLayout,
    picture_seconds: Fraction,
    image_name: str,
    *,
    end_seconds: Fraction = Fraction(0),
) -> str:
    """Return one cue per tile, each pointing at its rectangle (``image.jpg#xywh=x,y,w,h``).

    Cues follow one another without gaps from 0 to ``picture_seconds``, or to ``end_seconds`` where
    the audio goes on for longer. The last tile lasts to the end; so it does in a video that is
    longer than its sheet. ``image_name`` is relative to where the index is served.
    """
    shown = math.ceil(picture_seconds / layout.interval_seconds)
    tiles = max(1, min(layout.tiles, shown))
    lines = ["WEBVTT", ""]
    for tile in range(tiles):
        start = layout.interval_seconds * tile
        end = start + layout.interval_seconds
        if tile == tiles - 1:
            end = max(picture_seconds, end_seconds)
        x = tile % layout.columns * layout.tile_width
        y = tile // layout.columns * layout.tile_height
        lines += [
            f"{format_clock(to_milliseconds(start))} --> {format_clock(to_milliseconds(end))}",
            f"{image_name}#xywh={x},{y},{layout.tile_width},{layout.tile_height}",
            "",
        ]
    return "\n".join(lines)


def write_vtt(cues: Sequence[Cue]) -> str:
    """Return captions as WebVTT.

    Who speaks is named by a voice tag. ``&``, ``<`` and ``>`` are escaped, so no text is taken for
    a tag or for an arrow between times
    (https://www.w3.org/TR/webvtt1/#webvtt-cue-text-span).
    """
    blocks = ["WEBVTT\n"]
    for cue in cues:
        times = f"{format_clock(cue.start_ms)} --> {format_clock(cue.end_ms)}"
        lines = [html.escape(line, quote=False) for line in cue.lines]
        if cue.speaker:
            lines = [f"<v {html.escape(cue.speaker, quote=False)}>{lines[0]}", *lines[1:]]
        blocks.append("\n".join([times, *lines]) + "\n")
    return "\n".join(blocks)


def write_srt(cues: Sequence[Cue]) -> str:
    """Return captions as SubRip.

    The format has no escapes and players read ``<i>`` and ``{\an8}`` as markup, so the characters
    that begin markup are replaced by similar ones.
    """
    blocks = []
    for number, cue in enumerate(cues, start=1):
        clocks = (
            format_clock(timestamp).replace(".", ",") for timestamp in (cue.start_ms, cue.end_ms)
        )
        lines = [line.translate(_SRT_LIKES) for line in cue.lines]
        blocks.append("\n".join([str(number), " --> ".join(clocks), *lines]) + "\n")
    return "\n".join(blocks)


def write_text(transcript: Transcript) -> str:
    """Return the words alone, one utterance per line."""
    return f"{transcript.text}\n" if transcript.utterances else ""


def write_json(transcript: Transcript, cues: Sequence[Cue], *, with_words: bool) -> str:
    """Return everything for programs: settings, utterances (with words), and captions."""
    document = {
        "model": transcript.model,
        "model_revision": transcript.model_revision,
        "task": transcript.task.value,
        "spoken_language": transcript.language,
        "language": transcript.caption_language,
        "facts": dict(transcript.facts),
        "utterances": [_describe(one, with_words) for one in transcript.utterances],
        "captions": [
            {
                "start_ms": cue.start_ms,
                "end_ms": cue.end_ms,
                "lines": list(cue.lines),
                **({"speaker": cue.speaker} if cue.speaker else {}),
            }
            for cue in cues
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _describe(utterance: Utterance, with_words: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "start_ms": utterance.start_ms,
        "end_ms": utterance.end_ms,
        "text": utterance.text,
    }
    if with_words:
        document["words"] = [
            {
                "start_ms": word.start_ms,
                "end_ms": word.end_ms,
                "text": word.text.strip(),
                "probability": word.probability,
            }
            for word in utterance.words
        ]
    return document
