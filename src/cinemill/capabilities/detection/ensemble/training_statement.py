"""What a head says about its training: data with licences, command, measured figures."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cinemill.core.files.strict_model import StrictModel


class Grade(StrEnum):
    """How much a head can be relied on."""

    STARTER = "starter"
    """Trained on little: calibrated with a margin, so that it abstains unless far beyond it."""
    TRAINED = "trained"
    EXTERNAL = "external"
    """A whole detector that others trained, on what its card says."""


class DataSet(StrictModel):
    """A source of training data."""

    name: str = Field(min_length=1, max_length=200)
    licence: str = Field(min_length=1, max_length=200)
    licence_source: str = Field(default="", max_length=500)
    """Who states the licence."""
    address: str = Field(default="", max_length=2000)
    identities: int = Field(ge=0)
    videos: int = Field(ge=0)


class TrainingStatement(StrictModel):
    """How a head came to be."""

    method: str = Field(min_length=1, max_length=500)
    command: str = Field(default="", max_length=2000)
    version: str = Field(default="", max_length=100)
    """Of Cinemill."""
    seed: int = 0
    datasets: tuple[DataSet, ...] = Field(default=(), max_length=1000)
    metrics: dict[str, float] = Field(default_factory=dict, max_length=200)
    """Measured on data that was held out, such as ``auc`` and ``auc_low``."""
