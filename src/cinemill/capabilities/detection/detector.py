"""The detector of an installation: its ensemble, and the model of each member."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from cinemill.capabilities.detection.ensemble.ensemble_files import read_ensemble
from cinemill.capabilities.detection.ensemble.features import (
    FeatureLevel,
    FeatureSpace,
    Normalization,
    check_space,
)
from cinemill.capabilities.detection.ensemble.fusion import Ensemble, WeightSource, make_ensemble
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.registry_files import (
    ENSEMBLES_FOLDER,
    HEADS_FOLDER,
    MANIFEST,
    TENSORS,
)
from cinemill.core.files.file_identity import FileIdentity, identify_file
from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.cards import PINS_FOLDER, ModelCard, ModelRole
from cinemill.inference.models.catalog import find_card
from cinemill.inference.models.checked_files import process_checked_files
from cinemill.inference.models.file_models import FAMILIES, read_file_model
from cinemill.inference.models.user_cards import CARD_FILENAME
from cinemill.inference.vision.features import find_preprocessing_version, list_levels
from cinemill.storage.cache.keys import ModelIdentity

DEFAULT_ENSEMBLE = "default"
"""The ensemble that analyses use."""
RESNET50, CLIP = "resnet50", "clip"
"""Members whose models and weights are settings."""
DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType({RESNET50: 0.6, CLIP: 0.4})
"""Weights of these two where nobody gives any; the settings have the same defaults."""
CROP_VERSION = 1
"""Raise it whenever the same frame would give other crops of its faces."""

FileState = tuple[str, FileIdentity]
"""The path of a file, and what changes with its content."""
FileStates = tuple[FileState, ...]


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """What the settings say about the detector."""

    home: Path
    models_dir: Path
    clip_model: str
    """Name of CLIP's card, a name that others give to it, or the absolute path of a file."""
    weights: Mapping[str, float] | None = None
    """Of the members, if a person set them."""
    resnet50_path: Path | None = None
    """A file of ResNet50, to be used instead of its card's."""

    def find_file(self, member: str) -> Path | None:
        """Return the file that a setting names for the model of this member."""
        clip = Path(self.clip_model)
        return {RESNET50: self.resnet50_path, CLIP: clip if clip.is_absolute() else None}.get(
            member
        )


@dataclass(frozen=True)
class Detector:
    """An ensemble whose heads fit the models that are used."""

    ensemble: Ensemble
    cards: Mapping[str, ModelCard]
    """Model of each member that has a head."""

    @property
    def can_score(self) -> bool:
        """Whether a head is left that counts."""
        return any(one.weight for one in self.ensemble.members if one.head is not None)

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """Return the models, each once, in order of their names."""
        return tuple({card.name: card for card in self._ordered}.values())

    @cached_property
    def subject(self) -> str:
        """Return the digest of heads and weights."""
        return self.ensemble.subject

    @cached_property
    def head_digests(self) -> dict[str, str]:
        """Return the digest of each member's head."""
        return {name: head.digest for name, head in self.ensemble.heads.items()}

    @cached_property
    def calibration_digest(self) -> str:
        """Return the SHA-256 of the calibration, which may hold 200,000 scores; "" without one."""
        calibration = self.ensemble.calibration
        if calibration is None:
            return ""
        return hashlib.sha256(calibration.model_dump_json().encode()).hexdigest()

    @property
    def _ordered(self) -> list[ModelCard]:
        return sorted(self.cards.values(), key=lambda card: card.name)


def load_detector(options: DetectorOptions, name: str = DEFAULT_ENSEMBLE) -> Detector | None:
    """Return the installed detector; None if there is none.

    Raises ToolMissing: ``head_damaged``, or ``head_mismatch`` for a head of another model.
    """
    try:
        ensemble = read_ensemble(options.home / ENSEMBLES_FOLDER, options.home / HEADS_FOLDER, name)
    except ToolMissing as missing:
        if missing.code == "head_missing":
            return None
        raise
    cards = {}
    for member, head in ensemble.heads.items():
        cards[member] = find_backbone(member, options)
        check_space(head.space, describe_space(cards[member], head.space.normalization), head.name)
    return Detector(_apply_settings(ensemble, options.weights), cards)


