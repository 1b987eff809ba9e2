"""The subtitles of a render: from a file, or from the captions of its own videos."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cinemill.capabilities.render.context import RenderContext
from cinemill.capabilities.render.timeline.retime_captions import retime_captions
from cinemill.capabilities.render.timeline.timeline import Source, Timeline
from cinemill.capabilities.render.timeline.titles import titles_for_piece
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.subtitle_parser import LARGEST_FILE_BYTES, check_cost, read_subtitles
from cinemill.core.text.subtitles import Cue as DrawnCue
from cinemill.core.text.subtitles import Subtitles
from cinemill.errors import InputRejected
from cinemill.media.ffmpeg.fonts import find_fonts
from cinemill.steps.resources import StepResources
from cinemill.steps.source.input_paths import resolve_input
from cinemill.storage.media.captions import find_captions, read_caption_document


def find_subtitles(resources: StepResources, edit: RenderContext) -> Subtitles | None:
    """Return the subtitles that a timeline asks for, or None.

    Checks the titles too. Raises InputRejected (``subtitles_*``, ``captions_not_found``,
    ``path_forbidden``, ``source_not_found``), ToolMissing.
    """
    timeline = edit.timeline
    check_titles(timeline)
    if timeline.titles or timeline.subtitles or timeline.captions:
        find_fonts()
    if timeline.captions is not None:
        spoken = _find_captions(resources, edit, timeline.captions)
        subtitles = retime_captions(timeline, spoken)
        check_cost(subtitles)
        return subtitles
    if timeline.subtitles is None:
        return None
    path = resolve_input(timeline.subtitles, resources.input_roots)
    with path.open("rb") as file:
        return read_subtitles(file.read(LARGEST_FILE_BYTES + 1))


def check_titles(timeline: Timeline) -> None:
    """Raise InputRejected (``subtitles_too_complex``) for more titles than can be drawn at once."""
    output = timeline.output
    frames = math.ceil(max((title.until for title in timeline.titles), default=0) * output.fps) + 1
    lettering = titles_for_piece(timeline.titles, 0, frames, output)
    cues = tuple(
        DrawnCue(int(1000 * one.first / output.fps), int(1000 * one.end / output.fps), one.text)
        for one in lettering.shown
    )
    check_cost(Subtitles(cues, lettering.styles, lettering.size), "titles")


def _find_captions(
    resources: StepResources, edit: RenderContext, language: str
) -> dict[Source, Sequence[Cue]]:
    """Return the current captions in a language of each video of the first track that has any."""
    on_first_track = frozenset(edit.timeline.clip_sources)
    with resources.database.begin() as connection:
        found = {
            source: find_captions(connection, one.asset_id).get(language)
            for source, one in edit.found.items()
            if source in on_first_track
        }
    spoken: dict[Source, Sequence[Cue]] = {
        source: [
            Cue(said["start_ms"], said["end_ms"], tuple(said["lines"]), ())
            for said in read_caption_document(resources.files, one)["captions"]
        ]
        for source, one in found.items()
        if one is not None
    }
    if not spoken:
        raise InputRejected(
            f"No video in the first track has captions in the language {language}.",
            code="captions_not_found",
            hint="Create captions for them first, or remove 'captions' from the timeline.",
        )
    return spoken
