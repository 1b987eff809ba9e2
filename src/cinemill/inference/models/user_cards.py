"""Cards that users write for models of their own, and the folders that hold these models.

A model of one's own is an ONNX file that takes a picture. It is kept under the hash of its content,
next to its card, in the folder of its name.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import tomllib
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cinemill.core.parameter_reader import read_parameters, read_stored_parameters
from cinemill.core.parameters import Expected, Listed, Parameters, choice_of, reject
from cinemill.errors import CinemillError, Conflict, DiskFull, InputRejected
from cinemill.inference.models.cards import (
    ColourOrder,
    ForgeryScore,
    ImageInput,
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    hash_file,
)
from cinemill.inference.models.onnx_check import check_onnx

CARD_FILENAME = "card.json"
LARGEST_CARD_BYTES = 65_536
LARGEST_MODEL_BYTES = 4 * 1024**3
MOST_OUTPUTS = 32
LARGEST_SIDE = 2048
LARGEST_DIMENSION = 65_536
RESERVED_NAMES = frozenset({"exported"})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DETECTORS = (ModelRole.FORGERY_DETECTION, ModelRole.GENERATED_IMAGE)
_BACKBONES = (ModelRole.IMAGE_FEATURES, ModelRole.IMAGE_EMBEDDING)
_ROLES = ", ".join(role.value for role in (*_DETECTORS, *_BACKBONES))

Text = Annotated[str, Field(max_length=500)]
TensorName = Annotated[str, Field(max_length=200)]
Index = Annotated[int, Field(ge=0, lt=LARGEST_DIMENSION)]
Side = Annotated[int, Field(ge=16, le=LARGEST_SIDE)]
Level = Annotated[float, Field(ge=-1000, le=1000)]
Scale = Annotated[float, Field(gt=0, le=1000)]


class _CardPart(Parameters):
    error_code = "model_card_invalid"


class UserInput(_CardPart):
    """The picture that the model takes: ``(pixel - mean) / std``, N x 3 x height x width."""

    name: TensorName = ""
    """Name of the tensor; may be left out if there is only one."""
    width: Side
    height: Side
    order: Annotated[ColourOrder, choice_of(ColourOrder)] = ColourOrder.RGB
    """Order of the channels: rgb or bgr."""
    mean: Annotated[Listed[Level], Field(min_length=3, max_length=3)]
    """Of red, green and blue, on the scale 0 to 255."""
    std: Annotated[Listed[Scale], Field(min_length=3, max_length=3)]
    """Of red, green and blue, on the scale 0 to 255."""


class UserOutput(_CardPart):
    """A tensor of N x dimension numbers."""

    name: TensorName = ""
    """Name of the tensor; may be left out if there is only one."""
    dimension: Annotated[int, Field(ge=1, le=LARGEST_DIMENSION)]
    level: Annotated[str, Field(max_length=50)] = ""
    """Depth that features come from, such as stage3."""


class UserScore(_CardPart):
    """Where a detector says how forged or generated the picture looks."""

    output: TensorName = ""
    """Name of the output; may be left out if there is only one."""
    forged: Index
    """Index of the class of forged or generated pictures."""
    genuine: Index | None = None
    """Index of the other class; left out if one number says it all."""
    is_probability: bool = False
    """Whether the numbers are probabilities; otherwise they are logits."""


class UserCard(_CardPart):
    """A model of a user's own."""

    version: Literal[1] = Field(1, alias="schema")
    """Version of this form."""
    name: Annotated[
        str,
        Field(pattern=f"^{_NAME.pattern}$"),
        Expected("lower-case letters, digits, dots, hyphens and underscores, at most 63"),
    ]
    """Name of the model."""
    role: Annotated[ModelRole, choice_of(ModelRole), Expected(f"one of {_ROLES}")]
    """What the model is for."""
    licence: Annotated[str, Field(min_length=1, max_length=100)]
    """Licence of the weights."""
    licence_source: Text = ""
    """Who states the licence."""
    about: Text = ""
    """What it is, and what it was trained on."""
    input: UserInput
    """What it takes."""
    outputs: Annotated[Listed[UserOutput], Field(min_length=1, max_length=MOST_OUTPUTS)]
    """What it returns."""
    score: UserScore | None = None
    """For a detector: where its answer is."""

    @model_validator(mode="after")
    def _check_together(self) -> UserCard:
        if self.role not in (*_DETECTORS, *_BACKBONES):
            raise reject(f"role must be one of {_ROLES}, not {self.role.value!r}.")
        names = [output.name for output in self.outputs]
        if len(names) != len(set(names)):
            raise reject("Two outputs have the same name.")
        if (self.score is not None) != (self.role in _DETECTORS):
            has = "needs" if self.role in _DETECTORS else "has no"
            raise reject(f"A model for {self.role.value} {has} score.")
        if self.score is not None:
            _check_score(self.score, {output.name: output.dimension for output in self.outputs})
        return self


def _check_score(score: UserScore, dimensions: dict[str, int]) -> None:
    if score.output not in dimensions:
        raise reject(f"score.output names no output: {score.output!r}.")
    if max(score.forged, score.genuine or 0) >= dimensions[score.output]:
        raise reject("score.forged and score.genuine must be below the output's dimension.")
    if score.forged == score.genuine:
        raise reject("score.forged and score.genuine must differ.")


