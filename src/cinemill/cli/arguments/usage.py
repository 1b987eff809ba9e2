"""Errors of the argument parser in the words of all others: a code, a sentence and a hint."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cinemill.errors import InputRejected

_COMMAND_UNKNOWN = re.compile(r"No such command '(.*?)'", re.DOTALL)
_VALUE_MISSING = re.compile(r"Option '(.*?)' requires ", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", re.DOTALL)
MOST_LISTED = 150
"""Choices in one hint."""


class UsageInvalid(InputRejected):
    """A command line that names something that does not exist, or lacks something."""

    code = "usage_invalid"
    http_status = 400
    hint = "'cinemill --help' lists the commands."


def has_json_flag(arguments: Sequence[str]) -> bool:
    """Check whether ``--json`` is among the arguments, understood or not."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before


def suggest(given: str, choices: Iterable[str]) -> str:
    """Return the choice that was probably meant; empty where none is near."""
    by_folded = {choice.casefold(): choice for choice in choices}
    folded = given.casefold()
    begun = [choice for one, choice in by_folded.items() if folded and one.startswith(folded)]
    if len(begun) == 1:
        return begun[0]
    near = difflib.get_close_matches(folded, list(by_folded), n=5, cutoff=0.6)
    # Those are ranked by what they share; a slip of the fingers is rather two letters swapped.
    nearest = min(near, key=lambda one: _count_slips(folded, one), default=None)
    return by_folded[nearest] if nearest else ""


def _count_slips(given: str, meant: str) -> int:
    """Return how many letters were left out, added, mistaken or swapped with the next."""
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for i, letter in enumerate(given, start=1):
        older, before, row = before, row, [i]
        for j, other in enumerate(meant, start=1):
            costs = [before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other)]
            if i > 1 and j > 1 and given[i - 2 : i] == meant[j - 1] + meant[j - 2]:
                costs.append(older[j - 2] + 1)
            row.append(min(costs))
    return row[-1]


def refuse_choice(option: str, given: str, choices: Sequence[str]) -> UsageInvalid:
    """Return the error of a value that is none of the choices, with the nearest one."""
    nearest = suggest(given, choices)
    did_you_mean = f"Did you mean {nearest}? " if nearest else ""
    return UsageInvalid(
        f"{option}: {given!r} is not one of its values.",
        code="choice_unknown",
        hint=f"{did_you_mean}{list_choices(choices)}",
    )


def list_choices(choices: Sequence[str]) -> str:
    """Return a sentence that lists the choices."""
    shown, more = list(choices[:MOST_LISTED]), len(choices) > MOST_LISTED
    if not shown:
        return "There are none yet."
    if more or len(shown) == 1:
        return f"Choose {', '.join(shown)}{', …' if more else ''}."
    return f"Choose {', '.join(shown[:-1])} or {shown[-1]}."


@dataclass(frozen=True, slots=True)
class Place:
    """The command whose arguments were not understood; the parser's own context is gone by then."""

    command: Any
    command_path: str


def locate(root: Any, arguments: Sequence[str]) -> Place:
    """Return the command that the arguments name, as far as they do."""
    command, path = root, "cinemill"
    for word in arguments:
        inner = getattr(command, "commands", {}).get(word)
        if inner is not None:
            command, path = inner, f"{path} {word}"
    return Place(command, path)


def explain(error: Any, place: Place) -> UsageInvalid:
    """Return what the argument parser refused, with what to do. Raises nothing."""
    context, parameter = getattr(error, "ctx", None) or place, getattr(error, "param", None)
    message = str(error.message)
    kind = type(error).__name__
    if kind == "NoSuchOption":
        return _refuse_option(error.option_name, context)
    if found := _COMMAND_UNKNOWN.search(message):
        return _refuse_command(found[1], context)
    if found := _VALUE_MISSING.search(message):
        option = _find_option(found[1], context)
        return UsageInvalid(
            f"{found[1]} needs a value.",
            code="value_missing",
            hint=_list_values(option) or _help_of(context),
        )
    if message.startswith("Missing command"):
        return UsageInvalid(
            f"{_path_of(context)} needs one of its commands.",
            code="command_missing",
            hint=_help_of(context),
        )
    if kind == "MissingParameter":
        return UsageInvalid(
            f"{name_parameter(parameter)} is missing.",
            code="argument_missing",
            hint=_list_values(parameter) or _help_of(context),
        )
    if found := _EXTRA.search(message):
        return UsageInvalid(
            f"{found[1]!r} is one argument too many.",
            code="argument_unexpected",
            hint=f"Put a text with spaces in quotes. {_help_of(context)}",
        )
    if kind == "BadParameter":
        return _refuse_value(error, parameter, context)
    return UsageInvalid(_as_sentence(message), hint=_help_of(context))


