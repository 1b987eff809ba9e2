"""Distinguishing FFmpeg builds."""

from __future__ import annotations

from pathlib import Path

from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg


def make_build(path: Path, ffmpeg_binary: FfmpegBinary, configuration: str) -> FfmpegBinary:
    """Return the same program, with another build configuration."""
    command = f"echo ffmpeg version 9; echo configuration: {configuration}"
    path.write_text(f'#!/bin/sh\n[ "$1" = -version ] && {{ {command}; exit; }}\n')
    with path.open("a") as script:
        script.write(f'exec "{ffmpeg_binary.ffmpeg}" "$@"\n')
    path.chmod(0o755)
    return find_ffmpeg(path)


def test_ffmpeg_builds_of_one_version_are_distinguished(
    ffmpeg_binary: FfmpegBinary, tmp_path: Path
) -> None:
    builds = ("--enable-libx264", "--enable-libx264 --disable-asm", "--enable-libx264")
    made = [make_build(tmp_path / str(n), ffmpeg_binary, one) for n, one in enumerate(builds)]
    assert {one.version for one in made} == {"9"}
    assert made[0].build == made[2].build != made[1].build
