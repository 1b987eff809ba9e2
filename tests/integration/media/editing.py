"""A render harness: timelines rendered piece by piece, and readers of their frames and audio."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from tests import films

from cinemill.capabilities.render.audio.audio_mix import has_audio, mix_audio
from cinemill.capabilities.render.audio.audio_overlays import resolve_overlays
from cinemill.capabilities.render.pieces.clip_filters import (
    StoredVideo,
    resolve_background,
    resolve_stills,
)
from cinemill.capabilities.render.pieces.join import JoinPiece, join_pieces
from cinemill.capabilities.render.pieces.piece_request import (
    PieceRequest,
    request_audio,
    request_piece,
)
from cinemill.capabilities.render.pieces.render_piece import PieceOutcome, render_piece
from cinemill.capabilities.render.timeline.pieces import place_clips, split_into_pieces
from cinemill.capabilities.render.timeline.timeline import Clip, Source, Timeline, Transition
from cinemill.core.output import OutputFormat
from cinemill.core.text.subtitles import Subtitles
from cinemill.media.ffmpeg.binary import FfmpegBinary
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe, probe_material

OUTPUT = OutputFormat(320, 180, Fraction(25))
FADE = Transition("fade", Fraction(2, 5))


class Bench:
    """Renders timelines whose sources are paths, each its own hash."""

    def __init__(self, ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, folder: Path) -> None:
        self._tools: dict[str, Any] = {"limits": Limits(), "sandbox": sandbox}
        self._ffmpeg_binary = ffmpeg_binary
        self._folder = folder
        self.films: dict[str, StoredVideo] = {}

    def add(self, path: Path) -> Source:
        info = probe(path, Limits(), sandbox=self._tools["sandbox"])
        self.films[str(path)] = StoredVideo(path, info)
        return Source(str(path))

    def add_material(self, path: Path) -> Source:
        info = probe_material(path, Limits(), sandbox=self._tools["sandbox"])
        self.films[str(path)] = StoredVideo(path, info)
        return Source(str(path))

    def request(self, timeline: Timeline, subtitles: Subtitles | None = None) -> list[PieceRequest]:
        hashes = {source: str(source.path) for source in timeline.sources}
        places = place_clips(timeline)
        asked = (
            request_piece(timeline, piece, places, hashes, subtitles)
            for piece in split_into_pieces(timeline)
        )
        return [resolve_stills(self.films, resolve_background(self.films, one)) for one in asked]

    def _open_session(self) -> FfmpegSession:
        return FfmpegSession(self._ffmpeg_binary, self._folder, **self._tools)

    def render(self, timeline: Timeline, subtitles: Subtitles | None = None) -> list[PieceOutcome]:
        session = self._open_session()
        return [
            render_piece(session, self.films, request, f"piece{number}.mp4")
            for number, request in enumerate(self.request(timeline, subtitles))
        ]

    def mix(self, timeline: Timeline) -> Path | None:
        asked = request_audio(timeline, {s: str(s.path) for s in timeline.sources})
        request = resolve_overlays(self.films, asked)
        if not has_audio(self.films, request):
            return None
        return mix_audio(self._open_session(), self.films, request).path

    def join(
        self, timeline: Timeline, outcomes: Sequence[PieceOutcome], sound: Path | None
    ) -> tuple[Path, dict[str, Any]]:
        path = self._folder / "film.mp4"
        pieces = [JoinPiece(one.path, **one.facts) for one in outcomes]
        facts = join_pieces(
            pieces,
            sound,
            timeline.output,
            path,
            on_progress=lambda share: None,
            should_stop=lambda: None,
        )
        return path, facts


def make_numbered(path: Path, *, rate: str = "25", seconds: float = 2, **more: Any) -> Path:
    """Create a video whose frames state their number by brightness: 4 for each."""
    number = "geq=lum='16+4*N':cb=128:cr=128"
    return films.make_film(
        path, rate=rate, seconds=seconds, filters=number, picture="testsrc2", **more
    )


def read_brightness(path: Path) -> list[float]:
    with av.open(str(path)) as film:
        return [
            float(np.mean(frame.to_ndarray(format="gray")[60:120, 120:200]))
            for frame in film.decode(video=0)
        ]


def read_numbers(path: Path) -> list[int]:
    """Return the sources' frame numbers, as :func:`make_numbered` wrote them."""
    return [round(value * 219 / 255 / 4) for value in read_brightness(path)]


def read_sound(path: Path) -> Any:
    with av.open(str(path)) as film:
        parts = [frame.to_ndarray() for frame in film.decode(audio=0)]
    return np.concatenate(parts, axis=1)[0]


def edit(*clips: Clip, output: OutputFormat = OUTPUT) -> Timeline:
    return Timeline(clips, output)
