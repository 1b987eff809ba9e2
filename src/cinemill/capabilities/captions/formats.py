"""The formats of captions and the names of their files."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.core.media import ArtifactKind
from cinemill.core.text.file_names import derive_name


@dataclass(frozen=True, slots=True)
class CaptionFile:
    kind: ArtifactKind
    suffix: str
    media_type: str
    result_name: str


FILES = (
    CaptionFile(ArtifactKind.CAPTIONS_SRT, "srt", "application/x-subrip", "srt_path"),
    CaptionFile(ArtifactKind.CAPTIONS_VTT, "vtt", "text/vtt", "vtt_path"),
    CaptionFile(ArtifactKind.CAPTIONS_TEXT, "txt", "text/plain; charset=utf-8", "txt_path"),
    CaptionFile(ArtifactKind.CAPTIONS_JSON, "json", "application/json", "json_path"),
)


def name_captions(filename: str, language: str, suffix: str) -> str:
    """Return a name such as ``holiday.en.srt``, which players find next to ``holiday.mp4``."""
    return derive_name(filename, "".join(f".{part}" for part in (language, suffix) if part))
