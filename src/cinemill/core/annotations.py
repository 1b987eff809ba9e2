"""Type annotations of fields, and what they take in words: "a whole number from 1 to 200"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen


def strip_annotation(annotation: Any) -> Any:
    """Return a type without its metadata and without ``None`` among its alternatives."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif is_union(annotation):
            rest = [one for one in get_args(annotation) if one is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation


def is_union(annotation: Any) -> bool:
    """Whether several types are accepted, besides ``None``."""
    return get_origin(annotation) in (Union, UnionType)


def list_item(annotation: Any) -> Any:
    """Return the type of what a list, or the values of an object, hold."""
    arguments = [one for one in get_args(annotation) if one is not Ellipsis]
    return arguments[-1] if arguments else Any


def list_metadata(annotation: Any) -> list[Any]:
    """Return the metadata of a type and of its only alternative to ``None``, outermost first."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return [*metadata, *list_metadata(inner)]
    if is_union(annotation):
        rest = [one for one in get_args(annotation) if one is not type(None)]
        return list_metadata(rest[0]) if len(rest) == 1 else []
    return []


def list_choices(annotation: Any) -> list[str]:
    """Return the values of an enumeration or a literal; of other types none."""
    inner = strip_annotation(annotation)
    if isinstance(inner, type) and issubclass(inner, Enum):
        return [str(one.value) for one in inner]
    return [str(one) for one in get_args(inner)] if get_origin(inner) is Literal else []


def describe_type(annotation: Any) -> str:
    """Return what a type takes, such as "a whole number from 1 to 200"."""
    inner = strip_annotation(annotation)
    if choices := list_choices(inner):
        return f"one of {', '.join(choices)}"
    bounds = {
        type(one): bound
        for one in _flatten(list_metadata(annotation))
        for bound in (_read_bound(one),)
        if bound is not None
    }
    if inner is int or inner is float:
        noun = "a whole number" if inner is int else "a number"
        return f"{noun}{_describe_range(bounds)}"
    if inner is str and MaxLen in bounds:
        return f"a text of at most {bounds[MaxLen]} characters"
    if is_union(inner):
        return " or ".join(dict.fromkeys(describe_type(one) for one in get_args(inner)))
    return _NOUNS.get(get_origin(inner) or inner, "an object")


_NOUNS: Mapping[Any, str] = {
    bool: "true or false",
    str: "a text",
    tuple: "a list",
    list: "a list",
}


def _flatten(metadata: Iterable[Any]) -> Iterable[Any]:
    """Pydantic's ``Field`` inside a union still holds its bounds in itself."""
    for one in metadata:
        yield from getattr(one, "metadata", [one])


def _read_bound(one: Any) -> Any:
    match one:
        case Ge():
            return one.ge
        case Gt():
            return one.gt
        case Le():
            return one.le
        case Lt():
            return one.lt
        case MaxLen():
            return one.max_length
        case _:
            return None


def _describe_range(bounds: Mapping[Any, Any]) -> str:
    low = f" above {bounds[Gt]}" if Gt in bounds else f" from {bounds[Ge]}" if Ge in bounds else ""
    if Ge in bounds and Le in bounds:
        return f"{low} to {bounds[Le]}"
    if Ge in bounds and Lt not in bounds:
        return f" of at least {bounds[Ge]}"
    high = f" below {bounds[Lt]}" if Lt in bounds else ""
    high = f" at most {bounds[Le]}" if Le in bounds else high
    return f"{low} and{high}" if low and high else f"{low}{high}"
