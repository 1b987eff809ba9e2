"""What is wrong with a request is said in our own words, whatever FastAPI finds."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from cinemill.api.middleware.validation import _EXPECTED, _SENTENCES, describe_error


class State(StrEnum):
    OPEN = "open"
    DONE = "done"


class Query(BaseModel):
    limit: Annotated[int, Field(ge=1, le=500)] = 1
    name: Annotated[str, Field(max_length=3, pattern=r"^[^\x00]*$")] = ""
    state: list[State] = []
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    body: dict[str, Any] = {}
    seconds: Annotated[float, Field(gt=0, lt=9, allow_inf_nan=False)] = 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"limit": 501}, "must be at most 500, not 501"),
        ({"limit": 0}, "must be at least 1, not 0"),
        ({"limit": "many"}, "must be a whole number, not 'many'"),
        ({"limit": 1.5}, "must be a whole number, not 1.5"),
        ({"name": "long"}, "must be at most 3 characters long, not 'long'"),
        ({"name": 5}, "must be a text, not 5"),
        ({"name": "\x00"}, "must not contain NUL characters"),
        ({"state": ["odd"]}, "must be one of 'open' or 'done', not 'odd'"),
        ({"state": 5}, "must be a list, not 5"),
        ({"kind": "c"}, "must be one of 'a' or 'b', not 'c'"),
        ({"flag": "maybe"}, "must be true or false, not 'maybe'"),
        ({"body": 3}, "must be an object, not 3"),
        ({"seconds": 0}, "must be above 0.0, not 0"),
        ({"seconds": 9}, "must be below 9.0, not 9"),
        ({"seconds": "inf"}, "must be a finite number, not 'inf'"),
    ],
    ids=str,
)
def test_words_for_what_is_wrong(document: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Query.model_validate(document)
    assert describe_error(refused.value.errors()[0]) == words


def test_error_that_nobody_expected_quotes_what_was_given() -> None:
    odd = ErrorDetails(type="odd", loc=(), msg="Odd.", input=[1])
    assert describe_error(odd) == "is not valid: [1]"


def test_no_words_are_pydantics() -> None:
    words = [*_EXPECTED.values(), *_SENTENCES.values()]
    assert not [one for one in words if re.search("input should|valid (integer|string)", one, re.I)]
