"""Model cards: what a model is, where its files come from, and the hash of each file.

A model is used only if every file on its card is present with the expected bytes. A missing model
is reported as missing, or fetched where a setting allows it; no other model is substituted.

Of a few models nobody could state the hash when their card was written. What the hub states at the
first download is then recorded in the models folder, and checked ever after: trust on first use.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

from cinemill.errors import ToolMissing
from cinemill.inference.models.registries.sources import (
    HubSource as HubSource,
)
from cinemill.inference.models.registries.sources import (
    ModelFile as ModelFile,
)
from cinemill.inference.models.registries.sources import (
    NpmSource as NpmSource,
)
from cinemill.inference.models.registries.sources import (
    Source as Source,
)
from cinemill.inference.models.registries.sources import (
    WheelPart as WheelPart,
)
from cinemill.inference.models.registries.sources import (
    WheelPlatform as WheelPlatform,
)
from cinemill.inference.models.registries.sources import (
    WheelSource as WheelSource,
)

MODELS_FOLDER = "models"
"""Folder below the home folder that holds one folder per model."""
PINS_FOLDER = ".pins"
"""Folder in the models folder for the hashes that were recorded at the first download."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_PINS_BYTES = 65_536
_DAMAGED_RECORD = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
TFJS_SUFFIX = ".tfjs"
"""Of the weights of a TensorFlow.js graph model; its graph is in a ``.json`` file next to them."""
EXPORTED_SUFFIXES = (".pth", ".safetensors", TFJS_SUFFIX)
"""Of weights that must be exported before they can be run."""
WEIGHTS_KEY = "cinemill.weights.sha256"
"""Entry of an exported graph that names the file of weights it was exported from."""


class ModelRole(StrEnum):
    """What a model is used for."""

    SPEECH = "speech"
    FACE_DETECTION = "face-detection"
    FACE_MESH = "face-mesh"
    IMAGE_FEATURES = "image-features"
    """A backbone: features of several levels, for heads that are trained on them."""
    IMAGE_EMBEDDING = "image-embedding"
    """A backbone whose last level compares pictures by their content."""
    FORGERY_DETECTION = "forgery-detection"
    """A whole detector of manipulated faces: a face in, a logit out."""
    GENERATED_IMAGE = "generated-image"
    """A detector of wholly generated pictures."""
    IMAGE_NAMES = "image-names"
    """Names of the classes of a model that was trained on ImageNet."""
    OBJECT_DETECTION = "object-detection"
    TEXT_READING = "text-reading"
    """Finds text in pictures and reads it."""
    SOUND_KIND = "sound-kind"
    """Separates speech, singing and music."""
    PARSER = "parser"
    """Finds parts of speech, dependencies and names in sentences."""
    TEXT_EMBEDDING = "text-embedding"
    """Compares texts by their meaning."""
    TEXT_TOWER = "text-tower"
    """Compares words with pictures, together with the image tower that its card names."""


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
    """Name of the tensor; empty where the model has only one input."""
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
    """Name of the tensor; empty where the model has only one output."""
    dimension: int
    level: str = ""
    """Depth that the features come from, such as ``stage3`` or ``pooled``."""


@dataclass(frozen=True, slots=True)
class ForgeryScore:
    """Where a whole detector says how forged or generated a picture looks."""

    output: str
    """Name of the output; empty where the model has only one."""
    forged: int = 0
    """Index of the forged class in a row of the output."""
    genuine: int | None = None
    """Index of the other class; None where the row is one number for the forged class."""
    is_probability: bool = False
    """Whether the numbers are probabilities; otherwise they are logits."""


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
    score: ForgeryScore | None = None
    """How a detector's output is read, if it is one."""
    preprocessing_version: int = 1
    """Increase it when the same picture would be given to the model as other numbers."""
    is_optional: bool = False
    """Fetched only where somebody asks for it by name, never at first use."""
    path: Path | None = None
    """The file itself, where a setting names it: it is used where it is, and never fetched."""
    retrieval_agreement: float | None = None
    """For a model in 8-bit integers: the share of nearest pictures that it finds as the original
    does, measured on real frames when it was created."""

    image_tower: str = ""
    """Of a text tower: name of the model whose vectors of pictures its own are compared with."""

    @property
    def revision(self) -> str:
        """Return the revision of the weights, derived from their content.

        Transcripts and work keys contain it. Raises ToolMissing (``model_missing``) where the hash
        is known only after the first download.
        """
        found = next(file.sha256 for file in self.files if file.name == self.weights)
        if not found:
            raise _missing(self)
        return found

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def is_pinned(self) -> bool:
        """Return whether the hash of every file is known."""
        return all(file.sha256 for file in self.files)

    @property
    def needs_export(self) -> bool:
        """Return whether the weights must be exported to ONNX before they can be run."""
        return self.weights.endswith(EXPORTED_SUFFIXES)


