"""Small videos for tests, created by the real FFmpeg: every ordinary oddity, a second or two each.

A plain module for every suite: ``make_film(path, …)`` and its special cases return ``path``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cinemill.media.ffmpeg.binary import find_ffmpeg

SECOND_TRACK_HZ = 880
_SOUND_CODECS = {".ogv": "libvorbis", ".webm": "libopus", ".mpg": "mp2"}


def run(arguments: Sequence[str]) -> None:
    """Run the FFmpeg that Cinemill itself would choose."""
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def read(arguments: Sequence[str]) -> str:
    """Return the output of that FFmpeg for these arguments."""
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-nostdin", *arguments]
    done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout.decode()


def make_film(
    path: Path,
    *,
    seconds: float = 1.0,
    size: tuple[int, int] = (320, 180),
    rate: str = "25",
    has_sound: bool = True,
    codec: Sequence[str] = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
    picture: str = "testsrc2",
    filters: str = "null",
    extra: Sequence[str] = (),
) -> Path:
    """Create a test pattern with a sine tone if ``has_sound``; the suffix chooses the container."""
    source = f"{picture}=size={size[0]}x{size[1]}:rate={rate}:duration={seconds}"
    sound_in = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"] if has_sound else []
    sound = ["-c:a", _SOUND_CODECS.get(path.suffix, "aac")] if has_sound else []
    run(
        [
            *("-f", "lavfi", "-i", source, *sound_in, "-vf", filters, *codec, *sound),
            *(*extra, f"file:{path}"),
        ]
    )
    return path


def remux(source: Path, path: Path, *arguments: str) -> Path:
    """Copy the packets into another container; ``arguments`` come before the output."""
    run(["-i", f"file:{source}", "-map", "0", "-c", "copy", *arguments, f"file:{path}"])
    return path


def make_long_film(path: Path, *, seconds: int, **more: Any) -> Path:
    """Repeat the frames of one second under a tone: a long video at the cost of a short one."""
    second = make_film(path.with_name(f"second-{path.name}"), has_sound=False, **more)
    loop = ["-stream_loop", str(seconds - 1), "-i", f"file:{second}"]
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=8000:duration={seconds}"]
    run([*loop, *tone, "-c:v", "copy", "-c:a", "aac", f"file:{path}"])
    second.unlink()
    return path


def make_variable_rate(path: Path, *, seconds: float = 2.0) -> Path:
    """Create a video with irregularly dropped frames and their original timestamps."""
    drop = "select='not(eq(mod(n\\,7)\\,3)+eq(mod(n\\,5)\\,1))'"
    return make_film(path, seconds=seconds, filters=drop, extra=["-fps_mode", "vfr"])


def make_rotated(path: Path, *, counterclockwise: int = 90) -> Path:
    """Create a video that is stored in landscape with a rotation for display."""
    lying = make_film(path.with_name(f"lying-{path.name}"))
    turn = ["-display_rotation", str(counterclockwise), "-i", f"file:{lying}", "-c", "copy"]
    run([*turn, f"file:{path}"])
    lying.unlink()
    return path


def make_hdr(path: Path, *, transfer: str = "smpte2084") -> Path:
    """Create a 10-bit BT.2020 video, tagged as PQ (with HDR10 mastering data) or HLG."""
    tags = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:log-level=none"
    if transfer == "smpte2084":
        tags += ":hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
        tags += "WP(15635,16450)L(10000000,1)"
    codec = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"]
    return make_film(path, codec=[*codec, "-x265-params", tags], has_sound=False)


def make_interlaced(path: Path) -> Path:
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    codec += ["-flags", "+ilme+ildct", "-x264-params", "interlaced=1:tff=1"]
    weave = "tinterlace=interleave_top,setfield=tff"
    return make_film(path, rate="50", codec=codec, filters=weave, size=(320, 192))


def make_many_tracks(path: Path) -> Path:
    """Create a video with two audio tracks; the second, higher one is the default."""
    sines = [f"sine=frequency={hertz}:duration=1" for hertz in (440, SECOND_TRACK_HZ)]
    inputs = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1"]
    for sine in sines:
        inputs += ["-f", "lavfi", "-i", sine]
    streams = ["-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast"]
    streams += ["-disposition:a:0", "0", "-disposition:a:1", "default", "-c:a", "aac"]
    streams += ["-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng"]
    run([*inputs, *streams, f"file:{path}"])
    return path


def make_late_sound(path: Path) -> Path:
    """Create a video of six seconds with audio in the last four."""
    film = make_film(path.with_name(f"film-{path.name}"), seconds=6)
    mux = ["-i", f"file:{film}", "-itsoffset", "2", "-i", f"file:{film}"]
    run([*mux, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", "6", f"file:{path}"])
    film.unlink()
    return path


def make_subtitled(path: Path) -> Path:
    """Create a video with a track of SubRip subtitles."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,200 --> 00:00:00,800\nHello\n", "utf-8")
    film = make_film(path.with_name(f"bare-{path.name}"))
    run(["-i", f"file:{film}", "-i", f"file:{text}", "-c", "copy", f"file:{path}"])
    for part in (text, film):
        part.unlink()
    return path


