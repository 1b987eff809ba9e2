"""Ten scenes with transitions over one hand-written FFmpeg command; one scene changed over cold.

Both cut the same stretches of the same film, with the same encoder settings, cross-fades and sound.
Ours is what the steps of a render do, proofs included: every piece by its own command, the sound
mixed, all joined and read back.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from tools.samples import fetch

from bench.rows import BenchRow, alternate, cpu_seconds_of
from cinemill.core.pieces import cut_pieces, place_clips
from cinemill.core.takes import name_piece, request_piece, request_sound
from cinemill.core.timeline import Clip, OutputFormat, Source, Timeline, Transition
from cinemill.media.join import JoinPiece, join_pieces
from cinemill.media.limits import Limits
from cinemill.media.mix import mix_sound
from cinemill.media.pieces import render_piece
from cinemill.media.probe import probe
from cinemill.media.sandbox import Sandbox, detect_sandbox
from cinemill.media.takes import Film
from cinemill.media.toolbox import Toolbox, find_ffmpeg

ROUNDS = 3
SCENES = 10
SCENE_SECONDS = 6
STRIDE_SECONDS = 5
"""Between the beginnings of scenes, in a film of a minute."""
OUTPUT = OutputFormat(1280, 720, Fraction(30))


@dataclass(frozen=True)
class Kitchen:
    """Renders as the steps do, and keeps pieces by their keys."""

    toolbox: Toolbox
    sandbox: Sandbox
    film: Film
    folder: Path

    def render(self, timeline: Timeline, kept: dict[str, JoinPiece]) -> None:
        places, hashes = place_clips(timeline), {timeline.clips[0].source: "film"}
        pieces = []
        for piece in cut_pieces(timeline):
            request = request_piece(timeline, piece, places, hashes, None)
            key = name_piece(request, self.toolbox.version)
            if key not in kept:
                outcome = render_piece(
                    self.toolbox,
                    [self.film] * len(request.takes),
                    request,
                    folder=self.folder,
                    filename=f"{key}.mp4",
                    limits=Limits(),
                    sandbox=self.sandbox,
                    on_progress=lambda _share: None,
                    should_stop=lambda: None,
                )
                kept[key] = JoinPiece(outcome.path, **outcome.facts)
            pieces.append(kept[key])
        sound = mix_sound(
            self.toolbox,
            {"film": self.film},
            request_sound(timeline, hashes),
            folder=self.folder,
            limits=Limits(),
            sandbox=self.sandbox,
            on_progress=lambda _share: None,
            should_stop=lambda: None,
        )
        join_pieces(
            pieces,
            sound.path,
            timeline.output,
            self.folder / "film.mp4",
            on_progress=lambda _share: None,
            should_stop=lambda: None,
        )


def measure() -> list[BenchRow]:
    toolbox = find_ffmpeg(None)
    # Processor time of a command under bubblewrap is not its caller's to see.
    sandbox = Sandbox(setpriv=detect_sandbox("off").setpriv, prlimit=detect_sandbox("off").prlimit)
    with tempfile.TemporaryDirectory() as name:
        path = _make_film(toolbox, Path(name) / "source.mp4")
        folder = Path(name) / "private"
        folder.mkdir()
        kitchen = Kitchen(toolbox, sandbox, Film(path, probe(path, Limits())), folder)
        timeline = _make_timeline(path)
        cold, by_hand = alternate(
            lambda: kitchen.render(timeline, {}),
            lambda: _run(toolbox, _hand_written(path), folder),
            ROUNDS,
        )
        kept: dict[str, JoinPiece] = {}
        whole = cpu_seconds_of(lambda: kitchen.render(timeline, kept))
        changed = cpu_seconds_of(lambda: kitchen.render(_change_scene(timeline), kept))
    return [
        BenchRow(
            f"render of {SCENES} scenes with transitions over one hand-written command, 720p",
            cold / by_hand,
            1.10,
            detail=f"{cold:.2f} s / {by_hand:.2f} s of CPU, medians of {ROUNDS}",
        ),
        BenchRow(
            f"one scene changed of {SCENES}, over cold",
            changed / whole,
            0.15,
            detail=f"{changed:.2f} s / {whole:.2f} s of CPU",
        ),
    ]


def _make_timeline(path: Path) -> Timeline:
    fade = Transition("fade", Fraction(1))
    starts = [Fraction(STRIDE_SECONDS * number) for number in range(SCENES)]
    clips = [Clip(Source(str(path)), start, start + SCENE_SECONDS, fade) for start in starts]
    return Timeline(tuple(clips), OUTPUT)


def _change_scene(timeline: Timeline) -> Timeline:
    """The last scene is shown from another moment on: its body and its one transition change."""
    clips = [*timeline.clips]
    clips[-1] = replace(clips[-1], start=clips[-1].start + 1, end=clips[-1].end + 1)
    return replace(timeline, clips=tuple(clips))


def _hand_written(path: Path) -> list[str]:
    inputs: list[str] = []
    graph: list[str] = []
    for number in range(SCENES):
        start = str(STRIDE_SECONDS * number)
        inputs += ["-ss", start, "-t", str(SCENE_SECONDS), "-i", str(path)]
        graph.append(f"[{number}:v]fps=30,scale=1280:720,format=yuv420p,settb=1/30[v{number}]")
    picture, sound = "v0", "0:a"
    for number in range(1, SCENES):
        offset = STRIDE_SECONDS * number
        graph.append(
            f"[{picture}][v{number}]xfade=transition=fade:duration=1:offset={offset}[x{number}]"
        )
        graph.append(f"[{sound}][{number}:a]acrossfade=d=1[a{number}]")
        picture, sound = f"x{number}", f"a{number}"
    return [
        *inputs,
        *("-filter_complex", ";".join(graph), "-map", f"[{picture}]", "-map", f"[{sound}]"),
        *("-c:v", "libx264", "-preset", "medium", "-crf", "22", "-c:a", "aac", "-b:a", "192k"),
        *("-movflags", "+faststart", "by-hand.mp4"),
    ]


def _make_film(toolbox: Toolbox, film: Path) -> Path:
    """A minute of a real film at 30 frames a second."""
    source = ["-stream_loop", "-1", "-i", str(fetch("bigbuckbunny")), "-t", "62"]
    picture = ["-vf", "fps=30,scale=1280:720", "-c:v", "libx264", "-preset", "fast", "-crf", "20"]
    _run(toolbox, [*source, *picture, "-c:a", "aac", "-ac", "2", str(film)], film.parent)
    return film


def _run(toolbox: Toolbox, arguments: Sequence[str], folder: Path) -> None:
    command = [str(toolbox.ffmpeg), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=folder)
