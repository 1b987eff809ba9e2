"""Model cards: what a model is, where its files come from, and the hash of each.

A model is used only where every file of its card is there with the right bytes. One that is missing
is said to be missing: no other takes its place, and nothing is fetched behind anybody's back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from cinemill.errors import ToolMissing

MODELS_FOLDER = "models"
"""Below the home folder: a folder for each model."""


class ModelRole(StrEnum):
    SPEECH = "speech"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, by its name in the model's folder."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A member of a published package: a whole file of the model, or a piece of one.

    Pieces of a file are joined in the order in which the source lists them.
    """

    requirement: str
    """Pinned: ``name==version``."""
    member: str
    file: str

    @property
    def distribution(self) -> str:
        return self.requirement.partition("==")[0]


@dataclass(frozen=True, slots=True)
class WheelSource:
    parts: tuple[WheelPart, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages, each once, in order."""
        return tuple(dict.fromkeys(part.requirement for part in self.parts))

    def describe(self) -> str:
        return " and ".join(self.requirements)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face hub at a pinned commit."""

    repository: str
    revision: str

    def describe(self) -> str:
        return f"{self.repository} at {self.revision[:12]}"


Source = WheelSource | HubSource


@dataclass(frozen=True, slots=True)
class ModelCard:
    name: str
    role: ModelRole
    licence: str
    about: str
    files: tuple[ModelFile, ...]
    weights: str
    """The name of the file whose hash tells this model from every other."""
    sources: tuple[Source, ...]
    """In the order in which they are tried, after a folder that somebody names."""

    @property
    def revision(self) -> str:
        """Of the weights, by content: what findings and keys of work are named with."""
        return next(file.sha256 for file in self.files if file.name == self.weights)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def find_model(card: ModelCard, folder: Path) -> Path:
    """The folder with the model's files, each of them checked.

    ``folder`` holds a folder for each model; after it, packages that are installed are looked at.

    Raises ToolMissing: ``model_missing`` with the command that fetches it, ``model_damaged`` where
    a file has other bytes than its card says.
    """
    own = folder / card.name
    if own.is_dir():
        check_model(card, own)
        return own
    for installed in list_installed(card):
        if not verify_files(card, installed):
            return installed
    raise ToolMissing(
        f"The {card.role.value} model {card.name} is not installed.",
        code="model_missing",
        hint=f"Run 'cinemill models fetch {card.name}' ({card.size_bytes // 10**6} MB).",
    )


def check_model(card: ModelCard, folder: Path) -> None:
    """Raises ToolMissing (``model_damaged``) unless every file is there with the right bytes."""
    flaws = verify_files(card, folder)
    if flaws:
        raise ToolMissing(
            f"The {card.role.value} model {card.name} in {folder} does not match its model card: "
            f"{'; '.join(flaws)}.",
            code="model_damaged",
            hint=f"Run 'cinemill models fetch {card.name}' to download it again.",
        )


def verify_files(card: ModelCard, folder: Path) -> list[str]:
    """What is wrong with the files, in words; empty where nothing is."""
    return [flaw for file in card.files if (flaw := _find_flaw(file, folder / file.name))]


def _find_flaw(file: ModelFile, path: Path) -> str:
    if not path.is_file():
        return f"{file.name} is missing"
    if path.stat().st_size != file.size_bytes:
        return f"{file.name} has {path.stat().st_size} bytes instead of {file.size_bytes}"
    found = hash_file(path)
    return "" if found == file.sha256 else f"the sha256 of {file.name} is {found}"


def hash_file(path: Path) -> str:
    """sha256 in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_installed(card: ModelCard) -> Iterator[Path]:
    """Folders of installed packages that hold the whole model."""
    for source in card.sources:
        if isinstance(source, WheelSource):
            folders = {_locate(part) for part in source.parts}
            if len(folders) == 1 and None not in folders:
                yield from (folder for folder in folders if folder is not None)


def _locate(part: WheelPart) -> Path | None:
    """The folder in which an installed package has this member, under the name it is used by."""
    try:
        path = Path(str(metadata.distribution(part.distribution).locate_file(part.member)))
    except metadata.PackageNotFoundError:
        return None
    return path.parent if path.name == part.file else None
