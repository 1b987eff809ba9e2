"""SRT and ASS files read into cues, within bounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cinemill.core.text.ass import (
    DEFAULT_STYLE,
    drop_controls,
    escape_text,
    make_default_style,
    read_styles,
)
from cinemill.core.text.ass_tags import read_spans, write_spans
from cinemill.core.text.subtitle_cost import find_overload, measure_cost
from cinemill.core.text.subtitles import Cue, Subtitles
from cinemill.core.timing import format_clock
from cinemill.errors import InputRejected

LARGEST_FILE_BYTES = 4 * 1024 * 1024
MOST_CUES = 20_000
LONGEST_TEXT = 16_384
"""Characters of one subtitle, as its file has it: enough for what typesetters draw with ASS."""

TOO_COMPLEX = "subtitles_too_complex"
_USUAL_SIZE = (1920, 1080)
_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")
_ASS_CLOCK = re.compile(r"^(\d{1,3}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})$")
# Bounded and without a way back: a line may be as long as the file, and is walked through once.
_TAG = re.compile(r"(?ai)<(/?)(?:([bius])[ \t]{0,9}+|font(?:\s[^<>]{0,200}+)?)>")
_PLACE = re.compile(r"^\{\\an([1-9])\}")
_KEPT_TAGS = frozenset("ibu")


def read_subtitles(content: bytes) -> Subtitles:
    """Cues of an SRT or ASS file.

    Raises InputRejected: ``subtitles_encoding``, ``subtitles_empty``, ``subtitles_invalid``,
    ``subtitles_too_long``, ``subtitles_too_complex``.
    """
    text = decode_text(content)
    if text.lstrip().lower().startswith("[script info]"):
        subtitles = _read_ass(text)
    else:
        subtitles = Subtitles(tuple(_read_srt(text)))
    if not subtitles.cues:
        raise InputRejected("This file contains no subtitles.", code="subtitles_empty")
    if len(subtitles.cues) > MOST_CUES:
        raise _too_long(f"There are {len(subtitles.cues)} subtitles; {MOST_CUES} are allowed.")
    check_cost(subtitles)
    return subtitles


def check_cost(subtitles: Subtitles, what: str = "subtitles") -> None:
    """Raise InputRejected (``subtitles_too_complex``) where more is shown than can be drawn."""
    size = subtitles.size or _USUAL_SIZE
    usual = make_default_style(size[1])
    styles = {style.name: style for style in subtitles.styles}
    costs = [
        (
            cue.start_ms,
            cue.end_ms,
            measure_cost(read_spans(cue.text, styles), styles.get(cue.style, usual), styles, size),
        )
        for cue in subtitles.cues
    ]
    overload = find_overload(costs)
    if overload is not None:
        at_ms, pictures, most = overload
        raise InputRejected(
            f"At {format_clock(at_ms)} the {what} show more than can be drawn: the letters, "
            f"borders and blurs there cover the picture {min(pictures, 1e9):.0f} times, and at "
            f"most {most:.0f} are drawn.",
            code=TOO_COMPLEX,
            hint=f"Show fewer {what} at once there, or use smaller sizes, borders and blurs.",
        )


def decode_text(content: bytes) -> str:
    """Return the text of UTF-8 or UTF-16 bytes, with lines separated by newlines.

    Raises InputRejected (``subtitles_encoding``, ``subtitles_too_long``).
    """
    if len(content) > LARGEST_FILE_BYTES:
        raise _too_long(f"The subtitles are larger than {LARGEST_FILE_BYTES >> 20} MiB.")
    encoding = "utf-8-sig"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputRejected(
            f"The subtitles are not in UTF-8: line {line} cannot be read.",
            code="subtitles_encoding",
            hint="Save the file as UTF-8.",
        ) from None
    # Two of the first are what is left where a line end was taken for text and ended once more.
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")


def _read_srt(text: str) -> Iterator[Cue]:
    for start_ms, end_ms, lines in read_srt_blocks(text):
        if start_ms < end_ms:
            yield Cue(start_ms, end_ms, _clean_srt_text(lines))


def read_srt_blocks(text: str) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Beginning, end in milliseconds, and lines as written, the first and the last not empty.

    A text runs on until the next times: blank lines within it, or none before the next cue,
    cost no word of it. Raises InputRejected (``subtitles_invalid``, ``subtitles_too_long``).
    """
    times: tuple[int, int] | None = None
    words: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if "-->" not in line:
            words.append(line.strip())
            continue
        yield from _trim(times, _drop_counter(words))
        times, words = read_times(line, number), []
    yield from _trim(times, words)


