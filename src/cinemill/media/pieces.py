"""One piece of a timeline made and proven: exactly its frames, at exactly their times."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from cinemill.core.media import REJECTION_CODES
from cinemill.core.subtitles import write_ass
from cinemill.core.takes import PieceRequest
from cinemill.core.timeline import OutputFormat
from cinemill.errors import MediaRejected, OutputInvalid, ToolMissing
from cinemill.media.ffmpeg import FfmpegProgress, run_ffmpeg
from cinemill.media.hardware import HardwareEncoder
from cinemill.media.limits import Limits
from cinemill.media.piece_plan import FONTS_FOLDER, SUBTITLES_NAME, TITLES_NAME, plan_piece
from cinemill.media.progress import LogTally
from cinemill.media.sandbox import Sandbox
from cinemill.media.takes import Film, tail_seconds, ticks_per_frame
from cinemill.media.toolbox import Toolbox

FONT_PACKAGE = "font_source_sans_pro"
FONT_FILES = tuple(f"SourceSansPro-{face}.ttf" for face in ("Regular", "Bold", "It", "BoldIt"))


@dataclass(frozen=True, slots=True)
class PieceOutcome:
    """A verified piece in the private folder."""

    path: Path
    facts: dict[str, Any]
    """``frames``; ``delay``, how many frames decoding runs ahead of showing; ``settings``, which
    pieces must share to be joined."""
    cpu_seconds: float
    peak_rss_bytes: int
    """Of the command that made it."""


def render_piece(
    toolbox: Toolbox,
    films: Mapping[str, Film],
    request: PieceRequest,
    *,
    folder: Path,
    filename: str,
    limits: Limits,
    sandbox: Sandbox,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], Exception | None],
    hardware: HardwareEncoder | None = None,
) -> PieceOutcome:
    """Make one piece as ``filename`` in ``folder``, which must be private; without ``hardware`` in
    software.

    ``films`` by sha256. Raises MediaRejected (``media_truncated``,
    ``media_damaged``), ToolMissing, OutputInvalid, CommandFailed, CommandStalled, DiskFull, and
    whatever ``should_stop`` returns.
    """
    _lay_out_letters(request, folder)
    arguments = plan_piece(
        films,
        request,
        filename,
        can_tonemap=toolbox.can_tonemap,
        max_pixels=limits.max_pixels,
        hardware=hardware,
    )
    report = run_ffmpeg(
        toolbox,
        arguments,
        folder=folder,
        source=None,
        readable=[films[sha256].path for sha256 in request.sha256s],
        limits=limits,
        sandbox=sandbox,
        on_progress=_as_share(on_progress, request.frames),
        should_stop=should_stop,
        devices=hardware.devices if hardware else (),
    )
    facts = inspect_piece(folder / filename, request.output)
    _judge(facts["frames"], request.frames, report.tally)
    tally = report.tally
    return PieceOutcome(folder / filename, facts, tally.cpu_seconds, tally.peak_rss_bytes)


def check_reach(film: Film, end: Fraction) -> bool:
    """Whether the film goes on until ``end``, as far as its header tells."""
    info = film.info
    declared = info.video.duration_seconds_from_header or info.duration_seconds_from_header
    return not declared or float(end - tail_seconds(info)) <= max(
        declared, info.duration_seconds_from_header if info.has_edit_list else 0.0
    )


def inspect_piece(path: Path, output: OutputFormat) -> dict[str, Any]:
    """Open what was written, and compare it with the plan. Raises OutputInvalid."""
    try:
        with path.open("rb") as film, av.open(film, format="mov") as container:
            return _read_facts(container, path.name, output)
    except (OSError, av.FFmpegError, IndexError) as broken:
        raise OutputInvalid(f"{path.name} cannot be read back: {broken}") from broken


def _read_facts(container: Any, name: str, output: OutputFormat) -> dict[str, Any]:
    timescale, ticks = ticks_per_frame(output.fps)
    stream = container.streams.video[0]
    size = stream.codec_context.width, stream.codec_context.height
    packets = [packet for packet in container.demux(stream) if packet.pts is not None]
    times = [packet.pts for packet in packets]
    is_even = sorted(times) == [number * ticks for number in range(len(times))]
    is_exact = stream.time_base == Fraction(1, timescale)
    if size != (output.width, output.height) or not is_exact or not is_even:
        raise OutputInvalid(f"{name} is not on the grid of {output.fps} frames a second.")
    if packets and not packets[0].is_keyframe:
        raise OutputInvalid(f"{name} does not begin with a key frame.")
    settings = stream.codec_context.extradata or b""
    return {
        "frames": len(times),
        "delay": max((n - time // ticks for n, time in enumerate(times)), default=0),
        "settings": hashlib.sha256(settings).hexdigest()[:16],
    }


def _judge(frames: int, wanted: int, tally: LogTally) -> None:
    # What a decoder says of frames before the first key frame it met costs nothing here: only
    # what it gave up on does.
    if tally.decode_errors or tally.corrupt_packets:
        raise MediaRejected(REJECTION_CODES["media_damaged"], code="media_damaged")
    if frames < wanted:
        raise MediaRejected(REJECTION_CODES["media_truncated"], code="media_truncated")
    if frames != wanted:
        raise OutputInvalid(f"A piece has {frames} frames instead of {wanted}.")


def _lay_out_letters(request: PieceRequest, folder: Path) -> None:
    """Our own files under our own names, and the font beside it: a filter's text names nothing of
    the user's, and the walls hide every other font."""
    written = {SUBTITLES_NAME: request.lettering, TITLES_NAME: request.titles}
    shown = {name: lettering for name, lettering in written.items() if lettering.shown}
    if shown:
        lay_out_fonts(folder)
    for name, lettering in shown.items():
        text = write_ass(lettering, request.output.fps)
        (folder / name).write_text(text, encoding="utf-8")


def lay_out_fonts(folder: Path) -> None:
    """The faces into a folder's ``fonts``. Raises ToolMissing."""
    fonts = folder / FONTS_FOLDER
    if not fonts.exists():
        fonts.mkdir()
        for path in find_fonts():
            shutil.copyfile(path, fonts / path.name)


def find_fonts() -> tuple[Path, ...]:
    """The faces that subtitles are drawn with. Raises ToolMissing."""
    package = importlib.util.find_spec(FONT_PACKAGE)
    for folder in (package.submodule_search_locations or []) if package else []:
        paths = tuple(Path(folder) / "files" / name for name in FONT_FILES)
        if all(path.is_file() for path in paths):
            return paths
    raise ToolMissing(
        "The font that subtitles are drawn with is missing.",
        way_on="Install the package font-source-sans-pro.",
    )


def _as_share(
    on_progress: Callable[[float], None], frames: int
) -> Callable[[FfmpegProgress], None]:
    def tell(progress: FfmpegProgress) -> None:
        on_progress(min(1.0, progress.frame / frames))

    return tell
