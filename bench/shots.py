"""Shots: cuts found of those that are known, and processor time over decoding once.

Known are the cuts of the sample videos, as a person sees them, and of films that are joined from
pieces of them in random order, at three rates, sizes and qualities. A cut counts as found within a
frame of 25 a second. Processor time is that of five minutes in 720p, compared with FFmpeg decoding
the same file to nothing. An ingestion decodes a video once, for everything: what its shots cost is
that decode with tiny frames as one more output, and finding the shots in these.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.known_cuts import CUTS_MS, count_found
from tools.samples import fetch

from bench.films import create_real_video, repeat
from bench.report import BenchRow, alternate, print_table
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame
from cinemill.media.frames.shots import detect_shots

PIECES = ("bikes", "bigbuckbunny", "expressive_face", "no_face", "single_face", "obama_speech")
JOINED = ((24, "640x360", 18), (25, "320x180", 30), (30, "426x240", 35))
"""Frames a second, size, and the encoder's quality (CRF)."""
PIECES_OF_FILM = 40
LEAST_F1 = 0.95
MOST_CPU = 1.15
ROUNDS = 2
FILM_SECONDS = 300
LAST_FRAME_MS = 40


def measure() -> list[BenchRow]:
    """Measure F1 on known cuts, and processor time over one decode."""
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [_measure_cuts(ffmpeg_binary, folder), *_measure_cost(ffmpeg_binary, folder)]


def find_cuts(film: Path) -> list[int]:
    """Return the times of all cuts, in milliseconds."""
    # Under bubblewrap the caller cannot see a command's processor time.
    off = detect_sandbox("off")
    sandbox = Sandbox(setpriv=off.setpriv, prlimit=off.prlimit)
    width, height = SHOT_FRAME_SIZE
    frames = [
        (frame.time_ms, frame.pixels)
        for frame in read_every_frame(
            film, limits=Limits(), width=width, height=height, sandbox=sandbox
        )
    ]
    return [shot.start_ms for shot in detect_shots(frames, frames[-1][0] + LAST_FRAME_MS)[1:]]


def _measure_cuts(ffmpeg_binary: FfmpegBinary, folder: Path) -> BenchRow:
    hits, found_count, true_count = 0, 0, 0
    for film, true in _list_films(ffmpeg_binary, folder):
        found = find_cuts(film)
        hits += count_found(found, true)
        found_count += len(found)
        true_count += len(true)
    f1 = 2 * hits / (found_count + true_count)
    how = f"{hits} of {true_count} cuts found, {found_count - hits} that are none"
    return BenchRow("shots: F1 on known cuts", f1, LEAST_F1, "", how, more_is_better=True)


def _list_films(ffmpeg_binary: FfmpegBinary, folder: Path) -> Iterator[tuple[Path, list[int]]]:
    for name, cuts in CUTS_MS.items():
        yield fetch(name), cuts
    for number, (fps, size, crf) in enumerate(JOINED):
        yield _join_pieces(ffmpeg_binary, folder / f"joined-{number}.mp4", fps, size, crf)


def _join_pieces(
    ffmpeg_binary: FfmpegBinary, film: Path, fps: int, size: str, crf: int
) -> tuple[Path, list[int]]:
    """Join second-long pieces, no two of the same video in a row; return the film and its cuts."""
    chosen = random.Random(crf)
    order = [chosen.randrange(len(PIECES))]
    while len(order) < PIECES_OF_FILM:
        order.append((order[-1] + chosen.randrange(1, len(PIECES))) % len(PIECES))
    frames = [chosen.randint(fps // 2, 2 * fps) for _ in order]
    inputs, chains = [], []
    for place, (piece, count) in enumerate(zip(order, frames, strict=True)):
        inputs += ["-i", f"file:{fetch(PIECES[piece])}"]
        shape = f"scale={size.replace('x', ':')},setsar=1,format=yuv420p"
        # The beginning of each sample has no cut of its own; a still frame fills short ones.
        cut = f"tpad=stop=-1:stop_mode=clone,trim=end_frame={count},setpts=N/{fps}/TB"
        chains.append(f"[{place}:v]trim=end=1,fps={fps},{shape},{cut}[v{place}]")
    labels = "".join(f"[v{place}]" for place in range(len(order)))
    chains.append(f"{labels}concat=n={len(order)}[film]")
    codec = ["-map", "[film]", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf)]
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", *inputs]
    command += ["-filter_complex", ";".join(chains), *codec, str(film)]
    subprocess.run(command, check=True)
    ends = [sum(frames[: place + 1]) for place in range(len(order) - 1)]
    return film, [round(1000 * end / fps) for end in ends]


def _measure_cost(ffmpeg_binary: FfmpegBinary, folder: Path) -> Iterator[BenchRow]:
    minute = create_real_video(ffmpeg_binary, folder / "minute.mp4", 720, 60)
    film = repeat(ffmpeg_binary, minute, folder / "film.mp4", FILM_SECONDS)
    tiny = folder / "tiny.mkv"
    read = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-y", "-i", str(film)]
    read += ["-map", "0:v"]
    width, height = SHOT_FRAME_SIZE
    shrink = ["-vf", f"scale={width}:{height}:flags=area,format=yuv420p", "-c:v", "ffv1"]

    def decode() -> None:
        subprocess.run([*read, "-f", "null", "-"], check=True)

    def prepare_and_find() -> None:
        subprocess.run([*read, *shrink, "-fps_mode", "passthrough", str(tiny)], check=True)
        find_cuts(tiny)

    for name, work in (
        ("of an ingestion", prepare_and_find),
        ("of an original", lambda: find_cuts(film)),
    ):
        ours, bare = alternate(work, decode, ROUNDS)
        how = f"{ours:.1f} s, decoding {bare:.1f} s; {FILM_SECONDS} s in 720p"
        yield BenchRow(f"shots {name}: CPU over decoding once", ours / bare, MOST_CPU, "", how)


if __name__ == "__main__":
    print_table(measure())
