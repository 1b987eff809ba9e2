"""Finding an FFmpeg and what it can really do: listed is not the same as usable."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinemill.errors import ToolMissing

NEEDED_ENCODERS = frozenset({"libx264", "aac", "mjpeg", "ffv1", "flac"})
NEEDED_FILTERS = frozenset(
    {
        "split",
        "scale",
        "fps",
        "tile",
        "setsar",
        "setpts",
        "format",
        "tpad",
        "aresample",
        "asplit",
        "pan",
    }
)
QUERY_TIMEOUT_SECONDS = 20
TRIAL_TIMEOUT_SECONDS = 30

_CODEC_LINE = re.compile(r"^ [VAS][A-Z.]{5} (\S+)", re.MULTILINE)
_FILTER_LINE = re.compile(r"^ [A-Z.|]{2,3} (\S+) +\S+->\S+", re.MULTILINE)
_DECODER_OPTION = re.compile(r"-c:\d+")
"""With the number of a stream: see ``arguments.open_arguments``."""
_MAJOR_VERSION = re.compile(r"n?(\d{1,3})\.")
_VERSION_LINE = re.compile(r"^ffmpeg version (\S+)")


@dataclass(frozen=True, slots=True)
class FfmpegBinary:
    """An FFmpeg program and what it lists."""

    ffmpeg: Path
    version: str
    build: str
    """The version, and what distinguishes builds of it: linked libraries and build date."""
    encoders: frozenset[str]
    filters: frozenset[str]
    decoders: frozenset[str] = frozenset()
    """Empty where it does not list them."""

    @property
    def missing(self) -> frozenset[str]:
        """Return what ingest needs and this FFmpeg does not list."""
        return (NEEDED_ENCODERS - self.encoders) | (NEEDED_FILTERS - self.filters)

    @property
    def takes_cpu_count(self) -> bool:
        """Return whether the option ``-cpucount`` is known: since version 5."""
        found = _MAJOR_VERSION.match(self.version)
        return found is not None and int(found.group(1)) >= 5

    @property
    def can_tonemap(self) -> bool:
        return {"zscale", "tonemap"} <= self.filters

    def omit_missing_decoders(self, arguments: Sequence[str]) -> list[str]:
        """Return the arguments without decoders of inputs that this FFmpeg was built without.

        The probe knows those of PyAV, or of another worker's machine. FFmpeg's own decoder reads
        the picture, though not its transparency.
        """
        kept = list(arguments)
        for place in range(len(kept) - 2, -1, -1):
            is_decoder = _DECODER_OPTION.fullmatch(kept[place]) and "-i" in kept[place:]
            if self.decoders and is_decoder and kept[place + 1] not in self.decoders:
                del kept[place : place + 2]
        return kept


def find_ffmpeg(configured: Path | None = None) -> FfmpegBinary:
    """Return the configured FFmpeg, else a sufficient system one, else the one from the wheel.

    Raises ToolMissing, naming what each candidate lacks.
    """
    if configured is not None:
        return _require(configured)
    system = shutil.which("ffmpeg")
    if system is not None:
        ffmpeg_binary = _query(Path(system))
        if ffmpeg_binary is not None and not ffmpeg_binary.missing:
            return ffmpeg_binary
    return _require(_find_in_wheel())


def try_encoder(ffmpeg_binary: FfmpegBinary, name: str) -> bool:
    """Check whether an encoder really encodes here.

    A GPU encoder is listed on machines without a GPU.
    """
    if name not in ffmpeg_binary.encoders:
        return False
    return _encodes(ffmpeg_binary.ffmpeg, name)


@functools.lru_cache(maxsize=64)
def _encodes(ffmpeg: Path, name: str) -> bool:
    for source in ("color=size=256x256:rate=25:duration=0.2,format=yuv420p", "sine=duration=0.2"):
        flag = "-c:a" if source.startswith("sine") else "-c:v"
        arguments = ["-v", "error", "-f", "lavfi", "-i", source, flag, name, "-f", "null", "-"]
        if _run(ffmpeg, arguments, TRIAL_TIMEOUT_SECONDS) is not None:
            return True
    return False


def _require(ffmpeg: Path) -> FfmpegBinary:
    ffmpeg_binary = _query(ffmpeg)
    if ffmpeg_binary is None:
        raise ToolMissing(
            f"FFmpeg at {ffmpeg} does not run.",
            hint="Set FFMPEG_PATH to a working ffmpeg, or reinstall the package imageio-ffmpeg.",
        )
    if ffmpeg_binary.missing:
        raise ToolMissing(
            f"FFmpeg at {ffmpeg} lacks {', '.join(sorted(ffmpeg_binary.missing))}.",
            hint="Unset FFMPEG_PATH to use the one that comes with Cinemill.",
        )
    return ffmpeg_binary


def _find_in_wheel() -> Path:
    # Imported here: it is needed only if no other will do, and its absence is handled.
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as missing:
        raise ToolMissing(
            "FFmpeg was not found.",
            hint="Install ffmpeg, or the package imageio-ffmpeg, or set FFMPEG_PATH.",
        ) from missing


@functools.lru_cache(maxsize=8)
def _query(ffmpeg: Path) -> FfmpegBinary | None:
    version = _run(ffmpeg, ["-version"])
    encoders = _run(ffmpeg, ["-hide_banner", "-encoders"])
    filters = _run(ffmpeg, ["-hide_banner", "-filters"])
    decoders = _run(ffmpeg, ["-hide_banner", "-decoders"])
    if version is None or encoders is None or filters is None:
        return None
    named = _VERSION_LINE.match(version)
    name = named.group(1) if named else "unknown"
    return FfmpegBinary(
        ffmpeg=ffmpeg,
        version=name,
        build=f"{name} {hashlib.sha256(version.encode()).hexdigest()[:12]}",
        encoders=frozenset(_CODEC_LINE.findall(encoders)),
        filters=frozenset(_FILTER_LINE.findall(filters)),
        decoders=frozenset(_CODEC_LINE.findall(decoders or "")),
    )


def _run(
    ffmpeg: Path, arguments: list[str], timeout_seconds: float = QUERY_TIMEOUT_SECONDS
) -> str | None:
    """Return standard output, or None if the program does not exist, fails or hangs."""
    try:
        done = subprocess.run(
            [str(ffmpeg), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
