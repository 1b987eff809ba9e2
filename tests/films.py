"""Small videos for tests, created by the real FFmpeg: every ordinary oddity, a second or two each.

A plain module for every suite: ``make_film(path, …)`` and its special cases return ``path``.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

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


def state_colors(
    source: Path,
    path: Path,
    *,
    codes: tuple[int, int, int, int],
    pixels: str = "yuv420p",
    container: str = "",
) -> Path:
    """Encode a video in H.264 that states primaries, transfer, matrix and range by these numbers.

    See tables E-3 to E-5 of ITU-T H.264; ``container`` is the matrix that the MP4 states instead.
    """
    names = ("colour_primaries", "transfer_characteristics", "matrix_coefficients")
    stated = [f"{name}={code}" for name, code in zip(names, codes[:3], strict=True)]
    stated.append(f"video_full_range_flag={codes[3]}")
    run(
        [
            *("-i", f"file:{source}", "-map", "0:v", "-map", "0:a?", "-fps_mode", "passthrough"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", pixels, "-c:a", "aac"),
            *(["-colorspace", container] if container else []),
            *("-bsf:v", f"h264_metadata={':'.join(stated)}", f"file:{path}"),
        ]
    )
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


def make_text_only(path: Path) -> Path:
    """Create a file with subtitles and nothing that could be seen or heard."""
    text = path.with_suffix(".srt")
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n", "utf-8")
    run(["-i", str(text), "-c:s", "mov_text" if path.suffix == ".mp4" else "srt", f"file:{path}"])
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


def spoil(film: Path, *, stream: int, start: float, end: float) -> Path:
    """Overwrite what the packets of a stream hold in a range of seconds, in place."""
    with av.open(str(film)) as container:
        chosen = container.streams[stream]
        packets = [
            (packet.pos, packet.size)
            for packet in container.demux(chosen)
            if packet.pts is not None
            and packet.pos is not None
            and start <= float(packet.pts * packet.time_base) < end
        ]
    content = bytearray(film.read_bytes())
    noise = random.Random(7)
    for position, size in packets:
        # The beginning may be the container's own: a block's or packet's header.
        begin, until = position + min(16, size // 2), position + size
        content[begin:until] = noise.randbytes(until - begin)
    film.write_bytes(content)
    return film


def hold_last_frame(source: Path, path: Path, *, last_seconds: float, seconds: float) -> Path:
    """Copy the packets, with the last frame from ``last_seconds`` on shown for so long."""
    is_last = f"gte(PTS*TB,{last_seconds - 0.001})"
    held = f"setts=pts=PTS:dts=DTS:duration='if({is_last},{seconds}/TB,DURATION)'"
    return remux(source, path, "-bsf:v", held)


def forget_lengths(film: Path) -> Path:
    """Blank what a Matroska says of its frames' lengths, in place; its track's end stays stated.

    Many programs write neither DefaultDuration nor BlockDuration (RFC 9559, 5.1.4.1.13 and
    5.1.3.5.3). Elements become Void ones of the same size.
    """
    usual, seconds = b"\x23\xe3\x83\x84", b"\x9b\x82\x07\xd0"
    content = film.read_bytes()
    assert content.count(usual) == content.count(seconds) == 1
    at = content.index(usual)
    content = content[:at] + b"\xec\x86" + bytes(6) + content[at + 8 :]
    film.write_bytes(content.replace(seconds, b"\xec" + seconds[1:]))
    return film


def make_gap(path: Path, *extra: str, codec: Sequence[str] = ("-c:v", "libx264")) -> Path:
    """Create a second of frames at 30 a second, and one more that comes 1.5 s later."""
    chosen = "select='lt(t,1)+eq(n,75)'"
    variable = ["-fps_mode", "vfr", *extra]
    return make_film(
        path,
        seconds=3,
        size=(160, 90),
        rate="30",
        filters=chosen,
        codec=codec,
        has_sound=False,
        extra=variable,
    )


def make_scans(path: Path, *scans: str, last_size: tuple[int, int] = (160, 96)) -> Path:
    """Create a second of each of ``progressive``, ``tff`` and ``bff``, one after another.

    MPEG-2 in program or transport streams, H.264 in others: there, with fields in macroblocks.
    """
    sizes = [*[(160, 96)] * (len(scans) - 1), last_size]
    parts = [
        _make_scan(path.with_name(f"{number}-{path.stem}.ts"), scan, number, path.suffix, size)
        for number, (scan, size) in enumerate(zip(scans, sizes, strict=True))
    ]
    joined = path.with_name(f"joined-{path.stem}.ts")
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    remux(joined, path)
    for part in (*parts, joined):
        part.unlink()
    return path


def _make_scan(path: Path, scan: str, number: int, suffix: str, size: tuple[int, int]) -> Path:
    codec = ["-c:v", "mpeg2video", "-q:v", "3"]
    if suffix not in (".ts", ".mpg"):
        codec = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "12"]
    weave, rate = "null", "25"
    if scan != "progressive":
        first = "top" if scan == "tff" else "bottom"
        weave, rate = f"tinterlace=interleave_{first},setfield={scan}", "50"
        codec += ["-flags", "+ilme+ildct"]
        codec += ["-x264-params", f"{scan}=1"] if "libx264" in codec else []
    # A column that moves by a good part of its width, so that the fields of a frame differ.
    moving = f"drawbox=x=20:w=40:h=ih:color=white:t=fill,scroll=h={2 / int(rate)},{weave}"
    offset = ["-output_ts_offset", str(number)]
    return make_film(
        path,
        size=size,
        rate=rate,
        picture="color",
        filters=moving,
        codec=codec,
        has_sound=False,
        extra=offset,
    )


def add_clean_aperture(source: Path, path: Path, width: int, height: int) -> Path:
    """Copy an MP4 whose index comes last, and let only the middle of its frames be shown."""
    content, sizes, start, end = source.read_bytes(), [], 0, source.stat().st_size
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b""):
        while content[start + 4 : start + 8] != kind and kind:
            start += int.from_bytes(content[start : start + 4])
        sizes.append(start)
        end = start + int.from_bytes(content[start : start + 4])
        start += 16 if kind == b"stsd" else 8
    aperture = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    added = bytearray(content[:end] + aperture + content[end:])
    for at in sizes:
        size = int.from_bytes(added[at : at + 4]) + len(aperture)
        added[at : at + 4] = size.to_bytes(4)
    path.write_bytes(added)
    return path
