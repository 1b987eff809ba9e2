"""Captions from an uploaded file: WebVTT or SubRip, as plain lines. Pure.

Times, texts and the names of voices are read; styles, positions and notes are not. WebVTT is
https://www.w3.org/TR/webvtt1/; SubRip has no standard, and is read as players read it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from cinemill.capabilities.captions.edits import LONGEST_SPEAKER, make_cue
from cinemill.core.text.segmentation import Cue
from cinemill.core.text.subtitle_parser import decode_text, read_srt_blocks, read_times
from cinemill.errors import InputRejected

# A name as it is written: each of its characters may be an escape, as long as "&amp;" at most.
_LONGEST_NAME = LONGEST_SPEAKER * len("&amp;")
_LONGEST_CLASSES = 100
_VTT_TAG = re.compile(rf"<[^<>]{{0,{_LONGEST_NAME + _LONGEST_CLASSES + 3}}}>")
_VTT_VOICE = re.compile(
    rf"<v(?:\.[^<>\s]{{0,{_LONGEST_CLASSES}}})?[ \t]([^<>]{{1,{_LONGEST_NAME}}})>"
)
_SRT_MARKUP = re.compile(r"(?i)</?(?:[bius]|font(?:\s[^<>]{0,200})?)>|\{\\an?\d{1,2}\}")


def read_caption_file(content: bytes) -> tuple[Cue, ...]:
    """Return the captions of a file in UTF-8 or UTF-16, in order of their start.

    Raises InputRejected: ``subtitles_encoding``, ``subtitles_empty``, ``subtitles_invalid``,
    ``subtitles_too_long``.
    """
    text = decode_text(content)
    read = _read_vtt if text.lstrip().startswith("WEBVTT") else _read_srt
    cues = sorted(read(text), key=lambda cue: cue.start_ms)
    if not cues:
        raise InputRejected("There are no captions in this file.", code="subtitles_empty")
    return tuple(cues)


def _read_srt(text: str) -> Iterator[Cue]:
    for start_ms, end_ms, lines in read_srt_blocks(text):
        yield make_cue(start_ms, end_ms, _SRT_MARKUP.sub("", "\n".join(lines)))


def _read_vtt(text: str) -> Iterator[Cue]:
    """Yield the cues of a WebVTT file.

    A text ends at a blank line, or at the next times; anything outside of a text is a name or a
    note, and a note may contain arrows.
    """
    times: tuple[int, int] | None = None
    words: list[str] = []
    is_note = False
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        is_blank = not line.strip()
        is_note = not is_blank and (is_note or (times is None and _is_note(line)))
        is_next = "-->" in line and not is_note
        if not is_blank and not is_next:
            words.append(line)
            continue
        if times is not None and words:
            # If no line was left blank, the last one is the number of the next cue.
            shown = words[:-1] if is_next and words[-1].strip().isdecimal() else words
            written = "\n".join(shown)
            plain = html.unescape(_VTT_TAG.sub("", written))
            yield make_cue(*times, plain, _find_voice(written))
        if is_next or words:
            times = read_times(line, number) if is_next else None
        words = []


def _find_voice(text: str) -> str:
    """Return whom the tags name that a cue is spoken by; empty where they name several, or none."""
    voices = {" ".join(html.unescape(name).split()) for name in _VTT_VOICE.findall(text)}
    return voices.pop() if len(voices) == 1 else ""


def _is_note(line: str) -> bool:
    return line.split(maxsplit=1)[0] == "NOTE"
