"""What FastAPI's validation found wrong with a request, in words for a person.

Pydantic's own messages are written for programmers, and change with its versions.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import ErrorDetails

from cinemill.core.documents import quote
from cinemill.core.text.storable_text import STORABLE

_EXPECTED: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "an object",
    "enum": "one of {expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "one of {expected}",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_long": "at most {max_length} characters long",
    "string_too_short": "at least {min_length} characters long",
    "string_type": "a text",
    "too_short": "a list of at least {min_length} items",
    "too_long": "a list of at most {max_length} items",
}
"""By type of error (https://docs.pydantic.dev/latest/errors/validation_errors/), what completes
"must be …"; in braces, what pydantic says of the bound."""
_SENTENCES: Mapping[str, str] = {
    "extra_forbidden": "is unknown",
    "json_invalid": "is not valid JSON",
    "missing": "is missing",
    "string_unicode": "is not Unicode text",
}


def describe_error(error: ErrorDetails) -> str:
    """Return what is wrong with a value, such as "must be at most 500, not 501"."""
    kind = error["type"]
    if (sentence := _SENTENCES.get(kind)) is not None:
        return sentence
    if (error.get("ctx") or {}).get("pattern") == STORABLE:
        return "must not contain NUL characters"
    if (expected := _EXPECTED.get(kind)) is None:
        return f"is not valid: {quote(error.get('input'))}"
    return f"must be {expected.format(**error.get('ctx') or {})}, not {quote(error.get('input'))}"
