"""Every kind of picture that Cinemill makes of a video, and the colors in which it is shown.

    python -m tests.color_outputs

writes the table of docs/explanation/colors.md from what is measured.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

from tests.color_patches import (
    SOURCES,
    Look,
    look_at_jpeg,
    look_at_pixels,
    look_at_video,
    make_source,
)

from cinemill.capabilities.analysis.providers.range_material import plan_clip, plan_clip_picture
from cinemill.capabilities.ingest.prepare import prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.capabilities.previews.animated_preview import ANIMATION_NAME, render_animated_preview
from cinemill.capabilities.previews.contact_sheet import SHEET_NAME, render_contact_sheet
from cinemill.capabilities.previews.stills import extract_stills
from cinemill.capabilities.render.pieces.clip_filters import StoredVideo
from cinemill.capabilities.render.pieces.piece_request import ClipSpan, PieceRequest
from cinemill.capabilities.render.pieces.render_piece import render_piece
from cinemill.capabilities.streaming.encode_ladder import make_ladder
from cinemill.core.encoding.rendition import Purpose, read_rendition
from cinemill.core.media import MediaInfo
from cinemill.core.output import OutputFormat
from cinemill.media.encoding.encode import encode
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.media.frames.open_video import open_video
from cinemill.media.frames.pixels import ExactSize, PixelConverter
from cinemill.media.probe.probe import probe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "colors.md"
NEAR = 3
"""Levels, of 255, by which a channel may differ."""
WIDE_NEAR = 6
"""The same in eight bits with BT.2020's primaries, whose steps are coarser: half a step of chroma
is four levels of a dark channel on a display of BT.709's."""
TINY_NEAR = 6
"""The same in the frames for shots: nobody sees them, and at 48×27 pixels a fast filter does."""
CLEAR_NEAR = 4
"""The same of sources with transparency: FFmpeg rounds down where it puts them over black."""
_BT2020 = 9
_TABLE = re.compile(r"(?<=<!-- measured -->\n\n).*?(?=\n<!-- end -->)", re.DOTALL)
_START = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Studio:
    """Makes outputs of one source, each in a new folder."""

    ffmpeg_binary: FfmpegBinary
    sandbox: Sandbox
    folder: Path
    source: Path
    info: MediaInfo

    def open_session(self) -> FfmpegSession:
        for number in count():
            folder = self.folder / f"{self.source.stem}-{number}"
            if not folder.exists():
                folder.mkdir(mode=0o700)
                break
        return FfmpegSession(self.ffmpeg_binary, folder, Limits(), self.sandbox)


def _prepare(studio: Studio) -> Mapping[str, Look]:
    session = studio.open_session()
    request = PrepareRequest(thumbnail_seconds=_START)
    made = prepare(session, studio.source, studio.info, request)
    files = {file.kind.value: file.path for file in made.files}
    return {
        "poster": look_at_jpeg(files["poster"]),
        "thumbnail": look_at_jpeg(files["thumbnail"]),
        "sprite": look_at_jpeg(files["sprite"]),
        "proxy": look_at_video(files["proxy"]),
        "frames for shots": look_at_video(files["shot_frames"]),
        "stored frames for models": look_at_video(files["model_frames"]),
    }


def _preview(studio: Studio) -> Mapping[str, Look]:
    session = studio.open_session()
    stills = extract_stills(session, studio.source, studio.info, [_START], height=90)
    looks = {"preview still": look_at_jpeg(stills[0].path)}
    render_contact_sheet(session, stills, 1)
    looks["contact sheet"] = look_at_jpeg(session.folder / SHEET_NAME)
    render_animated_preview(session, studio.source, studio.info, [Fraction(0)])
    return looks | {"animated preview": look_at_video(session.folder / ANIMATION_NAME)}


def _read_pixels(studio: Studio) -> Mapping[str, Look]:
    # In this process: a child of its own, as for films that nobody made here, takes a second.
    with open_video(studio.source, studio.info.format, Limits()) as video:
        pixels = PixelConverter(video.stream, ExactSize(160, 90)).convert(next(video.decode_all()))
    path = studio.open_session().folder / "key.jpg"
    path.write_bytes(encode_jpeg(pixels))
    return {"frame for models": look_at_pixels(pixels), "key frame": look_at_jpeg(path)}


