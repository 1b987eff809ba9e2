"""What is kept of a document from outside: nothing that could not be stored and listed again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.documents import (
    DEEPEST,
    LARGEST_NUMBER,
    LONGEST_NAME_BYTES,
    LONGEST_PATH_BYTES,
    LONGEST_TEXT_BYTES,
    QUOTED_CHARACTERS,
    check_path,
    check_text,
    encode_document,
    is_bounded,
    quote,
    reduce_document,
)
from cinemill.errors import LONGEST_MESSAGE, InputRejected, TooLarge

MOST_BYTES = 4096
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
ANY_SCALAR = (
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=3)
)
ANY_DOCUMENT = st.recursive(
    ANY_SCALAR,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=5)
    ),
    max_leaves=40,
)


def nest(depth: int, *, as_objects: bool = False) -> Any:
    """Built from the inside out, because Python's own stack is not deep enough for recursion."""
    document: Any = []
    for _ in range(depth - 1):
        document = {"in": document} if as_objects else [document]
    return document


def refuse(document: Any, most_bytes: int = MOST_BYTES) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        encode_document(document, most_bytes=most_bytes)
    assert len(refused.value.message) <= LONGEST_MESSAGE
    refused.value.message.encode()
    return refused.value


@given(ANY_DOCUMENT, st.integers(0, 200))
def test_accepted_document_can_be_stored_read_and_returned(document: Any, levels: int) -> None:
    for _ in range(levels):
        document = [document]
    try:
        encoded = encode_document(document, most_bytes=MOST_BYTES)
    except InputRejected as error:
        assert error.code  # noqa: PT017 - refused in words, and never by a RecursionError
        return
    assert len(encoded) <= MOST_BYTES
    assert b"\\u0000" not in encoded.replace(b"\\\\", b"")
    read = json.loads(encoded)
    assert is_bounded(read, most_bytes=MOST_BYTES)
    assert encode_document(read, most_bytes=MOST_BYTES) == encoded


@pytest.mark.parametrize("as_objects", [False, True])
def test_document_depth_is_checked_however_deep_it_is(as_objects: bool) -> None:
    encode_document(nest(DEEPEST, as_objects=as_objects), most_bytes=MOST_BYTES)
    for depth in (DEEPEST + 1, 252, 600):
        assert refuse(nest(depth, as_objects=as_objects)).code == "params_too_deep"
    assert refuse(nest(100_000, as_objects=as_objects), 1 << 20).code == "params_too_deep"


def test_list_that_holds_itself_or_itself_many_times_ends() -> None:
    own: list[Any] = []
    own.append(own)
    assert refuse(own).code == "params_too_deep"
    laughs: Any = ["ha"] * 1000
    for _ in range(20):
        laughs = [laughs] * 1000
    error = refuse(laughs, 16 << 20)
    assert isinstance(error, TooLarge)
    assert error.code == "params_too_large"


@pytest.mark.parametrize(
    "create",
    [
        lambda: {"path": "x" * (100 << 20)},
        lambda: {"x" * (100 << 20): 1},
        lambda: [None] * (20 << 20),
        lambda: {str(number): None for number in range(100_000)},
        lambda: [1e-300] * 1000,
        lambda: ["\x01" * 1000],
    ],
    ids=["text", "name", "wide", "names", "numbers written out", "escapes"],
)
def test_document_size_is_that_of_its_stored_form(create: Callable[[], Any]) -> None:
    # Created here: parameters stay in the memory of every lane until its end.
    assert refuse(create()).code in {"params_too_large", "text_too_long"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "params_not_json"),
        (float("inf"), "params_not_json"),
        (LARGEST_NUMBER + 1, "number_out_of_range"),
        (1e300, "number_out_of_range"),
        (10**400, "number_out_of_range"),
        (10**5000, "number_out_of_range"),
        ("a\x00b", "params_not_json"),
        ("half \ud83d", "params_not_json"),
        ("x" * (LONGEST_TEXT_BYTES + 1), "text_too_long"),
        (b"bytes", "params_not_json"),
        ({1, 2}, "params_not_json"),
        ({1: "a number as a name"}, "params_not_json"),
        ({"a\x00b": 1}, "params_not_json"),
        ({"x" * (LONGEST_NAME_BYTES + 1): 1}, "text_too_long"),
        ({"path": "x" * (LONGEST_PATH_BYTES + 1)}, "path_invalid"),
        ({"video_path": ["é" * LONGEST_PATH_BYTES]}, "path_invalid"),
        (object(), "params_not_json"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "value",
)
def test_value_that_cannot_be_kept_is_refused_wherever_it_is(value: Any, code: str) -> None:
    for document in ({"a": value}, {"a": [{"b": value}]}):
        assert refuse(document, 1 << 20).code == code


def test_document_values_at_the_bounds_are_accepted() -> None:
    document = {"path": "x" * LONGEST_PATH_BYTES, "n": [LARGEST_NUMBER, -LARGEST_NUMBER, 5e-324]}
    assert json.loads(encode_document(document, most_bytes=8192)) == document


@pytest.mark.parametrize("value", [None, 1, {"a": 1}, ["x"], b"x", "\x00", "\udcff", "é" * 200])
def test_name_is_a_text_that_can_be_stored(value: Any) -> None:
    with pytest.raises(InputRejected) as refused:
        check_text(value, "asset_id")
    assert refused.value.code == "asset_id_invalid"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize("value", [7, ["film.mp4"], {"a": 1}, "a\x00b", "x" * 5000])
def test_path_is_one_that_a_system_could_know(value: Any) -> None:
    with pytest.raises(InputRejected) as refused:
        check_path(value)
    assert refused.value.code == "path_invalid"


def test_oversized_stored_document_is_returned_in_part() -> None:
    document = {"kept": 1, "name": "film", "deep": nest(500), "long": "x" * 5000, "n": None}
    assert not is_bounded(document, most_bytes=1 << 20)
    assert reduce_document(document) == {"kept": 1, "name": "film", "n": None}
    assert not is_bounded(["x" * 100], most_bytes=50)
    assert reduce_document(nest(500)) == {}


@pytest.mark.parametrize(
    "value",
    ["x" * (100 << 20), nest(100_000), [nest(50)] * 1000, 10**5000, {"a" * 10**6: 1}],
    ids=["text", "deep", "many", "number", "name"],
)
def test_quote_is_short_for_any_value(value: Any) -> None:
    assert len(quote(value)) <= QUOTED_CHARACTERS
