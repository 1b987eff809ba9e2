"""Ten scenes with transitions compared with one hand-written FFmpeg command and with MoviePy.

One changed scene is also compared with a cold render. All cut the same ranges of the same video,
with the same encoder settings, cross-fades and audio. Ours does what the steps of a render do,
including verification: every piece by its own command, the audio mixed, all joined and read back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from tools.samples import fetch

from bench.report import BenchRow, alternate, cpu_seconds_of
from cinemill.capabilities.render.audio.audio_mix import mix_audio
from cinemill.capabilities.render.pieces.clip_filters import StoredVideo
from cinemill.capabilities.render.pieces.join import JoinPiece, join_pieces
from cinemill.capabilities.render.pieces.piece_request import (
    piece_key,
    request_audio,
    request_piece,
)
from cinemill.capabilities.render.pieces.render_piece import render_piece
from cinemill.capabilities.render.timeline.pieces import place_clips, split_into_pieces
from cinemill.capabilities.render.timeline.timeline import Clip, Source, Timeline, Transition
from cinemill.core.output import OutputFormat
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

ROUNDS = 2
SCENES = 10
SCENE_SECONDS = Fraction(4)
FADE_SECONDS = Fraction(1, 2)
STRIDE_SECONDS = SCENE_SECONDS - FADE_SECONDS
"""Time between the beginnings of scenes."""
OUTPUT = OutputFormat(1280, 720, Fraction(30))
MOVIEPY = "moviepy==2.2.1"


@dataclass(frozen=True)
class RenderCache:
    """Renders as the steps do, and keeps pieces by their keys."""

    ffmpeg_binary: FfmpegBinary
    sandbox: Sandbox
    film: StoredVideo
    folder: Path
    peaks: list[int] = field(default_factory=list)
    """Peak memory of each piece's command, in bytes."""

    @property
    def _session(self) -> FfmpegSession:
        quiet = (lambda _share: None, lambda: None)
        return FfmpegSession(self.ffmpeg_binary, self.folder, Limits(), self.sandbox, *quiet)

    def render(self, timeline: Timeline, kept: dict[str, JoinPiece]) -> None:
        places, hashes = place_clips(timeline), {timeline.clips[0].source: "film"}
        pieces = []
        for piece in split_into_pieces(timeline):
            request = request_piece(timeline, piece, places, hashes, None)
            key = piece_key(request, self.ffmpeg_binary.version)
            if key not in kept:
                outcome = render_piece(self._session, {"film": self.film}, request, f"{key}.mp4")
                kept[key] = JoinPiece(outcome.path, **outcome.facts)
                self.peaks.append(outcome.peak_rss_bytes)
            pieces.append(kept[key])
        sound = mix_audio(self._session, {"film": self.film}, request_audio(timeline, hashes))
        join_pieces(
            pieces,
            sound.path,
            timeline.output,
            self.folder / "film.mp4",
            on_progress=lambda _share: None,
            should_stop=lambda: None,
        )


def measure() -> list[BenchRow]:
    ffmpeg_binary = find_ffmpeg(None)
    # Under bubblewrap the caller cannot see a command's processor time.
    sandbox = Sandbox(setpriv=detect_sandbox("off").setpriv, prlimit=detect_sandbox("off").prlimit)
    with tempfile.TemporaryDirectory() as name:
        path = _create_video(ffmpeg_binary, Path(name) / "source.mp4")
        folder = Path(name) / "private"
        folder.mkdir()
        cache = RenderCache(
            ffmpeg_binary, sandbox, StoredVideo(path, probe(path, Limits())), folder
        )
        timeline = _make_timeline(path)
        cold, by_hand = alternate(
            lambda: cache.render(timeline, {}),
            lambda: _run(ffmpeg_binary, _hand_written(path), folder),
            ROUNDS,
        )
        short, long = (_join_bytes(ffmpeg_binary, cache, path, minutes) for minutes in (1, 60))
        by_moviepy = _spend_moviepy(path, Path(name))
        kept: dict[str, JoinPiece] = {}
        whole = cpu_seconds_of(lambda: cache.render(timeline, kept))
        changed = cpu_seconds_of(lambda: cache.render(_change_scene(timeline), kept))
        again = _cut_again(ffmpeg_binary, cache, folder / "film.mp4")
    piece = max(cache.peaks)
    return [
        BenchRow(
            f"render of {SCENES} scenes with transitions over one hand-written command, 720p",
            cold / by_hand,
            1.10,
            detail=f"{cold:.2f} s / {by_hand:.2f} s of CPU, medians of {ROUNDS}",
        ),
        BenchRow(
            f"the same over {MOVIEPY.replace('==', ' ')} on the same edit",
            cold / by_moviepy,
            0.20,
            detail=f"{cold:.2f} s / {by_moviepy:.2f} s of CPU, MoviePy's once",
        ),
        BenchRow(
            f"one changed scene of {SCENES}, over a cold render",
            changed / whole,
            0.15,
            detail=f"{changed:.2f} s / {whole:.2f} s of CPU",
        ),
        again,
        BenchRow(
            "render's peak memory of any process, 60 minutes over 1 minute, 720p",
            max(long, piece) / max(short, piece),
            1.10,
            detail=f"{piece >> 20} MiB to encode a piece of any video; joining, whose index "
            f"grows with it, {long >> 20} / {short >> 20} MiB",
        ),
    ]


