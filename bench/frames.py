"""Exact frames compared with decoding everything, and memory by the length of the video.

The ten-minute video is a real one, enlarged to 720p and encoded with the encoder's default groups
of pictures. The 32 frames are those that an analysis chooses, which prefers key frames, and for
comparison the exact middles of equal parts. Their price includes two processes and the index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.samples import fetch

from bench.films import create_real_video, repeat
from bench.report import BenchRow, alternate, cpu_seconds_of, print_table
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.frames.exact import read_frames
from cinemill.media.frames.index import read_index
from cinemill.media.frames.sampling import choose_frames

ROUNDS = 2
_COUNT = 32
_SHARE_TARGET = 0.06
_MEMORY_TARGET = 1.05
_MODEL_WIDTH = 512
_MEASURED = """
import json, resource, sys
from pathlib import Path
from bench.frames import read_spread
read_spread(Path(sys.argv[1]))
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(json.dumps([resource.getrusage(one).ru_maxrss / 1024 for one in who]))
"""


def measure() -> list[BenchRow]:
    """Measure 32 frames of ten minutes, and peak memory for one minute and two hours."""
    ffmpeg_binary = find_ffmpeg(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minute = create_real_video(ffmpeg_binary, folder / "minute.mp4", 720, 60)
        ten_minutes = repeat(ffmpeg_binary, minute, folder / "ten.mp4", 600)
        small = fetch("obama_speech")
        short = repeat(ffmpeg_binary, small, folder / "short.mp4", 60)
        long = repeat(ffmpeg_binary, small, folder / "long.mp4", 7200)
        return [*_measure_share(ffmpeg_binary, ten_minutes), *_measure_memory(short, long)]


def read_spread(film: Path, *, in_the_middle: bool = False) -> None:
    """Read 32 frames spread over a video, as an analysis does or in the middles of equal parts."""
    # Under bubblewrap the caller cannot see a command's processor time.
    off = detect_sandbox("off")
    sandbox = Sandbox(setpriv=off.setpriv, prlimit=off.prlimit)
    limits = Limits()
    index = read_index(film, limits, sandbox=sandbox)
    middles = [int(index.pts[(2 * n + 1) * len(index) // (2 * _COUNT)]) for n in range(_COUNT)]
    frames = read_frames(
        film,
        index,
        middles if in_the_middle else choose_frames(index, [], _COUNT),
        limits=limits,
        max_width=_MODEL_WIDTH,
        max_pixels=limits.max_pixels,
        sandbox=sandbox,
    )
    if sum(1 for _ in frames) != _COUNT:
        raise ValueError(f"{film.name} did not give {_COUNT} frames")


def _measure_share(ffmpeg_binary: FfmpegBinary, film: Path) -> list[BenchRow]:
    command = [str(ffmpeg_binary.ffmpeg), "-v", "error", "-nostdin", "-i", str(film)]
    command += ["-map", "0:v", "-f", "null", "-"]
    some, every = alternate(
        lambda: read_spread(film),
        lambda: subprocess.run(command, check=True, stdin=subprocess.DEVNULL),
        ROUNDS,
    )
    middle = cpu_seconds_of(lambda: read_spread(film, in_the_middle=True))
    return [
        BenchRow(
            f"{_COUNT} exact frames of 10 minutes / decoding it all",
            some / every,
            _SHARE_TARGET,
            detail=f"{some:.2f} s / {every:.2f} s of CPU, medians of {ROUNDS}",
        ),
        BenchRow(
            "the same, wherever the frames are",
            middle / every,
            None,
            detail=f"{middle:.2f} s / {every:.2f} s of CPU",
        ),
    ]


def _measure_memory(short: Path, long: Path) -> list[BenchRow]:
    (reader_short, decoder_short), (reader_long, decoder_long) = (
        _peak_mebibytes(film) for film in (short, long)
    )
    detail = (
        f"reader {reader_long:.0f} / {reader_short:.0f} MiB, "
        f"decoder {decoder_long:.0f} / {decoder_short:.0f} MiB"
    )
    ratio = (reader_long + decoder_long) / (reader_short + decoder_short)
    return [BenchRow("peak memory, 2 hours / 1 minute", ratio, _MEMORY_TARGET, detail=detail)]


def _peak_mebibytes(film: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", _MEASURED, str(film)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    reader, decoder = json.loads(done.stdout)
    return float(reader), float(decoder)


if __name__ == "__main__":
    print_table(measure())
