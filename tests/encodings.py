"""Videos that were encoded once or twice, cut and joined: for encoder forensics.

A plain module for tests and benchmarks. Sources are lossless, so that the first encoding here is
the first one, and move and flicker as recordings do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.films import run

SIZE = (320, 180)
RATE = 25
# A fractal that is zoomed into, rolling gradients, a cellular automaton; sensor noise on each.
PICTURES: Mapping[str, str] = {
    "fractal": "mandelbrot=size={w}x{h}:rate={r}:end_scale=0.05:end_pts=900,format=yuv420p,"
    "noise=alls=5:allf=t:all_seed=11",
    "gradients": "gradients=size={w}x{h}:rate={r}:speed=0.02:n=4:seed=5,format=yuv420p,"
    "noise=alls=5:allf=t:all_seed=12",
    "waves": "cellauto=size={w}x{h}:rate={r}:rule=110:seed=7:ratio=0.4,format=yuv420p,"
    "gblur=sigma=2,noise=alls=3:allf=t:all_seed=13",
}
ENCODERS: Mapping[str, Sequence[str]] = {
    "x264 medium": ("-c:v", "libx264", "-preset", "medium", "-crf", "23"),
    "x264 veryfast, GOP 30": (
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-g", "30"),
        *("-sc_threshold", "0"),
    ),
    "x264 average bitrate": ("-c:v", "libx264", "-preset", "faster", "-b:v", "400k"),
    "x264 without B-frames": (
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-bf", "0"),
        *("-g", "50"),
    ),
    "x265": (
        *("-c:v", "libx265", "-preset", "veryfast", "-crf", "26"),
        *("-x265-params", "log-level=none"),
    ),
    "MPEG-4": ("-c:v", "mpeg4", "-q:v", "5", "-g", "40"),
    "MPEG-2": ("-c:v", "mpeg2video", "-q:v", "5", "-g", "15", "-bf", "2"),
}


def make_source(path: Path, picture: str, *, frames: int = 300) -> Path:
    """Create a lossless video of this picture; a path of a video takes its frames, made smaller."""
    end = ["-frames:v", str(frames), "-c:v", "ffv1", "-pix_fmt", "yuv420p", f"file:{path}"]
    if picture in PICTURES:
        graph = PICTURES[picture].format(w=SIZE[0], h=SIZE[1], r=RATE)
        run(["-f", "lavfi", "-i", graph, *end])
    else:
        shrink = f"scale={SIZE[0]}:{SIZE[1]}:flags=area,setsar=1"
        run(["-i", f"file:{picture}", "-an", "-vf", shrink, *end])
    return path


def encode(source: Path, path: Path, *codec: str) -> Path:
    """Encode with these arguments."""
    run(["-i", f"file:{source}", "-an", "-pix_fmt", "yuv420p", *codec, f"file:{path}"])
    return path


def cut(source: Path, path: Path, start_seconds: float, seconds: float) -> Path:
    """Copy a range of packets without encoding; it begins at the key frame before."""
    span = ["-ss", str(start_seconds), "-t", str(seconds), "-i", f"file:{source}"]
    run([*span, "-c", "copy", "-avoid_negative_ts", "make_zero", f"file:{path}"])
    return path


def join(parts: Sequence[Path], path: Path) -> Path:
    """Join videos without encoding, as FFmpeg's concat demuxer does."""
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{part}'\n" for part in parts))
    run(["-f", "concat", "-safe", "0", "-i", f"file:{listed}", "-c", "copy", f"file:{path}"])
    listed.unlink()
    return path
