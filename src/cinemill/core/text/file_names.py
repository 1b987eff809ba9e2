"""Names of files, made of what users wrote: fit to show, and fit for every file system.

Limits are in bytes. ext4, XFS, btrfs and APFS take 255 bytes, NTFS and exFAT 255 UTF-16 units,
which are never more bytes than that; eCryptfs, below encrypted homes and network shares, takes 143.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_BYTES = 255
"""Of a name that is shown, in UTF-8: as long as the name on the user's own disk can be."""
PORTABLE_BYTES = 143
"""Of a name that we make: it fits wherever the file is copied to."""
STEM_BYTES = 100
DEFAULT = "film"

_SEPARATORS = re.compile(r"[/\\]")
# Joiners hold emoji families together; every other format character can only mislead the eye
# (a right-to-left override makes "gpj.exe" of "exe.jpg").
JOINERS = frozenset({"\u200c", "\u200d"})
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")
"""A region's, such as Scotland's: a black flag and its name in tags, which are hidden elsewhere."""
_TAGS = range(0xE0020, 0xE0080)
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
"""Letters of which two are a country's flag."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)
# Refused by Windows, exFAT and SMB.
_UNSAFE = re.compile(r'[<>:"/\\|?*]+')
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE
)
"""Devices of Windows, with any extension and spaces before it."""
_EXTENSION = re.compile(r"\.[0-9]{0,3}[A-Za-z][0-9A-Za-z]{0,9}$")
"""With a letter and no space, unlike the ends of "Vol. 2" and "Mr. Bean"."""


def clean_filename(name: str, *, default: str = DEFAULT) -> str:
    """Return a name for display: its last path component, one line, at most 255 bytes.

    Emoji and every script are kept; control characters, direction overrides, lone surrogates and
    dots at the end are not. Empty names, ``.`` and ``..`` become the default.
    """
    shown = "".join(
        part if number % 2 else "".join(filter(_is_shown, part))
        for number, part in enumerate(_FLAG.split(name))
    )
    last = _SEPARATORS.split(unicodedata.normalize("NFC", shown))[-1]
    single_spaced = " ".join(last.split()).rstrip(" .")
    return shorten(single_spaced, LONGEST_BYTES) or default


def make_portable(name: str, most_bytes: int = LONGEST_BYTES, *, default: str = DEFAULT) -> str:
    """Return the name under which a file can be stored on any disk, at most so many bytes long.

    No characters or names that a file system reserves, no hidden file, no option of a command.
    """
    safe = _UNSAFE.sub("_", clean_filename(name, default="")).lstrip(" .")
    if not safe:
        return default
    if safe[0] in "-~" or _RESERVED.match(safe):
        safe = f"_{safe}"
    return shorten(safe, most_bytes)


def derive_name(name: str, rest: str) -> str:
    """Return the name of a file that was made of one of this name: its stem, then ``rest``.

    It is portable and at most :data:`PORTABLE_BYTES` long. What is cut is the stem; of the rest,
    which may hold names of others, only if it is longer than all that.
    """
    rest = shorten(_UNSAFE.sub("_", rest), PORTABLE_BYTES - len(DEFAULT))
    stem = make_stem(name, PORTABLE_BYTES - len(rest.encode()))
    return make_portable(f"{stem}{rest}", PORTABLE_BYTES)


def make_stem(name: str, most_bytes: int = STEM_BYTES) -> str:
    """Return a name without its extension, portable and at most so many bytes long."""
    stem = _EXTENSION.sub("", make_portable(name)).rstrip(" .")
    return cut(stem, most_bytes).rstrip(" .") or DEFAULT


def shorten(name: str, most_bytes: int) -> str:
    """Return the name with as much of its stem as fits, and its extension."""
    if len(name.encode()) <= most_bytes:
        return name
    found = _EXTENSION.search(name)
    extension = found.group() if found and found.start() else ""
    stem = name.removesuffix(extension)
    return cut(stem, most_bytes - len(extension.encode())).rstrip(" .") + extension


def cut(text: str, most_bytes: int) -> str:
    """Return the beginning of a text that takes at most so many bytes of UTF-8.

    It ends between characters as people see them: an accent stays with its letter, a family of
    emoji and a flag stay whole.
    """
    begun = text.encode()[:most_bytes].decode(errors="ignore")
    end = len(begun)
    while 0 < end < len(text) and _is_within_character(text, end):
        end -= 1
    return text[:end] or begun


def _is_shown(character: str) -> bool:
    if character in JOINERS:
        return True
    # Tabs and newlines become single spaces in the next step.
    if character.isspace():
        return True
    # Unassigned ("Cn") stays: next year's emoji are unassigned to this year's Python.
    return (
        unicodedata.category(character) not in _UNSHOWN_CATEGORIES
        and ord(character) & 0xFFFE != 0xFFFE
    )


def _is_within_character(text: str, position: int) -> bool:
    if _extends(text[position]) or text[position - 1] in JOINERS:
        return True
    # In a row of flags, each has two letters.
    letters = 0
    if ord(text[position]) in _REGIONAL_INDICATORS:
        while letters < position and ord(text[position - 1 - letters]) in _REGIONAL_INDICATORS:
            letters += 1
    return letters % 2 == 1


def _extends(character: str) -> bool:
    """Return whether a character is shown as a part of the one before it."""
    return (
        character in JOINERS
        or unicodedata.category(character).startswith("M")
        or ord(character) in _SKIN_TONES
        or ord(character) in _TAGS
    )
