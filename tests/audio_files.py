"""Small audio files for tests, created by the real FFmpeg: a tone of 440 Hz in every format."""

from __future__ import annotations

from pathlib import Path

from tests.films import run

SUFFIXES = (
    *("mp3", "wav", "w64", "flac", "aiff", "caf", "aac", "ac3", "eac3", "m4a", "mp4"),
    *("mka", "webm", "ogg", "opus", "wma", "ts", "flv"),
)
_CODECS = {"ts": ["-c:a", "aac"], "mp4": ["-c:a", "aac"], "webm": ["-c:a", "libopus"]}


def make_sound(
    path: Path, *, seconds: float = 1.0, hertz: int = 440, with_cover: bool = False
) -> Path:
    """Create a tone; the suffix chooses container and codec. ``with_cover`` adds a picture."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency={hertz}:duration={seconds}"]
    codec = _CODECS.get(path.suffix[1:], [])
    if with_cover:
        bare = path.with_name(f"bare-{path.name}")
        run([*tone, *codec, str(bare)])
        cover = path.with_name("cover.png")
        run(["-f", "lavfi", "-i", "color=c=red:s=64x64", "-frames:v", "1", str(cover)])
        maps = ["-map", "0:a", "-map", "1:v", "-c", "copy", "-disposition:v", "attached_pic"]
        run(["-i", str(bare), "-i", str(cover), *maps, str(path)])
        return path
    run([*tone, *codec, str(path)])
    return path
