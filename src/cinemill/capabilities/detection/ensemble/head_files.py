"""Head files: a folder for each head, with its manifest and its arrays.

``heads/NAME/manifest.json`` says what the head is and how it was trained and calibrated;
``head.safetensors`` holds numbers and nothing that could run.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cinemill.capabilities.detection.ensemble.features import FeatureSpace
from cinemill.capabilities.detection.ensemble.head import Head, Tensors
from cinemill.capabilities.detection.ensemble.projection import MOST_REMOVED, Projection
from cinemill.capabilities.detection.ensemble.registry_files import (
    LARGEST_MANIFEST_BYTES,
    MANIFEST,
    TENSORS,
    check_name,
    dump_manifest,
    parse_manifest,
    read_bounded,
    report_damage,
    report_missing,
    sync_folder,
    write_atomically,
    write_synced,
)
from cinemill.capabilities.detection.ensemble.tensor_files import (
    LARGEST_FILE_BYTES,
    dump_tensors,
    parse_tensors,
)
from cinemill.capabilities.detection.ensemble.training_statement import Grade, TrainingStatement
from cinemill.capabilities.detection.verdict.calibration import Calibration
from cinemill.capabilities.detection.verdict.distance import DistanceReference
from cinemill.core.files.strict_model import StrictModel
from cinemill.errors import Conflict

_HEX = "^[0-9a-f]{64}$"
_ORTHONORMAL_WITHIN = 1e-3
_LEAST_VARIANCE = 1e-20


class DistanceManifest(StrictModel):
    """The parts of a distance reference that are no arrays."""

    directions: int = Field(ge=0, le=MOST_REMOVED)
    residual_variance: float = Field(ge=0)


class HeadManifest(StrictModel):
    """``manifest.json`` of a head."""

    version: Literal[1] = 1
    name: str = Field(max_length=64)
    grade: Grade = Field(strict=False)
    space: FeatureSpace
    bias: float = Field(ge=-1e6, le=1e6)
    temperature: float = Field(ge=1e-6, le=1e6)
    removed_directions: int = Field(default=0, ge=0, le=MOST_REMOVED)
    distance: DistanceManifest | None = None
    tensors_sha256: str = Field(pattern=_HEX)
    digest: str = Field(pattern=_HEX)
    training: TrainingStatement
    calibration: Calibration | None = None

    def list_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the arrays that the file must hold, with their shapes."""
        columns = self.space.dimension
        shapes: dict[str, tuple[int, ...]] = {"weights": (columns,)}
        if self.removed_directions:
            shapes["projection.mean"] = (columns,)
            shapes["projection.directions"] = (self.removed_directions, columns)
        if self.distance is not None:
            shapes["distance.mean"] = (columns,)
            shapes["distance.directions"] = (self.distance.directions, columns)
            shapes["distance.variances"] = (self.distance.directions,)
        return shapes


