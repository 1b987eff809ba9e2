"""The heads and ensembles of this installation, as the commands show and change them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinemill.cli import connect
from cinemill.errors import CinemillError, Conflict, InputRejected, NotFound, ToolMissing

if TYPE_CHECKING:
    from cinemill.capabilities.detection.detector import DetectorOptions
    from cinemill.capabilities.detection.ensemble.fusion import Ensemble, WeightSource
    from cinemill.capabilities.detection.ensemble.head import Head
    from cinemill.capabilities.detection.ensemble.head_files import HeadManifest
    from cinemill.config import Settings
    from cinemill.inference.models.cards import ModelCard


class HeadUnreadable(InputRejected):
    """A folder on the command line that is no usable head."""

    code = "head_unreadable"
    hint = "Give the folder that holds the head's manifest.json and head.safetensors."


@dataclass(frozen=True, slots=True)
class Registry:
    """The folders of the heads and ensembles of one home."""

    options: DetectorOptions
    heads: Path
    ensembles: Path

    def list_names(self) -> list[str]:
        from cinemill.capabilities.detection.ensemble.head_files import list_heads

        return list_heads(self.heads)

    def read_head(self, name: str) -> Head:
        """Return an installed head. Raises NotFound, or ToolMissing (``head_damaged``)."""
        from cinemill.capabilities.detection.ensemble.head_files import read_head

        try:
            return read_head(self.heads, name)
        except ToolMissing as missing:
            if missing.code != "head_missing":
                raise
            raise NotFound(
                missing.message,
                code=missing.code,
                hint="'cinemill detect heads list' shows the installed heads.",
            ) from missing

    def read_ensemble(self) -> Ensemble | None:
        """Return the ensemble that analyses use, None without one.

        Raises ToolMissing (``head_damaged``, ``head_mismatch``).
        """
        from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE
        from cinemill.capabilities.detection.ensemble.ensemble_files import read_ensemble

        try:
            return read_ensemble(self.ensembles, self.heads, DEFAULT_ENSEMBLE)
        except ToolMissing as missing:
            if missing.code == "head_missing":
                return None
            raise

    def list_users(self, name: str) -> list[str]:
        """Return the names of the ensembles that contain a head, readable ones only."""
        return sorted(ensemble for ensemble, members in self._list_members() if name in members)

    def _list_members(self) -> Iterator[tuple[str, set[str]]]:
        """Yield the name of each ensemble and those of its heads, installed or not."""
        from cinemill.capabilities.detection.ensemble.ensemble_files import EnsembleManifest
        from cinemill.capabilities.detection.ensemble.registry_files import (
            LARGEST_MANIFEST_BYTES,
            parse_manifest,
            read_bounded,
        )

        for path in sorted(self.ensembles.glob("*.json")):
            try:
                data = read_bounded(path, LARGEST_MANIFEST_BYTES)
                manifest = parse_manifest(data, EnsembleManifest)
            except (ValueError, FileNotFoundError):
                continue
            yield path.stem, {member.head for member in manifest.members}

    def add_head(self, folder: Path, name: str | None) -> tuple[Head, bool]:
        """Install a head from a folder; return it, and whether analyses use it from now on.

        They do where no other head is in use. Raises HeadUnreadable; ToolMissing
        (``head_damaged``, ``model_unknown``); Conflict (``head_exists``).
        """
        from cinemill.capabilities.detection.ensemble.head_files import write_head

        head = read_foreign_head(folder)
        head = replace(head, name=name or head.name)
        member = self.find_member(head)
        write_head(self.heads, head)
        return head, self._use_first(member, head)

    def add_detector(self, card: ModelCard) -> tuple[Head, bool]:
        """Install the head of a whole detector; return it, and whether analyses use it now.

        They do where no other head is in use. A head of exactly this detector stays as it is.

        Raises Conflict (``head_exists``), ToolMissing (``model_missing``, ``model_damaged``).
        """
        from cinemill.capabilities.detection.detector import describe_space
        from cinemill.capabilities.detection.ensemble.detector_head import make_detector_head
        from cinemill.capabilities.detection.ensemble.head_files import write_head
        from cinemill.inference.models.cards import find_model

        find_model(card, self.options.models_dir)
        head = make_detector_head(card, describe_space(card))
        known = self.read_head(card.name) if card.name in self.list_names() else None
        if known is not None and known.digest == head.digest:
            head = known
        else:
            write_head(self.heads, head)
        return head, self._use_first(card.name, head)

    def _use_first(self, member: str, head: Head) -> bool:
        """Let analyses use a head if they have none; return whether they do from now on."""
        from cinemill.capabilities.detection.ensemble.fusion import make_ensemble_of_one

        present = self.read_ensemble()
        is_first = present is None or not present.heads
        if is_first:
            self.write_ensemble(make_ensemble_of_one(member, head))
        return is_first

    def _find_head(self, name: str) -> Head:
        """Return an installed head, or that of a whole detector of this name."""
        from cinemill.inference.models.cards import ModelRole
        from cinemill.inference.models.catalog import list_cards

        if name not in self.list_names():
            card = list_cards(self.options.models_dir).get(name)
            if card is not None and card.role is ModelRole.FORGERY_DETECTION:
                return self.add_detector(card)[0]
        return self.read_head(name)

    def find_member(self, head: Head) -> str:
        """Return the name of a head's member in an ensemble after checking that its model fits.

        Raises ToolMissing (``model_unknown``, ``head_mismatch``).
        """
        from cinemill.capabilities.detection.detector import find_member_of_head

        return find_member_of_head(head, self.options)[0]

    def write_ensemble(self, ensemble: Ensemble) -> None:
        from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE
        from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble

        write_ensemble(self.ensembles, DEFAULT_ENSEMBLE, ensemble)

    def set_ensemble(self, weights: Mapping[str, float | None]) -> Ensemble:
        """Let analyses use these heads with these weights; return the ensemble.

        A head without a weight has the weight 1. If none has one, ResNet50 and CLIP have the
        default weights of this pair. The calibration is that of the single head, or of the present
        ensemble if nothing that it depends on changes. Raises NotFound (``head_missing``),
        Conflict (``member_twice``), ToolMissing, InputRejected (``ensemble_weights``).
        """
        from cinemill.capabilities.detection.ensemble.fusion import make_ensemble, put_on_own_scale

        heads: dict[str, Head] = {}
        given: dict[str, float | None] = {}
        for name, weight in weights.items():
            head = self._find_head(name)
            member = self.find_member(head)
            if len(weights) > 1:
                head = put_on_own_scale(member, head)
            if member in heads:
                raise Conflict(
                    f"The heads {heads[member].name} and {name} score features of the same model.",
                    code="member_twice",
                    hint="Choose one of them: an ensemble has one head for each model.",
                )
            heads[member], given[member] = head, weight
        ensemble = make_ensemble(heads, *_choose_weights(given))
        ensemble = replace(ensemble, calibration=self._find_calibration(ensemble))
        self.write_ensemble(ensemble)
        return ensemble

    def _find_calibration(self, ensemble: Ensemble) -> Any:
        """Return a calibration that is about exactly this ensemble, if there is one."""
        candidates = [head.calibration for head in ensemble.heads.values()]
        try:
            present = self.read_ensemble()
        except ToolMissing:
            present = None  # It is being replaced because it cannot be used.
        candidates.append(present.calibration if present else None)
        about = (one for one in candidates if one and one.subject == ensemble.subject)
        return next(about, None)

    def remove_head(self, name: str, *, force: bool) -> list[str]:
        """Delete a head; return the names of the ensembles that had no other and went with it.

        Raises NotFound, and Conflict (``head_in_use``) for one in use, unless ``force``.
        """
        import shutil

        from cinemill.capabilities.detection.ensemble.registry_files import check_name

        own = self.heads / check_name(name)
        if not own.is_dir():
            self.read_head(name)  # which raises the error for a head that is not there
        users = self.list_users(name)
        if users and not force:
            raise Conflict(
                f"The head {name} is in use by: {', '.join(users)}.",
                code="head_in_use",
                hint="Choose other heads with 'cinemill detect ensemble set', or use --force.",
            )
        gone = [one for one, members in self._list_members() if members == {name}]
        for ensemble in gone:
            (self.ensembles / f"{ensemble}.json").unlink(missing_ok=True)
        shutil.rmtree(own)
        return gone


def _choose_weights(given: Mapping[str, float | None]) -> tuple[dict[str, float], WeightSource]:
    """Return the weight of each member, and where the weights come from."""
    from cinemill.capabilities.detection.detector import DEFAULT_WEIGHTS
    from cinemill.capabilities.detection.ensemble.fusion import WeightSource

    has_none = all(weight is None for weight in given.values())
    if has_none and given.keys() == DEFAULT_WEIGHTS.keys():
        return dict(DEFAULT_WEIGHTS), WeightSource.DEFAULT
    weights = {member: 1.0 if weight is None else weight for member, weight in given.items()}
    is_default = has_none or len(weights) == 1
    return weights, WeightSource.DEFAULT if is_default else WeightSource.SETTINGS


def open_registry(settings: Settings | None = None) -> Registry:
    """Return the registry of the home that these settings name, by default the effective ones."""
    from cinemill.capabilities.detection.detector import DetectorOptions
    from cinemill.capabilities.detection.ensemble.registry_files import (
        ENSEMBLES_FOLDER,
        HEADS_FOLDER,
    )
    from cinemill.inference.models.cards import MODELS_FOLDER

    settings = settings or connect.load_settings()
    options = DetectorOptions(
        home=settings.home,
        models_dir=settings.home / MODELS_FOLDER,
        clip_model=settings.clip_model_name,
        weights=settings.ensemble_weights,
        resnet50_path=settings.resnet50_model_path,
    )
    home = settings.home
    return Registry(options, home / HEADS_FOLDER, home / ENSEMBLES_FOLDER)


def describe_detector(settings: Settings) -> tuple[str, str]:
    """Return what analyses use, in words, and a hint where that is nothing.

    Raises ToolMissing where it, or a file that a setting names for it, cannot be used.
    """
    from cinemill.capabilities.detection.detector import (
        CLIP,
        RESNET50,
        find_backbone,
        load_detector,
    )

    options = open_registry(settings).options
    for member in (RESNET50, CLIP):
        if options.find_file(member):
            find_backbone(member, options)
    detector = load_detector(options)
    if detector is None:
        hint = "'cinemill detect heads add FOLDER' installs a head."
        return "no head is installed, so every verdict is 'no model'", hint
    ensemble = detector.ensemble
    heads = ", ".join(head.name for head in ensemble.heads.values()) or "no head"
    missing = f"; missing for {', '.join(ensemble.missing)}" if ensemble.missing else ""
    return f"{heads}{missing}{'' if is_calibrated(ensemble) else ', not calibrated'}", ""


def is_calibrated(ensemble: Ensemble) -> bool:
    """Check whether an ensemble's calibration is about its present heads and weights."""
    calibration = ensemble.calibration
    return calibration is not None and calibration.subject == ensemble.subject


