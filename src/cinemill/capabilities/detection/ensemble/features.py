"""Features of images: what a head was trained on, and how the levels of a model are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cinemill.core.files.strict_model import StrictModel
from cinemill.errors import InputRejected, ToolMissing

MOST_DIMENSIONS = 65_536
MOST_LEVELS = 32

Features = NDArray[np.float32]
"""One row for each face."""


class Normalization(StrEnum):
    """What is done to each level before they are joined."""

    L2 = "l2"
    NONE = "none"
    """For the logit of a whole detector, whose length is all there is."""


class FeatureLevel(StrictModel):
    """Features that a model returns at one depth."""

    name: str = Field(min_length=1, max_length=100)
    dimension: int = Field(ge=1, le=MOST_DIMENSIONS)


class FeatureSpace(StrictModel):
    """The space that a head works in. Two spaces are the same only if all of this is the same."""

    model: str = Field(min_length=1, max_length=200)
    """Name of the model's card."""
    revision: str = Field(min_length=1, max_length=200)
    """Names the weights of the model, by their content."""
    preprocessing: str = Field(min_length=1, max_length=200)
    """Version of everything before the model: crop, size, normalisation."""
    levels: tuple[FeatureLevel, ...] = Field(min_length=1, max_length=MOST_LEVELS)
    normalization: Normalization = Field(default=Normalization.L2, strict=False)

    @model_validator(mode="after")
    def _check_levels(self) -> FeatureSpace:
        names = [level.name for level in self.levels]
        if len(set(names)) != len(names):
            raise ValueError("two levels have the same name")
        if self.dimension > MOST_DIMENSIONS:
            raise ValueError(f"the levels have more than {MOST_DIMENSIONS} dimensions together")
        return self

    @property
    def dimension(self) -> int:
        return sum(level.dimension for level in self.levels)


def check_space(trained: FeatureSpace, given: FeatureSpace, head: str) -> None:
    """Raise ToolMissing (``head_mismatch``) unless a head was trained in the given space."""
    differences = list_differences(trained, given)
    if differences:
        raise ToolMissing(
            f"The head {head} was trained on other features: {'; '.join(differences)}.",
            code="head_mismatch",
            hint=f"Train a head on the features of {given.model}, or use the model that the head "
            "was trained with.",
        )


def list_differences(trained: FeatureSpace, given: FeatureSpace) -> list[str]:
    """Return what differs, in words; empty if the spaces are the same."""
    pairs = [
        ("model", trained.model, given.model),
        ("revision", trained.revision, given.revision),
        ("preprocessing", trained.preprocessing, given.preprocessing),
        ("normalization", trained.normalization, given.normalization),
        ("levels", _describe_levels(trained.levels), _describe_levels(given.levels)),
    ]
    return [f"its {name} is {one}, not {other}" for name, one, other in pairs if one != other]


def _describe_levels(levels: Sequence[FeatureLevel]) -> str:
    return ", ".join(f"{level.name} ({level.dimension})" for level in levels)


def join_levels(features: Mapping[str, NDArray[np.floating]], space: FeatureSpace) -> Features:
    """Return the levels of each face in one row, each level with the same length.

    With L2 normalisation each row has length 1 as a whole. A level of zeros stays zero. Levels that
    the space does not name are ignored.

    Raises InputRejected (``features_invalid``) for a level that is missing, has another shape than
    the space states, or holds numbers that are not finite.
    """
    rows = {level.name: _read_level(features, level) for level in space.levels}
    if len({len(one) for one in rows.values()}) != 1:
        raise _invalid("the levels have different numbers of rows")
    if space.normalization is Normalization.NONE:
        return np.concatenate(list(rows.values()), axis=1)
    share = np.float32(1 / np.sqrt(len(rows)))
    return np.concatenate([normalize_rows(one) * share for one in rows.values()], axis=1)


def _read_level(
    features: Mapping[str, NDArray[np.floating]], level: FeatureLevel
) -> NDArray[np.float32]:
    found = features.get(level.name)
    if found is None:
        raise _invalid(f"the level {level.name} is missing")
    rows = np.asarray(found, np.float32)
    if rows.ndim != 2 or rows.shape[1] != level.dimension:
        raise _invalid(f"the level {level.name} is not N × {level.dimension} numbers")
    if not np.isfinite(rows).all():
        raise _invalid(f"the level {level.name} holds numbers that are not finite")
    return rows


def normalize_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows scaled to length 1. A row of zeros stays as it is."""
    # Squares of large or tiny numbers leave the range of float32.
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _invalid(what: str) -> InputRejected:
    return InputRejected(
        f"Features cannot be used: {what}.",
        code="features_invalid",
        hint="'cinemill models verify' checks the model that they come from.",
    )