class _StoredFile(Parameters):
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=1, le=LARGEST_MODEL_BYTES)]


class _StoredCard(UserCard):
    file: _StoredFile


def read_user_card(path: Path) -> UserCard:
    """Return the card in a JSON or TOML file.

    Raises InputRejected (``model_card_invalid``) with what is wrong.
    """
    if path.stat().st_size > LARGEST_CARD_BYTES:
        raise InputRejected(
            f"A card has at most {LARGEST_CARD_BYTES} bytes.", code="model_card_invalid"
        )
    try:
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputRejected(
            f"{path.name} is not readable: {str(error).splitlines()[0]}.",
            code="model_card_invalid",
            hint="Write the card as TOML, or as JSON in a file with the suffix .json.",
        ) from error
    return read_parameters(UserCard, document)


def add_model(card: UserCard, file: Path, folder: Path, taken: Collection[str]) -> ModelCard:
    """Check a user's ONNX file against its card, and keep both in the models folder.

    ``taken`` are the names of other models. Raises Conflict (``model_exists``), InputRejected
    (``model_file_invalid``), DiskFull.
    """
    target = folder / card.name
    if card.name in taken or card.name in RESERVED_NAMES or target.exists():
        raise Conflict(
            f"There is already a model called {card.name!r}.",
            code="model_exists",
            hint="Choose another name in the card"
            + (f", or delete the folder {target} first." if target.exists() else "."),
        )
    _require_size(file, folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as name:
        # Alone in a folder of its own: what is not in the file itself cannot be found.
        staged = Path(name) / card.name
        staged.mkdir()
        sha256, size_bytes = _copy(file, staged)
        stored = _StoredCard.model_validate(
            {**card.model_dump(by_alias=True), "file": {"sha256": sha256, "size_bytes": size_bytes}}
        )
        model = _as_card(stored)
        check_onnx(staged / model.weights, model)
        document = json.dumps(stored.model_dump(mode="json", by_alias=True), indent=1)
        (staged / CARD_FILENAME).write_text(document, encoding="utf-8")
        staged.rename(target)
    return model


def _require_size(file: Path, folder: Path) -> None:
    size_bytes = file.stat().st_size
    if not 0 < size_bytes <= LARGEST_MODEL_BYTES:
        raise InputRejected(
            f"{file.name} has {size_bytes} bytes; a model has at most {LARGEST_MODEL_BYTES}.",
            code="model_file_invalid",
        )
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_bytes = shutil.disk_usage(place).free
    if free_bytes < size_bytes:
        raise DiskFull(f"{file.name} has {size_bytes >> 20} MiB; {free_bytes >> 20} MiB are free.")


def _copy(file: Path, staged: Path) -> tuple[str, int]:
    """Copy the file under the hash of the copy, which is what is checked and used."""
    copy = staged / "model.onnx"
    shutil.copyfile(file, copy)
    sha256 = hash_file(copy)
    copy.rename(staged / _name_file(sha256))
    return sha256, (staged / _name_file(sha256)).stat().st_size


def _name_file(sha256: str) -> str:
    return f"{sha256}.onnx"


def list_user_cards(folder: Path) -> Iterator[ModelCard]:
    """Yield the cards of the models that users added, by name; a card that is damaged is left out.

    ``folder`` is the models folder.
    """
    for path in sorted(folder.glob(f"*/{CARD_FILENAME}")):
        name = path.parent.name
        if _NAME.fullmatch(name) and name not in RESERVED_NAMES:
            card = _read_stored(path)
            if card is not None and card.name == name:
                yield card


def _read_stored(path: Path) -> ModelCard | None:
    try:
        if path.stat().st_size > LARGEST_CARD_BYTES:
            return None
        document: Any = json.loads(path.read_text("utf-8"))
        return _as_card(read_stored_parameters(_StoredCard, document))
    except (OSError, ValueError, RecursionError, CinemillError):
        return None


def _as_card(stored: _StoredCard) -> ModelCard:
    image, score = stored.input, stored.score
    file = _name_file(stored.file.sha256)
    reading = json.dumps([image.model_dump(mode="json"), score and score.model_dump(mode="json")])
    return ModelCard(
        name=stored.name,
        role=stored.role,
        licence=stored.licence,
        licence_source=stored.licence_source or "the person who added it",
        about=stored.about,
        files=(ModelFile(file, stored.file.sha256, stored.file.size_bytes),),
        weights=file,
        sources=(),
        image=ImageInput(
            image.name,
            image.width,
            image.height,
            (image.mean[0], image.mean[1], image.mean[2]),
            (image.std[0], image.std[1], image.std[2]),
            image.order,
        ),
        outputs=tuple(ModelOutput(one.name, one.dimension, one.level) for one in stored.outputs),
        score=None
        if score is None
        else ForgeryScore(score.output, score.forged, score.genuine, score.is_probability),
        # A new card for the same file must not find what was computed by the old one.
        preprocessing_version=zlib.crc32(reading.encode()),
        is_optional=True,
    )
