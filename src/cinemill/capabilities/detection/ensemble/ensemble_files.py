"""Ensemble files: which heads belong together, with which weights, and their calibration.

``ensembles/NAME.json`` names heads of the registry by their digests, so a head that was trained
again under the same name is noticed. The scale on which a head is fused is stored here as well: a
head that is calibrated again alone changes nothing in the ensembles that contain it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
)
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.head_files import read_head
from cinemill.capabilities.detection.ensemble.registry_files import (
    LARGEST_MANIFEST_BYTES,
    check_name,
    dump_manifest,
    parse_manifest,
    read_bounded,
    report_damage,
    report_missing,
    write_atomically,
)
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.core.files.strict_model import StrictModel
from cinemill.errors import ToolMissing

MOST_MEMBERS = 16


class ScaleManifest(StrictModel):
    """The scale on which the logits of a head are fused with those of others."""

    midpoint: float = Field(ge=-1e9, le=1e9)
    temperature: float = Field(ge=1e-6, le=1e6)


class MemberManifest(StrictModel):
    """A member: its head by name and digest, its weight, and its scale if it is not the head's."""

    name: str = Field(min_length=1, max_length=64)
    head: str = Field(max_length=64)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    weight: float = Field(ge=0, le=1)
    scale: ScaleManifest | None = None


class EnsembleManifest(StrictModel):
    """``ensembles/NAME.json``."""

    version: Literal[1] = 1
    members: tuple[MemberManifest, ...] = Field(min_length=1, max_length=MOST_MEMBERS)
    weight_source: WeightSource = Field(strict=False)
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _check_names(self) -> EnsembleManifest:
        if len({one.name for one in self.members}) != len(self.members):
            raise ValueError("two members have the same name")
        return self


def read_ensemble(ensembles: Path, heads: Path, name: str) -> Ensemble:
    """Return an ensemble with the heads of the registry. A head that is not there is missing.

    Raises ToolMissing: ``head_missing`` if there is no such ensemble, ``head_damaged`` if a file is
    not what it should be, ``head_mismatch`` if a head is not the one that the ensemble was made of.
    """
    path = ensembles / f"{check_name(name)}.json"
    try:
        manifest = parse_manifest(read_bounded(path, LARGEST_MANIFEST_BYTES), EnsembleManifest)
    except FileNotFoundError as error:
        raise report_missing("ensemble", name) from error
    except ValueError as error:
        raise report_damage("ensemble", name, str(error)) from error
    return make_ensemble(
        {one.name: _read_member(heads, one) for one in manifest.members},
        {one.name: one.weight for one in manifest.members},
        manifest.weight_source,
        manifest.calibration,
    )


def _read_member(heads: Path, member: MemberManifest) -> Head | None:
    try:
        head = read_head(heads, member.head)
    except ToolMissing as error:
        if error.code == "head_missing":
            return None
        raise
    if head.digest != member.digest:
        raise ToolMissing(
            f"The head {member.head} is not the one that the ensemble was made of.",
            code="head_mismatch",
            hint="Choose the heads again with 'cinemill detect ensemble set', then calibrate them.",
        )
    scale = member.scale
    return head if scale is None else head.rescale(scale.midpoint, scale.temperature)


def write_ensemble(ensembles: Path, name: str, ensemble: Ensemble) -> Path:
    """Write an ensemble, or replace the one of this name.

    Raises ValueError if a head is missing.
    """
    path = ensembles / f"{check_name(name)}.json"
    members = []
    for one in ensemble.members:
        if one.head is None:
            raise ValueError(f"the head of {one.name} is missing")
        members.append(_describe_member(one.name, one.head, one.weight))
    manifest = EnsembleManifest(
        members=tuple(members),
        weight_source=ensemble.weight_source,
        calibration=ensemble.calibration,
    )
    ensembles.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_manifest(manifest))
    return path


def _describe_member(name: str, head: Head, weight: float) -> MemberManifest:
    change = head.rescaling
    scale = None
    if change is not None:
        scale = ScaleManifest(midpoint=change.midpoint, temperature=change.temperature)
    return MemberManifest(
        name=name, head=head.name, digest=head.stored_digest, weight=weight, scale=scale
    )