def list_heads(folder: Path) -> list[str]:
    """Return the names of all heads in the registry, whether they can be used or not."""
    if not folder.is_dir():
        return []
    found = (path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
    return sorted(name for name in found if not name.startswith("."))


def read_head(folder: Path, name: str) -> Head:
    """Return a head after checking all of it.

    Raises ToolMissing: ``head_missing``, or ``head_damaged`` with what is wrong.
    """
    own = folder / check_name(name)
    try:
        manifest = parse_manifest(
            read_bounded(own / MANIFEST, LARGEST_MANIFEST_BYTES), HeadManifest
        )
        return _build_head(name, manifest, read_bounded(own / TENSORS, LARGEST_FILE_BYTES))
    except FileNotFoundError as error:
        if not own.is_dir():
            raise report_missing("head", name) from error
        raise report_damage("head", name, f"{Path(error.filename).name} is missing") from error
    except ValueError as error:
        raise report_damage("head", name, str(error)) from error


def _build_head(name: str, manifest: HeadManifest, data: bytes) -> Head:
    """Return the head of these files. Raises ValueError with what is wrong."""
    if manifest.name != name:
        raise ValueError(f"its manifest is that of {manifest.name}")
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.tensors_sha256:
        raise ValueError(f"the sha256 of {TENSORS} is {found}")
    tensors = parse_tensors(data, manifest.list_shapes())
    head = Head(
        name=manifest.name,
        grade=manifest.grade,
        space=manifest.space,
        weights=tensors["weights"],
        bias=manifest.bias,
        temperature=manifest.temperature,
        training=manifest.training,
        projection=_build_projection(manifest, tensors),
        distance=_build_distance(manifest, tensors),
        calibration=manifest.calibration,
    )
    if head.digest != manifest.digest:
        raise ValueError("its digest is not that of its numbers")
    return head


def _build_projection(manifest: HeadManifest, tensors: Tensors) -> Projection | None:
    if not manifest.removed_directions:
        return None
    directions = tensors["projection.directions"]
    _check_orthonormal("projection.directions", directions)
    return Projection(tensors["projection.mean"], directions)


def _build_distance(manifest: HeadManifest, tensors: Tensors) -> DistanceReference | None:
    if manifest.distance is None:
        return None
    directions, variances = tensors["distance.directions"], tensors["distance.variances"]
    _check_orthonormal("distance.directions", directions)
    has_others = manifest.space.dimension > manifest.distance.directions
    residual = manifest.distance.residual_variance if has_others else 1.0
    if min(residual, *variances.tolist(), 1.0) < _LEAST_VARIANCE:
        raise ValueError("a variance of its distance reference is not positive")
    return DistanceReference(
        tensors["distance.mean"], directions, variances, manifest.distance.residual_variance
    )


def _check_orthonormal(name: str, directions: NDArray[np.float32]) -> None:
    rows = directions.astype(np.float64)
    if len(rows) > rows.shape[1]:
        raise ValueError(f"{name} has more rows than columns")
    if len(rows) and np.abs(rows @ rows.T - np.eye(len(rows))).max() > _ORTHONORMAL_WITHIN:
        raise ValueError(f"the rows of {name} are not orthonormal")


def write_head(folder: Path, head: Head) -> Path:
    """Add a head to the registry and return its folder.

    Raises Conflict (``head_exists``) if there is one of this name.
    """
    own = folder / check_name(head.name)
    data = dump_tensors(head.tensors)
    manifest = _describe(head, hashlib.sha256(data).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{head.name}.{uuid4().hex}"
    draft.mkdir()
    try:
        write_synced(draft / TENSORS, data)
        write_synced(draft / MANIFEST, dump_manifest(manifest))
        sync_folder(draft)
        _publish(draft, own)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return own


def _publish(draft: Path, own: Path) -> None:
    """Rename the finished folder; a folder with files in it is never replaced."""
    try:
        draft.rename(own)
    except OSError as error:
        if not own.exists():
            raise
        raise Conflict(
            f"There is a head named {own.name} already.",
            code="head_exists",
            hint="Choose another name, or delete the old head first.",
        ) from error
    sync_folder(own.parent)


def _describe(head: Head, tensors_sha256: str) -> HeadManifest:
    return HeadManifest(
        name=head.name,
        grade=head.grade,
        space=head.space,
        bias=head.bias,
        temperature=head.temperature,
        removed_directions=head.projection.removed if head.projection else 0,
        distance=_describe_distance(head.distance),
        tensors_sha256=tensors_sha256,
        digest=head.digest,
        training=head.training,
        calibration=head.calibration,
    )


def _describe_distance(distance: DistanceReference | None) -> DistanceManifest | None:
    if distance is None:
        return None
    return DistanceManifest(
        directions=len(distance.directions), residual_variance=distance.residual_variance
    )


def write_calibration(folder: Path, name: str, calibration: Calibration) -> Head:
    """Replace the calibration of a head, which itself stays as it is, and return the head."""
    head = replace(read_head(folder, name), calibration=calibration)
    path = folder / name / TENSORS
    sha256 = hashlib.sha256(read_bounded(path, LARGEST_FILE_BYTES)).hexdigest()
    write_atomically(folder / name / MANIFEST, dump_manifest(_describe(head, sha256)))
    return head