def find_model(card: ModelCard, folder: Path) -> Path:
    """Return the folder with the model's files after checking each of them.

    ``folder`` holds one folder per model; a file that a setting names is elsewhere. If the
    model is not there, installed packages are searched.

    Raises ToolMissing: ``model_missing`` with the command that downloads it, ``model_damaged`` if a
    file has other bytes than its card states.
    """
    if card.path is not None:
        check_model(card, card.path.parent)
        return card.path.parent
    card = apply_pins(card, folder)
    own = folder / card.name
    if own.is_dir():
        check_model(card, own)
        return own
    for installed in list_installed(card):
        if not verify_files(card, installed):
            return installed
    raise _missing(card)


def _missing(card: ModelCard) -> ToolMissing:
    return ToolMissing(
        f"The {card.role.value} model {card.name} is not installed.",
        code="model_missing",
        hint=f"Run 'cinemill models fetch {card.name}' ({card.size_bytes // 10**6} MB).",
    )


def apply_pins(card: ModelCard, folder: Path) -> ModelCard:
    """Return the card with the hashes that were recorded at the first download, if it needs any.

    A record of another revision does not count.
    """
    if card.is_pinned:
        return card
    pins = _read_pins(card, folder)
    files = [pins.get(file.name, file) if not file.sha256 else file for file in card.files]
    return replace(card, files=tuple(files))


def _read_pins(card: ModelCard, folder: Path) -> dict[str, ModelFile]:
    try:
        document = _read_record(card, folder)
        pins = {
            str(name): ModelFile(str(name), str(one["sha256"]), int(one["size_bytes"]))
            for name, one in document["files"].items()
        }
    except _DAMAGED_RECORD:
        return {}
    return {name: file for name, file in pins.items() if _SHA256.fullmatch(file.sha256)}


def _read_record(card: ModelCard, folder: Path) -> Any:
    """Return the record of this revision. Raises what damaged records lead to."""
    path = pins_path(card, folder)
    if path.stat().st_size > _LARGEST_PINS_BYTES:
        raise ValueError("the record is too large")
    document = json.loads(path.read_text("utf-8"))
    if document["sources"] != _name_sources(card):
        raise ValueError("the record is of another revision")
    return document


def has_provisional_pins(card: ModelCard, folder: Path) -> bool:
    """Return whether the recorded hashes are those of files in a user's folder.

    No source of the card has confirmed them.
    """
    if card.is_pinned:
        return False
    try:
        stated_by = _read_record(card, folder)["stated_by"]
    except _DAMAGED_RECORD:
        return False
    return stated_by not in [source.describe() for source in card.sources]


def record_pins(card: ModelCard, folder: Path, stated_by: str) -> None:
    """Record the hashes of a model's files, which are checked from now on.

    ``stated_by`` describes the source, or is the path of the user's folder.
    """
    path = pins_path(card, folder)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {f.name: {"sha256": f.sha256, "size_bytes": f.size_bytes} for f in card.files}
    document = {"sources": _name_sources(card), "stated_by": stated_by, "files": files}
    staged = path.with_suffix(".new")
    staged.write_text(json.dumps(document, indent=1), encoding="utf-8")
    staged.replace(path)


def pins_path(card: ModelCard, folder: Path) -> Path:
    return folder / PINS_FOLDER / f"{card.name}.json"


def _name_sources(card: ModelCard) -> list[str]:
    hubs = (source for source in card.sources if isinstance(source, HubSource))
    return [f"{hub.repository}@{hub.revision}" for hub in hubs]


def check_model(card: ModelCard, folder: Path) -> None:
    """Raise ToolMissing (``model_damaged``) unless all files have the expected bytes."""
    flaws = verify_files(card, folder)
    if flaws:
        raise ToolMissing(
            f"The {card.role.value} model {card.name} in {folder} does not match its model card: "
            f"{'; '.join(flaws)}.",
            code="model_damaged",
            hint=f"Run 'cinemill models fetch {card.name}' to download it again."
            if card.sources
            else "Put the original file back.",
        )


def verify_files(card: ModelCard, folder: Path) -> list[str]:
    """Return descriptions of what is wrong with the files; empty if nothing is."""
    return [flaw for file in card.files if (flaw := _find_flaw(file, folder / file.name))]


def _find_flaw(file: ModelFile, path: Path) -> str:
    if not path.is_file():
        return f"{file.name} is missing"
    if not file.sha256:
        return f"the sha256 of {file.name} was not recorded when it was fetched"
    size_bytes = path.stat().st_size
    if file.is_size_exact and size_bytes != file.size_bytes:
        return f"{file.name} has {size_bytes} bytes instead of {file.size_bytes}"
    if size_bytes > file.size_bytes:
        return f"{file.name} has {size_bytes} bytes, more than {file.size_bytes}"
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