def make_edit_list(path: Path) -> Path:
    """Cut a video without re-encoding inside a GOP: the edit list hides the beginning."""
    whole = make_film(path.with_name(f"whole-{path.name}"), seconds=3, extra=["-g", "50"])
    run(["-ss", "1.2", "-i", f"file:{whole}", "-c", "copy", f"file:{path}"])
    whole.unlink()
    return path


def make_trimmed(path: Path, *, start_seconds: float = 0.5) -> Path:
    """Cut a video without re-encoding whose audio is longer than its video track."""
    whole, seconds = path.with_name(f"whole-{path.name}"), start_seconds + 0.7
    picture = f"testsrc2=size=64x48:rate=25:duration={seconds}"
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=duration={seconds + 0.7}"]
    run([*inputs, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", f"file:{whole}"])
    run(["-ss", str(start_seconds), "-i", f"file:{whole}", "-c", "copy", f"file:{path}"])
    whole.unlink()
    return path


def make_late_clock(path: Path) -> Path:
    """Create two seconds whose timestamps begin at ten, as in a part of a recording."""
    whole = make_film(path.with_name(f"whole-{path.name}"), seconds=2, size=(64, 48))
    remux(whole, path, "-output_ts_offset", "10")
    whole.unlink()
    return path


def make_late_picture(path: Path) -> Path:
    """Create a video whose frames begin half a second after the audio."""
    film = make_film(path.with_name(f"film-{path.name}"))
    mux = ["-itsoffset", "0.5", "-i", f"file:{film}", "-i", f"file:{film}", "-map", "0:v"]
    run([*mux, "-map", "1:a", "-c", "copy", f"file:{path}"])
    film.unlink()
    return path


def make_sound_only(path: Path) -> Path:
    run(["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", f"file:{path}"])
    return path


def make_size_change(path: Path) -> Path:
    """Create a transport stream whose frame size changes in the middle."""
    raw = path.with_suffix(".h264")
    parts = [
        make_film(path.with_name(f"part{number}.h264"), size=size, has_sound=False)
        for number, size in enumerate([(320, 180), (480, 270)])
    ]
    raw.write_bytes(b"".join(part.read_bytes() for part in parts))
    remux(raw, path)
    for part in (raw, *parts):
        part.unlink()
    return path


def make_bomb(path: Path, *, side: int = 12_000) -> Path:
    """Create a small file with a huge frame: a PNG, alone or as a video's only frame."""
    picture = f"color=black:size={side}x{side}:rate=1:duration=1"
    run(["-f", "lavfi", "-i", picture, "-c:v", "png", "-frames:v", "1", f"file:{path}"])
    return path


def truncate(source: Path, path: Path, share: float) -> Path:
    """Keep the first ``share`` of the bytes, an odd number, so that no packet ends there."""
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * share) | 1])
    return path
