"""Small videos whose sound is unusual: many channels, channels that change, several tracks."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
from tests.films import run

RATE_HZ = 48_000
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25")
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def make_tones(
    path: Path, channels: int, tones: Mapping[int, int], *, level: float = 0.8, seconds: float = 1
) -> Path:
    """Write a WAV that does not say where its channels belong, with tones in Hz in some of them."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples = np.zeros((len(times), channels))
    for channel, hertz in tones.items():
        samples[:, channel] = level * np.sin(2 * np.pi * hertz * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


def make_discrete(
    path: Path, channels: int, tones: Mapping[int, int], *, level: float = 0.8
) -> Path:
    """Create a video of a second whose channels have no stated places."""
    wav = make_tones(path.with_suffix(".wav"), channels, tones, level=level)
    run(
        [
            *(*PICTURE, "-i", f"file:{wav}", "-map", "0", "-map", "1"),
            *(*FAST, "-c:a", "copy", "-t", "1", f"file:{path}"),
        ]
    )
    return path


def make_placed(path: Path, layout: str, tones: Mapping[int, int], *, level: float = 0.8) -> Path:
    """Create a video of a second with this layout of FFmpeg's."""
    channels = len(av.AudioLayout(layout).channels)
    exprs = "|".join(
        f"{level}*sin(2*PI*{tones[channel]}*t)" if channel in tones else "0"
        for channel in range(channels)
    )
    source = f"aevalsrc=exprs='{exprs}':channel_layout={layout}:sample_rate={RATE_HZ}:duration=1"
    run([*PICTURE, "-f", "lavfi", "-i", source, *FAST, "-c:a", "pcm_s16le", "-t", "1", str(path)])
    return path


def make_programs(path: Path) -> Path:
    """Create MPEG-TS of two programs, each with its size and its tone, and a radio program."""
    inputs: list[str] = []
    for size, hertz in (("64x64", 440), ("320x180", 880)):
        inputs += ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25"]
        inputs += ["-f", "lavfi", "-i", f"sine={hertz}"]
    inputs += ["-f", "lavfi", "-i", "sine=220"]
    maps = [word for number in range(5) for word in ("-map", str(number))]
    programs = ["-program", "st=0:st=1", "-program", "st=2:st=3", "-program", "st=4"]
    coded = ["-c:v", "mpeg2video", "-c:a", "mp2", "-t", "1"]
    run([*inputs, *maps, *coded, *programs, f"file:{path}"])
    return path


def make_mono_tracks(path: Path, tones: Mapping[str, int], *, seconds: int = 1) -> Path:
    """Create a video with a track for each place, such as ``FL``, and its tone."""
    inputs: list[str] = []
    for place, hertz in tones.items():
        exprs = f"exprs='0.8*sin(2*PI*{hertz}*t)'"
        source = f"aevalsrc={exprs}:channel_layout={place}:sample_rate={RATE_HZ}"
        inputs += ["-f", "lavfi", "-i", source]
    maps = [word for number in range(len(tones) + 1) for word in ("-map", str(number))]
    run(
        [
            *PICTURE,
            *inputs,
            *maps,
            *FAST,
            "-g",
            "20",
            "-c:a",
            "pcm_s24le",
            "-t",
            str(seconds),
            f"file:{path}",
        ]
    )
    return path


def make_ambisonic(path: Path) -> Path:
    """Create a video with an Opus sound field of the first order and a tone in all directions."""
    film = make_placed(path.with_name(f"quad-{path.name}"), "quad", {0: 1000})
    run(
        [
            *("-i", f"file:{film}", "-c:v", "copy", "-c:a", "libopus"),
            *("-mapping_family", "255", f"file:{path}"),
        ]
    )
    content = bytearray(path.read_bytes())
    content[content.index(b"OpusHead") + 18] = 2  # the family of RFC 8486
    path.write_bytes(content)
    return path


def make_changing(path: Path, codec: str = "ac3") -> Path:
    """Create three seconds of MPEG-TS whose audio is stereo, then surround, then stereo.

    The tone is 440 Hz on the left, then 880 Hz on the right at the back, then 440 Hz again.
    """
    parts = {
        "stereo": "0.5*sin(2*PI*440*t)|0",
        "5.1": "0|0|0|0|0|0.8*sin(2*PI*880*t)",
    }
    suffix = "ac3" if codec == "ac3" else "adts"
    made = {}
    for layout, exprs in parts.items():
        part = path.with_name(f"{layout}.{suffix}")
        source = f"aevalsrc=exprs='{exprs}':channel_layout={layout}:sample_rate=48000:duration=1"
        run(["-f", "lavfi", "-i", source, "-c:a", codec, "-f", suffix, f"file:{part}"])
        made[layout] = part.read_bytes()
    joined = path.with_name(f"joined.{suffix}")
    joined.write_bytes(made["stereo"] + made["5.1"] + made["stereo"])
    demuxer = "ac3" if codec == "ac3" else "aac"
    run(
        [
            *(*PICTURE, "-f", demuxer, "-i", f"file:{joined}", "-map", "0", "-map", "1"),
            *(*FAST, "-c:a", "copy", "-t", "3", f"file:{path}"),
        ]
    )
    return path


def make_cover_and_commentary(path: Path) -> Path:
    """Create a video whose first video track is a cover, and whose first audio is a commentary.

    The second audio is the file's default; the names have quotation marks and line breaks.
    """
    inputs = ["-f", "lavfi", "-i", "color=red:size=600x600:rate=25:duration=0.04"]
    inputs += ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1"]
    for hertz in (440, 880):
        inputs += ["-f", "lavfi", "-i", f"sine=frequency={hertz}:duration=1"]
    run(
        [
            *(*inputs, "-map", "0", "-map", "1", "-map", "2", "-map", "3"),
            *("-c:v:0", "mjpeg", "-c:v:1", "libx264", "-preset:v:1", "ultrafast"),
            *("-pix_fmt:v:0", "yuvj420p", "-pix_fmt:v:1", "yuv420p", "-c:a", "aac"),
            *("-disposition:v:0", "0", "-disposition:v:1", "0"),
            *("-disposition:a:0", "comment", "-disposition:a:1", "default"),
            *("-metadata:s:a:0", 'title=The "director"', "-metadata:s:a:0", "language=eng"),
            *("-metadata:s:a:1", "title=Main", "-metadata:s:a:1", "language=eng", f"file:{path}"),
        ]
    )
    return path


def measure_tone(path: Path, hertz: int, *, start: float = 0.2, end: float = 0.8) -> float:
    """Return the level of a tone (0 to 1) in the loudest channel of a file's first audio."""
    samples, rate = read_sound(path)
    part = samples[:, round(start * rate) : round(end * rate)]
    times = np.arange(part.shape[1]) / rate
    wave_ = np.exp(-2j * np.pi * hertz * times)
    return float(np.max(np.abs(part @ wave_)) * 2 / part.shape[1])


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """Return (samples by channel as floats, rate) of a file's first audio."""
    with av.open(str(path)) as film:
        stream = film.streams.audio[0]
        resampler = av.AudioResampler(format="fltp")
        frames = [
            made.to_ndarray() for frame in film.decode(stream) for made in resampler.resample(frame)
        ]
        return np.concatenate(frames, axis=1), stream.sample_rate
