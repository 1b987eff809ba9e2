"""Ensemble files: which heads belong together, with which weights, and their calibration.

``ensembles/NAME.json`` names heads of the registry by their digests, so a head that was trained
again under the same name is noticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from cinemill.capabilities.detection.ensemble.fusion import (
    Ensemble,
    WeightSource,
    make_ensemble,
    put_on_own_scale,
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
from cinemill.capabilities.detection.verdict.strict_model import StrictModel
from cinemill.errors import ToolMissing

MOST_MEMBERS = 16


class MemberManifest(StrictModel):
    """A member: its head by name and digest, and its weight."""

    name: str = Field(min_length=1, max_length=64)
    head: str = Field(max_length=64)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    weight: float = Field(ge=0, le=1)


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
        {
            one.name: _read_member(heads, one, is_alone=len(manifest.members) == 1)
            for one in manifest.members
        },
        {one.name: one.weight for one in manifest.members},
        manifest.weight_source,
        manifest.calibration,
    )


def _read_member(heads: Path, member: MemberManifest, *, is_alone: bool) -> Head | None:
    try:
        head = read_head(heads, member.head)
    except ToolMissing as error:
        if error.code == "head_missing":
            return None
        raise
    if not is_alone:
        head = put_on_own_scale(member.name, head)
    if head.digest != member.digest:
        raise ToolMissing(
            f"The head {member.head} is not the one that the ensemble was made of.",
            code="head_mismatch",
            hint="Choose the heads again with 'cinemill detect ensemble set', then calibrate them.",
        )
    return head


def write_ensemble(ensembles: Path, name: str, ensemble: Ensemble) -> Path:
    """Write an ensemble, or replace the one of this name.

    Raises ValueError if a head is missing.
    """
    path = ensembles / f"{check_name(name)}.json"
    members = []
    for one in ensemble.members:
        if one.head is None:
            raise ValueError(f"the head of {one.name} is missing")
        members.append(
            MemberManifest(
                name=one.name, head=one.head.name, digest=one.head.digest, weight=one.weight
            )
        )
    manifest = EnsembleManifest(
        members=tuple(members),
        weight_source=ensemble.weight_source,
        calibration=ensemble.calibration,
    )
    ensembles.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_manifest(manifest))
    return path
