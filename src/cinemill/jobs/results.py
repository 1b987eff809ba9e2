"""Results of steps: one step writes its own as JSON, and later ones read it by its type.

What stands in the database may have been written by an earlier version: members that are unknown
are left aside, and members that are missing have their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from cinemill.errors import OutputInvalid

R = TypeVar("R")
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
"""Made once: pydantic takes a millisecond for each."""

Seconds = Annotated[float | None, Field(exclude=True)]
"""How long the step took: the database adds it, and no step writes it."""


@dataclass(frozen=True, slots=True)
class ResultOf(Generic[R]):
    """The result of a step of a job, by the step's name and the type of what it found."""

    step: str
    """Name of the step; of many that do the same, what their names begin with."""
    type: type[R]


@dataclass(frozen=True, slots=True)
class Timed:
    """How long any step took."""

    seconds: Seconds = None


def write_result(result: object) -> dict[str, Any]:
    """Return a result, a dataclass, as JSON values."""
    document: dict[str, Any] = _adapter(type(result)).dump_python(result, mode="json")
    return document


def read_result(kind: type[R], document: object) -> R:
    """Return the result that :func:`write_result` wrote. Raises OutputInvalid where it is none."""
    try:
        read: R = _adapter(kind).validate_python(document)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise OutputInvalid(
            f"An earlier step did not store a {kind.__name__} that this version can read.",
            hint="Another version of Cinemill ran that step. Submit the job again.",
        ) from error
    return read


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