def _cut_again(ffmpeg_binary: FfmpegBinary, cache: RenderCache, rendered: Path) -> BenchRow:
    """Measure a rendered video in one clip: copied, and encoded if from another encoder."""
    rendered = rendered.rename(rendered.with_name("rendered.mp4"))
    twin = rendered.with_name("twin.mp4")
    copy = ["-i", str(rendered), "-c:v", "libx264", "-preset", "veryfast", "-c:a", "copy"]
    _run(ffmpeg_binary, [*copy, str(twin)], rendered.parent)
    own, other = (replace(cache, film=StoredVideo(p, probe(p, Limits()))) for p in (rendered, twin))
    seconds = Fraction(own.film.info.duration_seconds_from_header).limit_denominator(1000)
    timeline = Timeline((Clip(Source(str(rendered)), Fraction(1), seconds),), OUTPUT)
    copied, encoded = alternate(
        lambda: own.render(timeline, {}), lambda: other.render(timeline, {}), ROUNDS
    )
    return BenchRow(
        "a rendered video cut again, its frames copied, over encoding them",
        copied / encoded,
        None,
        detail=f"{copied:.2f} s / {encoded:.2f} s of CPU, 720p, medians of {ROUNDS}",
    )


def _join_bytes(ffmpeg_binary: FfmpegBinary, cache: RenderCache, path: Path, minutes: int) -> int:
    """Return the peak memory of a process that joins this many minutes and reads them back."""
    output = OutputFormat(320, 180, Fraction(30))
    timeline = Timeline((Clip(Source(str(path)), Fraction(0), Fraction(30)),), output)
    kept: dict[str, JoinPiece] = {}
    cache.render(timeline, kept)
    (piece,) = kept.values()
    sine = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={60 * minutes}"]
    _run(ffmpeg_binary, [*sine, "-ar", "48000", "-c:a", "aac", "long.m4a"], cache.folder)
    facts = [str(piece.path), piece.frames, piece.delay, piece.settings, 2 * minutes]
    done = subprocess.run(
        [sys.executable, "-c", _JOIN, json.dumps(facts), str(cache.folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


_JOIN = """
import json, re, sys
from fractions import Fraction
from pathlib import Path
from cinemill.capabilities.render.timeline.timeline import OutputFormat
from cinemill.capabilities.render.pieces.join import JoinPiece, join_pieces

path, frames, delay, settings, count = json.loads(sys.argv[1])
folder = Path(sys.argv[2])
join_pieces(
    [JoinPiece(Path(path), frames, delay, settings)] * count,
    folder / "long.m4a",
    OutputFormat(320, 180, Fraction(30)),
    folder / "long.mp4",
    on_progress=lambda share: None,
    should_stop=lambda: None,
)
# Of this process alone: getrusage starts with the memory of the process that forked it.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) * 1024)
"""


def _make_timeline(path: Path) -> Timeline:
    fade = Transition("fade", FADE_SECONDS)
    starts = [STRIDE_SECONDS * number for number in range(SCENES)]
    clips = [Clip(Source(str(path)), start, start + SCENE_SECONDS, fade) for start in starts]
    return Timeline(tuple(clips), OUTPUT)


def _change_scene(timeline: Timeline) -> Timeline:
    """Show the last scene from another time on: its body and its one transition change."""
    clips = [*timeline.clips]
    clips[-1] = replace(clips[-1], start=clips[-1].start + 1, end=clips[-1].end + 1)
    return replace(timeline, clips=tuple(clips))


def _hand_written(path: Path) -> list[str]:
    inputs: list[str] = []
    graph: list[str] = []
    for number in range(SCENES):
        start = str(float(STRIDE_SECONDS * number))
        inputs += ["-ss", start, "-t", str(SCENE_SECONDS), "-i", str(path)]
        graph.append(f"[{number}:v]fps=30,scale=1280:720,format=yuv420p,settb=1/30[v{number}]")
    picture, sound = "v0", "0:a"
    for number in range(1, SCENES):
        offset = float(STRIDE_SECONDS * number)
        graph.append(
            f"[{picture}][v{number}]xfade=transition=fade:duration=0.5:offset={offset}[x{number}]"
        )
        graph.append(f"[{sound}][{number}:a]acrossfade=d=0.5[a{number}]")
        picture, sound = f"x{number}", f"a{number}"
    return [
        *inputs,
        *("-filter_complex", ";".join(graph), "-map", f"[{picture}]", "-map", f"[{sound}]"),
        *("-c:v", "libx264", "-preset", "medium", "-crf", "22", "-c:a", "aac", "-b:a", "192k"),
        *("-movflags", "+faststart", "by-hand.mp4"),
    ]


def _spend_moviepy(path: Path, folder: Path) -> float:
    """Return processor seconds of MoviePy, in a temporary environment."""
    environment, uv = folder / "moviepy", str(Path(sys.executable).parent / "uv")
    python = str(environment / "bin" / "python")
    for command in (
        [uv, "venv", "-q", "--python", sys.executable, str(environment)],
        [uv, "pip", "install", "-q", "--python", python, MOVIEPY],
    ):
        subprocess.run(command, check=True)
    script = str(Path(__file__).with_name("moviepy_edit.py"))
    numbers = (str(SCENES), str(SCENE_SECONDS), str(float(FADE_SECONDS)))
    edit = [python, script, str(path), str(folder / "by-moviepy.mp4"), *numbers]
    return cpu_seconds_of(lambda: subprocess.run(edit, check=True))


def _create_video(ffmpeg_binary: FfmpegBinary, film: Path) -> Path:
    """Create it from a real video, at 30 frames a second."""
    source = ["-stream_loop", "-1", "-i", str(fetch("bigbuckbunny")), "-t", "42"]
    picture = [
        "-vf",
        "fps=30,scale=1280:720",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "20",
    ]
    _run(ffmpeg_binary, [*source, *picture, "-c:a", "aac", "-ac", "2", str(film)], film.parent)
    return film


def _run(ffmpeg_binary: FfmpegBinary, arguments: Sequence[str], folder: Path) -> None:
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=folder)