def name_parameter(parameter: Any) -> str:
    """Return how people write a parameter: ``--codec``, or ``FILE`` for an argument."""
    if parameter is None:
        return "A value"
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return str(max(parameter.opts, key=len))


def find_choices(parameter: Any) -> list[str]:
    """Return the values that a parameter with a fixed set of them takes; empty for others."""
    described = getattr(parameter, "type_descriptor", None)
    choices = getattr(described, "choices", None) or ()
    return [str(one.value if isinstance(one, Enum) else one) for one in choices]


def _refuse_option(name: str, context: Any) -> UsageInvalid:
    known = list(_list_options(context))
    nearest = suggest(name, known)
    did_you_mean = f"Did you mean {nearest}? " if nearest else ""
    return UsageInvalid(
        f"{_path_of(context)} has no option {name}.",
        code="option_unknown",
        hint=f"{did_you_mean}{_help_of(context)}",
    )


def _refuse_command(name: str, context: Any) -> UsageInvalid:
    command = context.command
    own = list(command.list_commands(context))
    # People forget the group: 'cinemill redrive' is 'cinemill dead redrive'.
    inner = {
        one: f"{group} {one}"
        for group in own
        for one in getattr(getattr(command, "commands", {}).get(group), "commands", {})
        if one not in ("list", "show", "add", "remove")
    }
    nearest = inner.get(name) or suggest(name, own) or inner.get(suggest(name, inner), "")
    did_you_mean = f"Did you mean '{_path_of(context)} {nearest}'? " if nearest else ""
    return UsageInvalid(
        f"{_path_of(context)} has no command {name!r}.",
        code="command_unknown",
        hint=f"{did_you_mean}{_help_of(context)}",
    )


def _refuse_value(error: Any, parameter: Any, context: Any) -> UsageInvalid:
    hinted = error.param_hint
    name = str(hinted) if hinted else name_parameter(parameter)
    refused = _read_refusal(error)
    if choices := find_choices(parameter):
        return refuse_choice(name, str((refused or {}).get("input", "")), choices)
    what = _describe_refusal(refused, parameter) or " ".join(str(error.message).split())
    described = getattr(parameter, "type_descriptor", None)
    if described is not None and described.is_path:
        is_folder = not described.parameter_info.file_okay
        return UsageInvalid(
            _name_path(error.message),
            code="folder_unusable" if is_folder else "file_unusable",
            hint=f"Check the name of the {'folder' if is_folder else 'file'}. {_help_of(context)}",
        )
    return UsageInvalid(
        f"{name}: {what.rstrip('.')}.", code="option_invalid", hint=_help_of(context)
    )


def _name_path(message: str) -> str:
    """Return the parser's sentence about a path without its quotes and its kind of path."""
    plain = re.sub(r"^(?:file|dir|path) '(.*?)' ", r"\1 ", message, flags=re.DOTALL)
    return _as_sentence(plain.replace("directory", "folder"))


def _read_refusal(error: Any) -> dict[str, Any] | None:
    """Return pydantic's first error, by which typer refuses a value; None for others."""
    list_errors = getattr(error.__cause__, "errors", None)
    return next(iter(list_errors()), None) if callable(list_errors) else None


def _describe_refusal(refused: dict[str, Any] | None, parameter: Any) -> str:
    if refused is None:
        return ""
    given = str(refused.get("input"))
    kind = str(refused.get("type", ""))
    if kind.startswith("int_"):
        return f"{given!r} is not a whole number."
    if kind.startswith("float_"):
        return f"{given!r} is not a number."
    if kind.startswith(("greater_than", "less_than")) or "range" in str(refused.get("msg")):
        least, most = parameter.min, parameter.max
        if least is not None and most is not None:
            return f"{given} is not from {least:g} to {most:g}."
        return f"{given} is below {least:g}." if most is None else f"{given} is above {most:g}."
    return ""


def _list_values(parameter: Any) -> str:
    choices = find_choices(parameter)
    return list_choices(choices) if choices else ""


def _list_options(context: Any) -> Iterator[str]:
    yield "--help"
    for parameter in context.command.params:
        if parameter.param_type_name == "option":
            yield from parameter.opts


def _find_option(name: str, context: Any) -> Any:
    return next((one for one in context.command.params if name in one.opts), None)


def _path_of(context: Any) -> str:
    return str(context.command_path)


def _help_of(context: Any) -> str:
    return f"See '{_path_of(context)} --help'."


def _as_sentence(message: str) -> str:
    text = " ".join(message.split())
    text = f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith((".", "!", "?")) else f"{text}."
