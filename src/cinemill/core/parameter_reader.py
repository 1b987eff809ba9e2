"""Reading documents by their models, and the sentences that reject what does not fit.

Pydantic's own messages are written for programmers and never reach a user. Each rejection is made
of the field's path, what it takes, what was given, and a hint.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cinemill.core.annotations import (
    describe_type,
    is_union,
    list_choices,
    list_item,
    list_metadata,
    strip_annotation,
)
from cinemill.core.documents import quote
from cinemill.core.parameters import NOTHING, STORED, Expected, Location, Parameters, public_name
from cinemill.errors import InputRejected, OutputInvalid

NOT_JSON = "params_not_json"
MOST_NAMED = 5
"""Unknown names in one sentence."""
LONGEST_NAME = 80
"""Characters of an unknown name that are shown."""

Model = TypeVar("Model", bound=Parameters)


def dotted_name(location: Location) -> str:
    """Return a path as people write it: ``options.height``, ``clips[3].start``."""
    parts = [f"[{one}]" if isinstance(one, int) else f".{one}" for one in location]
    return "".join(parts).removeprefix(".")


def read_parameters(
    model: type[Model],
    document: Any,
    *,
    is_form: bool = False,
    name: Callable[[Location], str] = dotted_name,
) -> Model:
    """Return the model that a document describes.

    The values of a form are texts: numbers and flags are read from them. ``name`` writes the path
    of a value in a refusal. Raises InputRejected, which names the first parameter that does not
    fit, with the field's code or the model's.
    """
    try:
        return model.model_validate(
            document, strict=False if is_form else None, by_alias=True, by_name=False
        )
    except ValidationError as error:
        raise find_problem(model, error, name).as_refusal() from None


def read_stored_parameters(model: type[Model], document: Any) -> Model:
    """Return the model of parameters that this or another version accepted and stored.

    Members that this version does not know are ignored. Raises OutputInvalid, which is retried: a
    worker of the other version may be able to read them.
    """
    try:
        return model.model_validate(
            document, by_alias=True, by_name=False, extra="ignore", context=STORED
        )
    except ValidationError as error:
        reason = find_problem(model, error).as_refusal().message
        raise OutputInvalid(
            f"This version cannot read the stored parameters. {reason}",
            hint="Another version of Cinemill stored them; run a worker of that version.",
        ) from None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a document that does not fit its model."""

    location: Location
    what: str
    """Is wrong, such as "must be a number, not 'x'"; or a sentence, where several fields are."""
    code: str
    hint: str = ""
    """Empty for the one of every refusal."""

    name: str = ""
    """Of the location, for a person; empty where ``what`` is a sentence by itself."""

    def as_refusal(self) -> InputRejected:
        sentence = f"{self.name} {self.what}." if self.name else self.what
        return InputRejected(sentence, code=self.code, hint=self.hint or None)


def find_problem(
    model: type[Parameters],
    error: ValidationError,
    name: Callable[[Location], str] = dotted_name,
) -> Problem:
    """Return the first thing that pydantic found wrong with a document, in our words.

    ``name`` writes the path of a value. Unknown names come before all else: a misspelt parameter
    is often the reason for what else is wrong.
    """
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "unknown_names"), found[0])
    return _describe(model, first, name)


def list_problems(model: type[Parameters], error: ValidationError) -> list[Problem]:
    """Return all that is wrong with a document of a few members, such as a form."""
    return [_describe(model, one, dotted_name) for one in error.errors(include_url=False)]


def _describe(
    model: type[Parameters], error: ErrorDetails, name: Callable[[Location], str]
) -> Problem:
    place, context, given = _find_place(model, error["loc"]), error.get("ctx", {}), error["input"]
    match error["type"]:
        case "unknown_names":
            return _describe_unknown(place, context["names"], name)
        case "extra_forbidden":
            parent = _find_place(model, error["loc"][:-1])
            return _describe_unknown(parent, [str(error["loc"][-1])], name)
        case "rejected":
            rule = _find_rule(place)
            hint, code = context["hint"] or rule.hint, context["code"] or rule.code
            return Problem(place.location, context["sentence"], code, hint)
        case "missing":
            return _describe_missing(place, name)
        case "string_unicode":
            called = name(place.location) or "The parameters"
            return Problem(
                place.location, "is not Unicode text", NOT_JSON, "Send text in UTF-8.", called
            )
        case "union_tag_not_found":
            return _describe_missing(place.enter_tag(context["discriminator"]), name)
        case "union_tag_invalid":
            tag = context["discriminator"].strip("'")
            return _describe_value(place.enter_tag(context["discriminator"]), given.get(tag), name)
        case _:
            return _describe_value(place, given, name, context.get("expected_text", ""))


