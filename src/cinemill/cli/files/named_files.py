"""Where a job's files lie by name, if the server's folders are on this machine."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.client.models import ArtifactDocument
    from cinemill.config import Settings

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Shelves:
    """The folders of a server on this home; those of another machine do not exist here."""

    objects: Path
    """Files by content."""
    named: Sequence[Path] = ()
    """Folders in which jobs name their outputs. What a job has not named is named in the first."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Shelves:
        """Return those of the server that these settings describe."""
        return cls(settings.home / "objects", (settings.render_dir, settings.preview_dir))

    def find(self, job_id: str, artifact: ArtifactDocument) -> Path | None:
        """Return the path of a job's file by its name, else by its content; None if not here.

        A file without a name is given one where that takes no room: a path that only is to be shown
        is worth no copy on another disk.
        """
        from cinemill.steps.named_outputs import export_output, folder_name
        from cinemill.storage.media.files import LocalFiles

        if not self.objects.is_dir():
            return None
        files = LocalFiles(self.objects)
        sha256 = str(artifact["sha256"])
        if not files.exists(sha256):
            return None
        stored = files.path(sha256)
        filename = str(artifact.get("filename") or "")
        for shelf in self.named:
            if named := _find_same(stored, shelf / folder_name(job_id), filename):
                return named
        if self.named and filename and _find_disk(self.named[0]) == _find_disk(stored):
            # A folder of somebody else's, or without room: the file is there by its content.
            with suppress(CinemillError, OSError):
                return export_output(files, sha256, self.named[0], job_id, filename)
        return stored


def _find_same(stored: Path, folder: Path, filename: str) -> Path | None:
    """Return the name in a folder that a stored file has there too; None if it has none.

    Of several, as of two equal pictures, it is the file's own name.
    """
    try:
        # On another disk a file's name is that of a copy.
        may_be_copy = _find_disk(folder) != _find_disk(stored)
        for path in sorted(folder.iterdir(), key=lambda one: (one.name != filename, one.name)):
            if path.is_file() and (
                path.samefile(stored) or (may_be_copy and filecmp.cmp(path, stored, shallow=False))
            ):
                return path
    except OSError:
        return None
    return None


def _find_disk(path: Path) -> int | None:
    """Return the number of the disk that a path is or would be on; None if that is unknown."""
    for place in (path, *path.parents):
        with suppress(OSError):
            return place.stat().st_dev
    return None


def sort_files(artifacts: Iterable[ArtifactDocument]) -> list[ArtifactDocument]:
    """Return files by kind and name, with the numbers in names as numbers: 2 comes before 10."""
    return sorted(artifacts, key=lambda one: (str(one["kind"]), _split(one)))


def without_hash(url: str) -> str:
    """Return a link to a file as people read it: whose content it was is for programs."""
    parts = urlsplit(url)
    kept = [one for one in parts.query.split("&") if one and not one.startswith("sha256=")]
    return urlunsplit(parts._replace(query="&".join(kept)))


def _split(artifact: ArtifactDocument) -> list[tuple[int, str]]:
    name = str(artifact.get("filename") or artifact.get("variant") or "")
    parts = _NUMBER.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]
