"""What ``cinemill detect`` is given: video files, folders of videos, and ids of assets."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cinemill.cli.ids import MIN_PREFIX_LENGTH
from cinemill.cli.input_files import FileUnusable, display_names, find_unreadable
from cinemill.core.media import MaterialFormat, SourceFormat
from cinemill.errors import CinemillError

FILMS = frozenset(SourceFormat)
"""Formats that may have a picture."""
FILMS_AND_SOUNDS = frozenset({*SourceFormat, *MaterialFormat})
MOST_VIDEOS = 1000
"""Videos in a folder: all of them are uploaded before the end of the first is awaited."""
MOST_FILES = 100_000
"""Files of a folder that are looked at."""
_ID = re.compile(r"[0-9a-fA-F]{4,8}(-[0-9a-fA-F-]*)?")
_ID_LENGTH = 36


class FolderUnsuitable(FileUnusable):
    """A folder without a video, or with more files than one command takes."""

    code = "folder_unsuitable"
    hint = "Name a folder with videos, or name the videos themselves."


@dataclass(slots=True)
class Inputs:
    """The videos of one command by display name."""

    names: list[str] = field(default_factory=list)
    """All of them, in the order in which they were given."""
    videos: dict[str, Path] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    """Ids of stored videos."""
    errors: dict[str, CinemillError] = field(default_factory=dict)


def read_inputs(given: Sequence[str], formats: Collection[str] = FILMS) -> Inputs:
    """Return what is to be worked on. What cannot be read becomes an error by its name.

    Of folders, those are files of the ``formats``.
    """
    inputs = Inputs()
    order: list[str | Path] = []
    for text in given:
        if may_be_asset_id(text) and not os.path.lexists(text):
            inputs.assets[text] = text
            order.append(text)
        elif text and Path(text).is_dir():
            order += _read_folder(text, formats, inputs)
        else:
            order.append(Path(text) if text else text)
    paths = dict.fromkeys(one for one in order if isinstance(one, Path))
    named = display_names(paths)
    names = {path: name for name, path in named.items()}
    inputs.names = [names[one] if isinstance(one, Path) else one for one in dict.fromkeys(order)]
    inputs.errors |= find_unreadable(named)
    if "" in inputs.names:
        inputs.errors[""] = FileUnusable("A file without a name does not exist.")
    inputs.videos = {name: path for name, path in named.items() if name not in inputs.errors}
    return inputs


def _read_folder(text: str, formats: Collection[str], inputs: Inputs) -> Sequence[str | Path]:
    try:
        return find_videos(Path(text), formats)
    except CinemillError as error:
        inputs.errors[text] = error
        return [text]


def find_videos(folder: Path, formats: Collection[str] = FILMS) -> list[Path]:
    """Return the files of these formats in a folder and in those in it, in order of their paths.

    A format is known by its first bytes, whatever its name. Hidden files and links are left out.

    Raises FolderUnsuitable: no video, more than MOST_VIDEOS, or more than MOST_FILES files.
    """
    found: list[Path] = []
    for number, path in enumerate(_walk(folder)):
        if number == MOST_FILES:
            raise FolderUnsuitable(f"{folder} holds more than {MOST_FILES:,} files.")
        if not _is_one_of(path, formats):
            continue
        if len(found) == MOST_VIDEOS:
            raise FolderUnsuitable(
                f"{folder} holds more than {MOST_VIDEOS:,} videos.",
                hint="Name folders with fewer videos, one after the other.",
            )
        found.append(path)
    if not found:
        raise FolderUnsuitable(f"{folder} holds no video.")
    return sorted(found)


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise FileUnusable(f"{error.filename} cannot be read: {error.strerror}.") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _is_one_of(path: Path, formats: Collection[str]) -> bool:
    """Check the first bytes. A file that cannot be opened counts, so that it is reported."""
    from cinemill.capabilities.detection.datasets.records import VIDEO_SUFFIXES
    from cinemill.errors import MediaRejected
    from cinemill.media.probe.sniff import HEAD_BYTES, sniff

    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES)) in formats
    except MediaRejected:
        return False
    except OSError:
        return path.suffix.lower() in VIDEO_SUFFIXES


def may_be_asset_id(text: str) -> bool:
    """Check whether a text is the id of an asset, or its first characters as lists show them."""
    return MIN_PREFIX_LENGTH <= len(text) <= _ID_LENGTH and _ID.fullmatch(text) is not None
