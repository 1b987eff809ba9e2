"""A contact sheet of extracted stills: the video itself is not opened again."""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.capabilities.previews.contact_sheet_layout import (
    GAP_PIXELS,
    SheetLayout,
    arrange_sheet,
    sheet_labels,
)
from cinemill.capabilities.previews.stills import STILL_PATTERN, Still
from cinemill.core.media import ArtifactKind
from cinemill.media.color.convert import declare, scale_to, state
from cinemill.media.color.spaces import JFIF
from cinemill.media.ffmpeg.fonts import FONTS_FOLDER, copy_fonts
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.verify.expected_output import PlannedOutput
from cinemill.media.verify.outputs import inspect_output

SHEET_NAME = "sheet.jpg"
TIMES_NAME = "times.ass"


def render_contact_sheet(
    session: FfmpegSession, stills: Sequence[Still], columns: int
) -> SheetLayout:
    """Create ``sheet.jpg`` in the folder that holds the stills as ``extract_stills`` named them.

    Raises ToolMissing without the font, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and
    whatever ``session.should_stop`` returns.
    """
    layout = arrange_sheet((stills[0].width, stills[0].height), len(stills), columns)
    copy_fonts(session.folder)
    text = sheet_labels([still.seconds for still in stills], layout)
    (session.folder / TIMES_NAME).write_text(text, encoding="utf-8")
    session.run(plan_sheet(layout), readable=(), on_progress=lambda _progress: None)
    planned = PlannedOutput(ArtifactKind.CONTACT_SHEET, SHEET_NAME, "image/jpeg", *layout.size)
    inspect_output(session.folder / SHEET_NAME, planned)
    return layout


def plan_sheet(layout: SheetLayout) -> list[str]:
    """Return FFmpeg's arguments: one still a second, labelled by that clock, tiled into a grid."""
    size = (layout.tile_width, layout.tile_height)
    filters = [
        declare(JFIF),
        *scale_to(size, JFIF, JFIF, "yuvj444p", can_tonemap=False),
        f"subtitles=filename={TIMES_NAME}:fontsdir={FONTS_FOLDER}",
        f"tile={layout.columns}x{layout.rows}:padding={GAP_PIXELS}",
        state(JFIF),
        "format=yuvj420p",
    ]
    return [
        *("-f", "image2", "-framerate", "1", "-start_number", "1", "-i", STILL_PATTERN),
        *("-vf", ",".join(filters), "-frames:v", "1", "-map_metadata", "-1"),
        *("-c:v", "mjpeg", "-q:v", "3", "-update", "1", "-bitexact", "-f", "image2", SHEET_NAME),
    ]