class InstalledDetector:
    """The detector of a process, read again only when one of its files has changed.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lock = Lock()
        self._detector: Detector | None = None
        self._read_from: tuple[DetectorOptions, FileStates] | None = None

    def load(self, options: DetectorOptions) -> Detector | None:
        """Return the installed detector; None if there is none. Raises as load_detector does."""
        with self._lock:
            # Before the files are read: one that changes meanwhile is read again the next time.
            states = tuple(_list_states(options))
            if self._read_from != (options, states):
                self._read_from = None
                self._detector = load_detector(options)
                self._read_from = (options, states)
            return self._detector


def _list_states(options: DetectorOptions) -> Iterator[FileState]:
    """Yield what changes with each file that a detector or the card of a model is read from."""
    yield from _describe_files(options.home / ENSEMBLES_FOLDER, f"{DEFAULT_ENSEMBLE}.json")
    for name in (MANIFEST, TENSORS):
        yield from _describe_files(options.home / HEADS_FOLDER, f"*/{name}")
    yield from _describe_files(options.models_dir, f"*/{CARD_FILENAME}")
    yield from _describe_files(options.models_dir / PINS_FOLDER, "*.json")
    for file in filter(None, map(options.find_file, (RESNET50, CLIP))):
        # Weights are used as the graph next to them.
        yield from _describe({file, file.with_suffix(".onnx")})


def _describe_files(folder: Path, pattern: str) -> Iterator[FileState]:
    yield from _describe(sorted(folder.glob(pattern)))


def _describe(paths: Iterable[Path]) -> Iterator[FileState]:
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue  # it went away just now
        yield str(path), identify_file(found)


_NO_FEATURES = (ModelRole.GENERATED_IMAGE, ModelRole.OBJECT_DETECTION)


def find_backbone(member: str, options: DetectorOptions) -> ModelCard:
    """Return the card of a member's model.

    Raises ToolMissing: ``model_unknown``, ``model_unsuitable`` for one that has no features, and
    as :func:`read_file_model` for a file that a setting names.
    """
    if (file := options.find_file(member)) is not None:
        checked = process_checked_files(options.models_dir)
        return read_file_model(file, FAMILIES[member], checked)
    name = options.clip_model if member == CLIP else member
    try:
        card = find_card(name, options.models_dir)
    except NotFound as unknown:
        raise ToolMissing(unknown.message, code=unknown.code, hint=unknown.hint) from unknown
    if card.image is None or not card.outputs or card.role in _NO_FEATURES:
        raise ToolMissing(
            f"The {card.role.value} model {card.name} returns nothing that an ensemble can use.",
            code="model_unsuitable",
            hint="'cinemill models list' shows the role of each model.",
        )
    return card


def find_member(model: str, options: DetectorOptions) -> tuple[str, ModelCard]:
    """Return the name that a model has as a member of an ensemble, and the card it is used with.

    A file that a setting names for the member is used in place of the model of the same name.
    Raises ToolMissing as :func:`find_backbone` does.
    """
    card, clip = find_backbone(model, options), find_backbone(CLIP, options)
    member = CLIP if card.name == clip.name else card.name
    return member, find_backbone(member, options)


def find_member_of_head(head: Head, options: DetectorOptions) -> tuple[str, ModelCard]:
    """Return the member of an ensemble that a head belongs to, and the card of its model.

    Raises ToolMissing: ``head_mismatch`` unless the head was trained with this model, and as
    :func:`find_backbone`.
    """
    member, card = find_member(head.space.model, options)
    check_space(head.space, describe_space(card, head.space.normalization), head.name)
    return member, card


def describe_space(
    card: ModelCard, normalization: Normalization = Normalization.L2
) -> FeatureSpace:
    """Return the space of the features that a model returns for a face.

    That of a whole detector is its logit, as it is.
    """
    return FeatureSpace(
        model=card.name,
        revision=card.revision,
        preprocessing=describe_preprocessing(card),
        levels=tuple(
            FeatureLevel(name=level, dimension=dimension)
            for level, dimension in list_levels(card).items()
        ),
        normalization=Normalization.NONE if card.score is not None else normalization,
    )


def describe_preprocessing(card: ModelCard) -> str:
    """Return the version of everything between a frame and the model."""
    resize = find_preprocessing_version(card)
    return f"crop {CROP_VERSION}, resize {resize}, model {card.preprocessing_version}"


def identify_model(card: ModelCard) -> ModelIdentity:
    """Return what the keys of cached features contain of a model."""
    return ModelIdentity(
        name=card.name,
        revision=card.revision,
        preprocessing=describe_preprocessing(card),
        outputs=tuple(output.name for output in card.outputs),
    )


def _apply_settings(ensemble: Ensemble, weights: Mapping[str, float] | None) -> Ensemble:
    """Return the ensemble with the weights that a person set, if they are of all its members."""
    names = [member.name for member in ensemble.members]
    if weights is None or sorted(weights) != sorted(names):
        return ensemble
    heads = {member.name: member.head for member in ensemble.members}
    changed = make_ensemble(heads, weights, WeightSource.SETTINGS, ensemble.calibration)
    # Another order of the same numbers is no other ensemble: the calibration goes on to hold.
    return ensemble if changed.subject == ensemble.subject else changed
