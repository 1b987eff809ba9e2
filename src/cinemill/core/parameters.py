"""The base of every model of parameters, and the annotations of their fields.

A model is the one place that says which parameters there are, what they take and what they mean:
JSON Schema and OpenAPI follow from it, and so do the sentences of ``parameter_reader``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    FailFast,
    Strict,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from cinemill.docstrings import DescribedModel
from cinemill.errors import InputRejected

Location = tuple[int | str, ...]
"""Where a value stands in a document: names of members, and indexes of lists."""

INVALID = "params_invalid"
MAX_NUMBER = 10**9
"""Of seconds, days or gigabytes: the whole numbers of JSON may be larger than any float."""

Item = TypeVar("Item")


class Parameters(DescribedModel):
    """Parameters of one kind: read strictly, never changed, and nothing in them unknown.

    A docstring below a field is its description in JSON Schema and OpenAPI.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )
    error_code: ClassVar[str] = INVALID
    """The code of a refusal whose field has none of its own."""
    known_names: ClassVar[frozenset[str]] = frozenset()
    """Names of the members that a document may have."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        fields = cls.model_fields.items()
        cls.known_names = frozenset(public_name(name, field) for name, field in fields)

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown(cls, document: Any, info: ValidationInfo) -> Any:
        # Pydantic would describe each unknown name by itself: of millions, in gigabytes.
        is_closed = cls.model_config.get("extra") == "forbid" and info.context is not STORED
        if is_closed and isinstance(document, dict) and not document.keys() <= cls.known_names:
            known = cls.known_names | cls.model_fields.keys()  # code may use a field's own name
            unknown = sorted(str(name) for name in document.keys() - known)
            if not unknown:
                return document
            raise PydanticCustomError("unknown_names", "unknown names", {"names": unknown})
        return document


def public_name(name: str, field: FieldInfo) -> str:
    """Return what a field is called in documents."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else name


STORED = object()
"""The context of what is read back from a row."""


class NoParameters(Parameters):
    """This kind of job takes no parameters."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Annotates a field with what its refusals say, where its type alone does not say it."""

    text: str = ""
    """Completes "width must be …", such as "a whole number of pixels from 2 to 16384"."""
    code: str = ""
    """Stable, for programs; empty for the model's ``error_code``."""
    hint: str = ""
    """What the reader can do."""


NOTHING = Expected()


class _FirstFault(FailFast):
    """Ends a list at its first fault. Hashable, as what a union is made of must be."""

    def __hash__(self) -> int:
        return hash(self.fail_fast)


Listed = Annotated[tuple[Item, ...], Strict(strict=False), _FirstFault()]
"""A list as JSON has them, kept as a tuple; it is read up to the first item that does not fit."""


def none_as(default: object) -> BeforeValidator:
    """Read an explicit null as a parameter that was left out, whose default this is."""
    return BeforeValidator(lambda value: default if value is None else value)


def empty_as(default: object) -> BeforeValidator:
    """Read null and what is empty, such as ``""`` and ``[]``, as a parameter that was left out."""
    return BeforeValidator(lambda value: value or default)


def choice_of(kind: type[Enum]) -> BeforeValidator:
    """Read a member of an enumeration of lower-case texts by its value, in any case."""

    def choose(value: object) -> object:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str):
            raise ValueError  # noqa: TRY004 - pydantic collects ValueErrors only
        return kind(value.lower())

    return BeforeValidator(choose)


def checked_by(check: Callable[[Any], object]) -> BeforeValidator:
    """Read a value by a function that raises InputRejected, whose sentence and code are kept."""

    def read(value: object) -> object:
        try:
            return check(value)
        except InputRejected as error:
            raise reject(error.message, code=error.code, hint=error.hint) from None

    return BeforeValidator(read)


def reject(message: str, *, code: str = "", hint: str = "") -> PydanticCustomError:
    """Return what a validator raises to refuse with a sentence of its own.

    An empty ``code`` or ``hint`` leaves the field's or the model's.
    """
    context = {"sentence": message, "code": code, "hint": hint}
    return PydanticCustomError("rejected", "rejected", context)


def expect(text: str) -> PydanticCustomError:
    """Return what a validator raises where what is expected depends on other fields.

    ``text`` completes "{field} must be …".
    """
    return PydanticCustomError("unexpected", "unexpected", {"expected_text": text})