def _trim(
    times: tuple[int, int] | None, words: Sequence[str]
) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Nothing where there is no text."""
    filled = [position for position, line in enumerate(words) if line]
    if times is not None and filled:
        lines = words[filled[0] : filled[-1] + 1]
        _check_length(sum(map(len, lines)), times[0])
        yield *times, lines


def _drop_counter(words: Sequence[str]) -> Sequence[str]:
    """Remove the next cue's number.

    It is the line right above the cue's times, or one between blank lines, as in a file whose line
    ends were doubled. A number that is the whole text stays.
    """
    end = len(words)
    while end and not words[end - 1]:
        end -= 1
    if not end or not words[end - 1].isdecimal():
        return words
    before = words[: end - 1]
    is_above = end == len(words)
    return before if is_above or (any(before) and not before[-1]) else words


def read_times(line: str, number: int) -> tuple[int, int]:
    """Beginning and end in milliseconds. Raises InputRejected (``subtitles_invalid``)."""
    found = _TIMES.match(line)
    if found is None:
        raise _invalid(number, f"{line.strip()[:80]!r} is not a valid time range")
    groups = found.groups()
    start, end = _milliseconds(groups[:4]), _milliseconds(groups[4:])
    if end < start:
        raise _invalid(number, "the subtitle ends before it begins")
    return start, end


def _milliseconds(groups: Sequence[str | None]) -> int:
    hours, minutes, seconds, rest = (part or "0" for part in groups)
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(rest.ljust(3, "0"))


def _clean_srt_text(lines: Sequence[str]) -> str:
    """Keep italics, bold, underline and the position at the top; remove strikes and fonts.

    All else is shown as written.
    """
    place = _PLACE.match(lines[0])
    first = lines[0][place.end() :] if place else lines[0]
    shown = r"\N".join(_clean_line(line) for line in [first, *lines[1:]])
    return f"{{\\an{place.group(1)}}}{shown}" if place else shown


def _clean_line(line: str) -> str:
    at, parts = 0, []
    for tag in _TAG.finditer(line):
        parts.append(escape_text(line[at : tag.start()]))
        name = (tag[2] or "").lower()
        if name in _KEPT_TAGS:
            parts.append(f"{{\\{name}{0 if tag[1] else 1}}}")
        at = tag.end()
    return "".join([*parts, escape_text(line[at:])])


def _read_ass(text: str) -> Subtitles:
    sections = _read_sections(text)
    info = dict(_split_member(line) for line in sections.get("script info", []))
    styles = read_styles(sections.get("v4+ styles", []))
    known = {style.name for style in styles}
    cues = tuple(_read_events(sections.get("events", []), known))
    used = {cue.style for cue in cues}
    size = _read_size(info)
    if DEFAULT_STYLE in used and DEFAULT_STYLE not in known:
        styles = (*styles, make_default_style(size[1]))
    return Subtitles(cues, styles, size)


def _read_sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        line = drop_controls(line).strip()
        if line.startswith("[") and line.endswith("]"):
            lines = sections.setdefault(line[1:-1].lower(), [])
        elif line and not line.startswith(";"):
            lines.append(line)
    return sections


def _split_member(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _read_size(info: Mapping[str, str]) -> tuple[int, int]:
    """Return the size that lengths are relative to, as libass completes it where it is missing."""
    width, height = (_read_length(info.get(name, "")) for name in ("playresx", "playresy"))
    if not width and not height:
        return 384, 288
    return (
        width or (1280 if height == 1024 else max(1, height * 4 // 3)),
        height or (1024 if width == 1280 else max(1, width * 3 // 4)),
    )


def _read_length(written: str) -> int:
    return int(written) if written.isdecimal() and len(written) <= 5 else 0


def _read_events(lines: Sequence[str], styles: set[str]) -> Iterator[Cue]:
    names: list[str] = []
    for number, line in enumerate(lines, start=1):
        kind, value = _split_member(line)
        if kind == "format":
            names = [name.strip().lower() for name in value.split(",")]
        elif kind == "dialogue":
            event = dict(zip(names, value.split(",", max(0, len(names) - 1)), strict=False))
            cue = _read_event(event, styles, number)
            if cue.start_ms < cue.end_ms:
                yield cue


def _read_event(event: Mapping[str, str], styles: set[str], number: int) -> Cue:
    clocks = [_ASS_CLOCK.match(event.get(name, "").strip()) for name in ("start", "end")]
    if clocks[0] is None or clocks[1] is None:
        raise _invalid(number, "an event has no valid times", "event")
    start, end = (_milliseconds(clock.groups()) for clock in clocks if clock)
    if end < start:
        raise _invalid(number, "it ends before it begins", "event")
    _check_length(len(event.get("text", "")), start)
    style = event.get("style", "").strip().lstrip("*")
    layer = event.get("layer", "0").strip()
    return Cue(
        start,
        end,
        write_spans(read_spans(event.get("text", ""), styles)),
        style if style in styles else DEFAULT_STYLE,
        int(layer) if layer.isdecimal() and len(layer) < 4 else 0,
    )


def _invalid(number: int, what: str, unit: str = "line") -> InputRejected:
    return InputRejected(f"Subtitles, {unit} {number}: {what}.", code="subtitles_invalid")


def _check_length(characters: int, start_ms: int) -> None:
    if characters > LONGEST_TEXT:
        raise _too_long(
            f"The subtitle at {format_clock(start_ms)} has {characters} characters; "
            f"{LONGEST_TEXT} are allowed."
        )


def _too_long(message: str) -> InputRejected:
    return InputRejected(message, code="subtitles_too_long")
