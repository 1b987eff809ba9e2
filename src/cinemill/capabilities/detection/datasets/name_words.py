"""The words of file and folder names, and which of them may be somebody's name.

A ``clip_01_final.mp4`` among real videos and one among fakes need not show the same person. So
numbers, dates, codecs, resolutions, and words for videos and their editing name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Words = tuple[str, ...]

_VIDEOS = """
    video videos videoplayback clip clips movie movies film films footage media file files recording
    recordings record recorded rec capture screen screencast screenshot webcam cam camera phone vid
    vids img imgs image images pic pics picture pictures photo photos portrait portraits selfie dsc
    mvi pxl dji gopr part parts pt scene scenes shot shots take takes track frame frames sequence
    audio sound voice music untitled unknown youtube yt tiktok instagram insta facebook fb
    twitter whatsapp telegram zoom vimeo pexels pixabay stock
"""
_GENRES = """
    interview interviews speech speeches talk talks talking news press conference statement debate
    lecture presentation meeting call podcast show episode ep trailer teaser promo intro outro title
    vlog stream live commercial ad
"""
_PURPOSES = """
    test tests testing tested train training val valid validation calibrate calibration eval
    evaluation demo demos sample samples example examples trial data dataset datasets set sets batch
    project
"""
_STATES = """
    output outputs out input inputs result results render renders rendered export exports exported
    final finals finished done draft temp tmp new old copy copies backup edit edited edits cut cuts
    trim trimmed crop cropped merged compressed converted encoded reencoded upscaled enhanced raw
    original originals orig source sources src target targets tgt dst ref reference base version ver
    fixed download downloads downloaded upload uploaded
"""
_FAKES = """
    real reals fake fakes deepfake deepfakes genuine authentic pristine manipulated manipulation
    altered synthetic generated gen ai swap swaps swapped faceswap faceswapped face faces head heads
    lipsync lip sync reenacted reenactment method methods man woman men women male female people
"""
_TECHNICAL_WORDS = """
    hd uhd fhd sd hq lq high low medium res resolution quality full short long small big large
    vertical horizontal hevc avc divx xvid prores dnxhd mpeg mjpeg aac opus mov mkv avi webm wmv flv
    jpg jpeg png webp codec bitrate crf lossless fps bit h x
"""
_SMALL_WORDS = """
    a an the of and or with without by for from to on in at as my vs no nr number
    am pm utc gmt january february september october november december sept feb oct nov dec monday
    tuesday wednesday thursday friday saturday sunday
"""
_COMMON = frozenset(
    " ".join((_VIDEOS, _GENRES, _PURPOSES, _STATES, _FAKES, _TECHNICAL_WORDS, _SMALL_WORDS)).split()
)
_LABELS = frozenset(("person", "actor", "actress", "subject", "speaker", "user", "id"))
"""With a number they name somebody: ``person_12``, ``id0``."""
_TECHNICAL = re.compile(
    r"\d+|\d+x\d+|\d+(?:fps|hz|khz|p|i|k|kb|mb|gb|kbps|mbps|bit|ms|s|sec|min|h|st|nd|rd|th|x)"
    r"|(?:v|c|q|s|e|crf)\d+|s\d+e\d+|[hx]26\d|av1|vp[89]|mp[34]|m4[av]|\d{8}t\d{4,6}z?"
)
_NUMBERED = re.compile(r"(?P<number>\d*)(?P<word>[^\W\d_]+)(?P<more>\d*)")
_SPELLED_DATE = re.compile(
    # These months are people's names as well, so a day and a year must be there.
    r"\b(?:\d{1,2} MONTH \d{4}|MONTH \d{1,2} \d{4}|\d{4} MONTH \d{1,2})\b".replace(
        "MONTH",
        "(?:jan|mar|march|apr|april|may|jun|june|jul|july|aug|august|sep)",
    )
)
_DATE = re.compile(r"(?:19|20)\d\d(?: \d\d| ?\d\d ?\d\d(?: .*)?)|\d\d ?\d\d ?(?:19|20)\d\d")


def split_words(name: str) -> Words:
    """Return the words of a name, in lower case."""
    return tuple(word for word in re.split(r"[\W_]+", name.casefold()) if word)


def keep_naming_words(words: Words) -> list[tuple[int, str]]:
    """Return the words that may be somebody's name, each with its place."""
    dated = _find_dated(words)
    return [
        (place, word)
        for place, word in enumerate(words)
        if place not in dated and _may_name(words, place)
    ]


def find_naming_words(name: str) -> Words:
    """Return the words of a name that may be somebody's; none if it names nobody."""
    return tuple(word for _, word in keep_naming_words(split_words(name)))


def find_person_folder(folders: Iterable[str]) -> str | None:
    """Return the first folder that may be a person's, or None.

    A number may be: those who number people give each a folder. A date, or a word such as
    ``videos``, is a folder of anything.
    """
    return next((name for name in folders if find_naming_words(name) or _is_number(name)), None)


def _may_name(words: Words, place: int) -> bool:
    word = words[place]
    if word in _LABELS:
        return place + 1 < len(words) and words[place + 1].isdigit()
    if word.isdigit():
        return place > 0 and words[place - 1] in _LABELS
    if word in _COMMON or _TECHNICAL.fullmatch(word):
        return False
    parts = _NUMBERED.fullmatch(word)
    return parts is None or parts["word"] not in _COMMON


def _find_dated(words: Words) -> set[int]:
    """Return the places of the words of dates with a month's name."""
    text = " ".join(words)
    return {
        text.count(" ", 0, date.start()) + step
        for date in _SPELLED_DATE.finditer(text)
        for step in range(3)
    }


def _is_number(name: str) -> bool:
    words = split_words(name)
    is_number = bool(words) and all(word.isdigit() for word in words)
    return is_number and not _DATE.fullmatch(" ".join(words))