def _describe_missing(place: _Place, name: Callable[[Location], str]) -> Problem:
    rule = _find_rule(place)
    called = name(place.location)
    return Problem(place.location, "is missing", rule.code, rule.hint, called)


def _describe_value(
    place: _Place, given: object, name: Callable[[Location], str], expected: str = ""
) -> Problem:
    rule = _find_rule(place)
    called = name(place.location) or "The parameters"
    expected = expected or rule.text or describe_type(place.annotation)
    hint = rule.hint or _suggest(given, list_choices(place.annotation))
    what = f"must be {expected}, not {quote(given)}"
    return Problem(place.location, what, rule.code, hint, called)


def _describe_unknown(
    place: _Place, names: Sequence[str], name: Callable[[Location], str]
) -> Problem:
    model, location = place.owner, place.location
    shown = [name((*location, quote_name(one))) for one in names[:MOST_NAMED]]
    if more := len(names) - len(shown):
        shown.append(f"and {more} more")
    sentence = f"Unknown parameter{'s' if len(names) > 1 else ''}: {', '.join(shown)}."
    if not model.known_names:
        return Problem(location, sentence, model.error_code, "It takes no parameters.")
    meant = _suggest_member(model, names[0])
    hint = f"{meant} Use some of: {', '.join(sorted(model.known_names))}.".lstrip()
    return Problem(location, sentence, model.error_code, hint)


def quote_name(name: str) -> str:
    """Return an unknown name as far as it goes into a sentence."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _suggest_member(model: type[Parameters], unknown: str) -> str:
    field = model.model_fields.get(unknown)
    if field is not None:  # by the name that only code knows it by
        return f"Did you mean {public_name(unknown, field)}?"
    return _suggest(unknown, sorted(model.known_names))


def _suggest(given: object, choices: Iterable[str]) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_NAME:
        return ""
    close = difflib.get_close_matches(given.lower(), list(choices), 1)
    return f"Did you mean {close[0]}?" if close else ""


@dataclass(frozen=True, slots=True)
class _Place:
    """What a document has at a path by its model."""

    location: Location
    """As people know it: without the names that pydantic gives to the members of a union."""
    owner: type[Parameters]
    """The innermost model on the way."""
    annotation: Any

    def enter_tag(self, quoted: str) -> _Place:
        """Return the place of the member that says which model of a union is meant."""
        tag = quoted.strip("'")
        models = (_find_model(one) for one in get_args(strip_annotation(self.annotation)))
        fields = [_find_field(one, tag) for one in models if one is not None]
        choices = tuple(choice for field in fields for choice in list_choices(field))
        return _Place((*self.location, tag), self.owner, Literal[choices])

    def enter(self, part: int | str) -> _Place:
        inner = strip_annotation(self.annotation)
        if is_union(inner):
            member = next((one for one in get_args(inner) if _is_called(one, part)), inner)
            return _Place(self.location, _find_model(member) or self.owner, member)
        location = (*self.location, part)
        if (model := _find_model(inner)) is not None:
            found = _find_field(model, part)
            return _Place(location, _find_model(found) or model, found)
        item = list_item(inner)
        return _Place(location, _find_model(item) or self.owner, item)


def _find_place(model: type[Parameters], location: Location) -> _Place:
    place = _Place((), model, model)
    for part in location:
        place = place.enter(part)
    return place


def _find_model(annotation: Any) -> type[Parameters] | None:
    inner = strip_annotation(annotation)
    return inner if isinstance(inner, type) and issubclass(inner, Parameters) else None


def _find_field(model: type[Parameters], name: int | str) -> Any:
    for own, field in model.model_fields.items():
        if name in (own, public_name(own, field)):
            return Annotated[(field.annotation, *field.metadata, NOTHING)]
    return None


def _is_called(annotation: Any, tag: int | str) -> bool:
    """Whether pydantic means this member of a union by ``tag``: its name, or its discriminator."""
    if (model := _find_model(annotation)) is None:
        return False
    tags = (list_choices(field.annotation) for field in model.model_fields.values())
    return tag == model.__name__ or any(tag in one for one in tags)


def _find_rule(place: _Place) -> Expected:
    """Return what the field says of itself, with the model's code where it names none."""
    rules = (one for one in list_metadata(place.annotation) if isinstance(one, Expected))
    rule = next((one for one in rules if one != NOTHING), NOTHING)
    return rule if rule.code else replace(rule, code=place.owner.error_code)