def read_foreign_head(folder: Path) -> Head:
    """Return the head in a folder of any name after checking all of it.

    Raises HeadUnreadable where there is none, ToolMissing (``head_damaged``).
    """
    from cinemill.capabilities.detection.ensemble.head_files import read_head
    from cinemill.capabilities.detection.ensemble.registry_files import (
        MANIFEST,
        TENSORS,
        read_bounded,
    )
    from cinemill.capabilities.detection.ensemble.tensor_files import LARGEST_FILE_BYTES

    manifest = _read_manifest(folder / MANIFEST)
    # Read under its own name, since the folder may have been renamed on its way here.
    with tempfile.TemporaryDirectory(prefix="cinemill-head-") as staging:
        own = Path(staging, manifest.name)
        own.mkdir()
        for name in (MANIFEST, TENSORS):
            try:
                (own / name).write_bytes(read_bounded(folder / name, LARGEST_FILE_BYTES))
            except (FileNotFoundError, ValueError) as error:
                raise HeadUnreadable(f"{folder} is no head: {name} cannot be read.") from error
        return read_head(Path(staging), manifest.name)


def _read_manifest(path: Path) -> HeadManifest:
    from cinemill.capabilities.detection.ensemble.head_files import HeadManifest
    from cinemill.capabilities.detection.ensemble.registry_files import (
        LARGEST_MANIFEST_BYTES,
        check_name,
        parse_manifest,
        read_bounded,
    )

    try:
        manifest = parse_manifest(read_bounded(path, LARGEST_MANIFEST_BYTES), HeadManifest)
        check_name(manifest.name)
    except FileNotFoundError as error:
        raise HeadUnreadable(f"{path.parent} is no head: it has no {path.name}.") from error
    except (ValueError, CinemillError) as error:
        raise HeadUnreadable(f"{path.parent} is no head: {str(error).rstrip('.')}.") from error
    return manifest