def _clip(studio: Studio) -> Mapping[str, Look]:
    session = studio.open_session()
    arguments = plan_clip(
        str(studio.source),
        studio.info,
        (0, 400),
        picture=plan_clip_picture(studio.info, session.binary, is_proxy=False),
        lead_seconds=0.0,
        max_pixels=session.limits.max_pixels,
    )
    session.run(arguments, readable=[studio.source], on_progress=lambda _progress: None)
    return {"clip for models": look_at_video(session.folder / "range.mp4")}


def _transcode(studio: Studio) -> Mapping[str, Look]:
    looks = {}
    for codec, container in (("h264", "mp4"), ("h265", "mp4"), ("vp9", "webm"), ("av1", "mkv")):
        wanted = read_rendition(
            {"codec": codec, "container": container, "preset": "mobile", "height": 90, "crf": 18}
        )
        made = encode(studio.open_session(), studio.source, studio.info, wanted)
        looks[f"rendition, {codec.upper()}"] = look_at_video(made.path)
    return looks


def _ladder(studio: Studio) -> Mapping[str, Look]:
    session = studio.open_session()
    made = make_ladder(session, studio.source, studio.info, Purpose.MOBILE)
    rungs = [look_at_video(session.folder / stream.filename) for stream in made.video_streams]
    # A player changes rungs in the middle of a film.
    assert len({rung.tags for rung in rungs}) == 1
    return {"HLS and DASH": max(rungs, key=lambda rung: rung.distance)}


def _render(studio: Studio) -> Mapping[str, Look]:
    videos = {"film": StoredVideo(studio.source, studio.info)}
    span = ClipSpan("film", Fraction(0))
    request = PieceRequest((span,), 5, "", OutputFormat(160, 90, Fraction(10)))
    made = render_piece(studio.open_session(), videos, request, "piece.mp4")
    return {"render": look_at_video(made.path)}


MAKERS: tuple[Callable[[Studio], Mapping[str, Look]], ...] = (
    _prepare,
    _preview,
    _read_pixels,
    _clip,
    _transcode,
    _ladder,
    _render,
)


def measure_source(
    name: str, folder: Path, ffmpeg_binary: FfmpegBinary, sandbox: Sandbox
) -> dict[str, Look]:
    """Make every output of this kind of source, and return how each is shown, by its name."""
    source = make_source(name, folder)
    info = probe(source, Limits(), sandbox=sandbox)
    studio = Studio(ffmpeg_binary, sandbox, folder, source, info)
    return {output: look for make in MAKERS for output, look in make(studio).items()}


def is_right(output: str, look: Look, source: str = "") -> bool:
    """Check whether a picture of this kind of source is shown right, and states its colors."""
    near = TINY_NEAR if output == "frames for shots" else CLEAR_NEAR if "alpha" in source else NEAR
    return look.is_stated and look.distance <= (WIDE_NEAR if look.tags[1] == _BT2020 else near)


def write_table(measured: Mapping[str, Mapping[str, Look]]) -> str:
    """Return the table of the page: a line for each output, a column for each kind of source."""
    outputs = list(dict.fromkeys(output for looks in measured.values() for output in looks))
    lines = [["Output", *measured], ["---"] * (1 + len(measured))]
    for output in outputs:
        rights = [is_right(output, looks[output], name) for name, looks in measured.items()]
        lines.append([output, *("right" if right else "wrong" for right in rights)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def read_table() -> str:
    """Return the table as it is on the page."""
    found = _TABLE.search(PAGE.read_text("utf-8"))
    return found.group() if found else ""


def main() -> int:
    """Measure all, and write the page's table. Returns 1 if something is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        binary, sandbox = find_ffmpeg(None), detect_sandbox()
        measured = {name: measure_source(name, Path(folder), binary, sandbox) for name in SOURCES}
    table = write_table(measured)
    PAGE.write_text(_TABLE.sub(lambda _found: table, PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(table)
    return 1 if "wrong" in table else 0


if __name__ == "__main__":
    sys.exit(main())
