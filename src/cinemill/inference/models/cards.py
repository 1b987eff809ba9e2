"""Model cards: what a model is, where its files come from, and the hash of each file.

A model is used only if every file on its card is present with the expected bytes. A missing model
is reported as missing: no other model is substituted, and nothing is downloaded without being asked
for.
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
"""Folder below the home folder that holds one folder per model."""


class ModelRole(StrEnum):
    """What a model is used for."""

    SPEECH = "speech"
    FACE_DETECTION = "face-detection"
    FACE_MESH = "face-mesh"
    IMAGE_FEATURES = "image-features"
    """A backbone: features of several levels, for heads that are trained on them."""
    IMAGE_EMBEDDING = "image-embedding"
    FORGERY_DETECTION = "forgery-detection"
    """A whole detector of manipulated faces: a face in, a logit out."""
    GENERATED_IMAGE = "generated-image"
    """A detector of wholly generated pictures."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model, named as in the model's folder."""

    name: str
    sha256: str
    size_bytes: int


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
class WheelSource:
    parts: tuple[WheelPart, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        """Return the packages in order, each once."""
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


Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (123.675, 116.28, 103.53)
IMAGENET_STD: Channels = (58.395, 57.12, 57.375)
"""Red, green, blue on the scale 0 to 255 (0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 of 1)."""
CLIP_MEAN: Channels = (122.7709383, 116.7460125, 104.0937362)
CLIP_STD: Channels = (68.5005327, 66.6321579, 70.3231630)
"""The same for CLIP, which was not trained on ImageNet's statistics (0.48145466, 0.4578275,
0.40821073 and 0.26862954, 0.26130258, 0.27577711 of 1)."""


class ColourOrder(StrEnum):
    RGB = "rgb"
    BGR = "bgr"


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The picture that a model takes: ``(pixel - mean) / std`` for each channel, N×3×H×W."""

    name: str
    """Name of the tensor."""
    width: int
    height: int
    mean: Channels
    """Red, green, blue, on the scale 0 to 255, in this order whatever ``order`` says."""
    std: Channels
    order: ColourOrder = ColourOrder.RGB


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A tensor that a model returns, one row for each picture."""

    name: str
    dimension: int
    level: str = ""
    """Depth that the features come from, such as ``stage3`` or ``pooled``."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    name: str
    role: ModelRole
    licence: str
    about: str
    files: tuple[ModelFile, ...]
    weights: str
    """Name of the file whose hash distinguishes this model from every other."""
    sources: tuple[Source, ...]
    """Sources in the order in which they are tried, after a folder that the user names."""
    licence_source: str = ""
    """Who states the licence, where the files do not: a repository, an author's page."""
    image: ImageInput | None = None
    """What it takes, if it takes pictures."""
    outputs: tuple[ModelOutput, ...] = ()
    retrieval_agreement: float | None = None
    """For a model in 8-bit integers: the share of nearest pictures that it finds as the original
    does, measured on real frames when it was created."""

    @property
    def revision(self) -> str:
        """Return the revision of the weights, derived from their content.

        Transcripts and work keys contain it.
        """
        return next(file.sha256 for file in self.files if file.name == self.weights)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def find_model(card: ModelCard, folder: Path) -> Path:
    """Return the folder with the model's files after checking each of them.

    ``folder`` holds one folder per model. If the model is not there, installed packages are
    searched.

    Raises ToolMissing: ``model_missing`` with the command that downloads it, ``model_damaged`` if a
    file has other bytes than its card states.
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
    """Raise ToolMissing (``model_damaged``) unless all files have the expected bytes."""
    flaws = verify_files(card, folder)
    if flaws:
        raise ToolMissing(
            f"The {card.role.value} model {card.name} in {folder} does not match its model card: "
            f"{'; '.join(flaws)}.",
            code="model_damaged",
            hint=f"Run 'cinemill models fetch {card.name}' to download it again.",
        )


def verify_files(card: ModelCard, folder: Path) -> list[str]:
    """Return descriptions of what is wrong with the files; empty if nothing is."""
    return [flaw for file in card.files if (flaw := _find_flaw(file, folder / file.name))]


def _find_flaw(file: ModelFile, path: Path) -> str:
    if not path.is_file():
        return f"{file.name} is missing"
    if path.stat().st_size != file.size_bytes:
        return f"{file.name} has {path.stat().st_size} bytes instead of {file.size_bytes}"
    found = hash_file(path)
    return "" if found == file.sha256 else f"the sha256 of {file.name} is {found}"


def hash_file(path: Path) -> str:
    """Return the file's SHA-256 in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_installed(card: ModelCard) -> Iterator[Path]:
    """Yield folders of installed packages that hold the whole model."""
    for source in card.sources:
        if isinstance(source, WheelSource):
            folders = {_locate(part) for part in source.parts}
            if len(folders) == 1 and None not in folders:
                yield from (folder for folder in folders if folder is not None)


def _locate(part: WheelPart) -> Path | None:
    """Return the folder where an installed package has this member under its expected name."""
    try:
        path = Path(str(metadata.distribution(part.distribution).locate_file(part.member)))
    except metadata.PackageNotFoundError:
        return None
    return path.parent if path.name == part.file else None
