"""Models of parameters: what is read, and what is said of what does not fit."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from cinemill.catalog import CATALOG
from cinemill.core.parameter_reader import read_parameters, read_stored_parameters
from cinemill.core.parameters import (
    Expected,
    Listed,
    Parameters,
    checked_by,
    choice_of,
    empty_as,
    none_as,
    reject,
)
from cinemill.errors import InputRejected, OutputInvalid


class Codec(StrEnum):
    H264 = "h264"
    VP9 = "vp9"


class Circle(Parameters):
    kind: Literal["circle"]
    radius: Annotated[float, Field(gt=0, lt=100)]


class Square(Parameters):
    kind: Literal["square"]
    side: int


def check_word(value: object) -> object:
    if value == "forbidden":
        raise InputRejected("That word is forbidden.", code="word_invalid", hint="Use another.")
    return value


class Options(Parameters):
    error_code = "options_invalid"

    height: Annotated[int, Field(ge=2, le=100)] | None = None
    """In pixels."""
    codec: Annotated[Codec, choice_of(Codec), none_as(Codec.H264)] = Codec.H264
    fast: Annotated[bool, none_as(False)] = False
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    numbers: Listed[int] = ()
    public: Annotated[int, Field(validation_alias="alias")] = 0
    word: Annotated[str, checked_by(check_word)] = ""
    moment: Annotated[float | None, Field(ge=0), Expected("a time", "moment_invalid", "Hm.")] = None


class Sample(Parameters):
    options: Annotated[Options, none_as({})] = Options()
    shapes: Listed[Annotated[Circle | Square, Field(discriminator="kind")]] = ()
    either: int | str = 0


def refuse(document: Any, model: type[Parameters] = Sample) -> tuple[str, str, str]:
    with pytest.raises(InputRejected) as refused:
        read_parameters(model, document)
    error = refused.value
    return error.code, error.message, error.hint


USUAL = InputRejected.hint


@pytest.mark.parametrize(
    ("document", "code", "sentence"),
    [
        (5, "params_invalid", "The parameters must be an object, not 5."),
        ({"options": 5}, "options_invalid", "options must be an object, not 5."),
        (
            {"options": {"height": "7"}},
            "options_invalid",
            "options.height must be a whole number from 2 to 100, not '7'.",
        ),
        (
            {"options": {"share": 0}},
            "options_invalid",
            "options.share must be a number above 0 and at most 1, not 0.",
        ),
        (
            {"options": {"fast": 1}},
            "options_invalid",
            "options.fast must be true or false, not 1.",
        ),
        (
            {"options": {"numbers": [1, "a"]}},
            "options_invalid",
            "options.numbers[1] must be a whole number, not 'a'.",
        ),
        ({"shapes": {}}, "params_invalid", "shapes must be a list, not {}."),
        (
            {"shapes": [{"kind": "circle", "radius": 3}, {"kind": "circle", "radius": 100}]},
            "params_invalid",
            "shapes[1].radius must be a number above 0 and below 100, not 100.",
        ),
        (
            {"shapes": [{"kind": "circle"}]},
            "params_invalid",
            "shapes[0].radius is missing.",
        ),
        ({"shapes": [{}]}, "params_invalid", "shapes[0].kind is missing."),
        (
            {"shapes": [{"kind": "oval"}]},
            "params_invalid",
            "shapes[0].kind must be one of circle, square, not 'oval'.",
        ),
        ({"either": [1]}, "params_invalid", "either must be a whole number or a text, not [1]."),
    ],
    ids=str,
)
def test_refusal_names_the_path_what_it_takes_and_what_was_given(
    document: Any, code: str, sentence: str
) -> None:
    assert refuse(document) == (code, sentence, USUAL)


@pytest.mark.parametrize(
    ("document", "sentence", "hint"),
    [
        ({"shape": []}, "Unknown parameter: shape.", "Did you mean shapes? Use some of: "),
        ({"a": 1, "b": 2}, "Unknown parameters: a, b.", "Use some of: either, options, shapes."),
        ({"options": {"heigth": 3}}, "Unknown parameter: options.heigth.", "Did you mean height?"),
        (
            {"shapes": [{"kind": "square", "side": 1, "sides": 2}]},
            "Unknown parameter: shapes[0].sides.",
            "Did you mean side?",
        ),
        ({"options": {"public": 3}}, "Unknown parameter: options.public.", "Use some of: alias,"),
    ],
    ids=str,
)
def test_unknown_name_is_refused_with_the_known_ones(
    document: Any, sentence: str, hint: str
) -> None:
    _, message, hint = refuse(document)
    assert message == sentence
    assert hint.startswith(hint)


def test_unknown_name_is_told_before_what_may_follow_from_it() -> None:
    _, message, _ = refuse({"option": {}, "shapes": 5})
    assert message == "Unknown parameter: option."


def test_thousands_of_unknown_names_make_a_short_sentence() -> None:
    _, message, _ = refuse({f"name{number}" * 20: 1 for number in range(5000)})
    assert len(message) < 600
    assert message.endswith("and 4995 more.")


def test_choice_near_the_one_meant_is_suggested() -> None:
    code, message, hint = refuse({"options": {"codec": "h265"}})
    assert message == "options.codec must be one of h264, vp9, not 'h265'."
    assert (code, hint) == ("options_invalid", "Did you mean h264?")


def test_field_may_have_its_own_code_words_and_hint() -> None:
    refusal = refuse({"options": {"moment": -1}})
    assert refusal == ("moment_invalid", "options.moment must be a time, not -1.", "Hm.")


def test_sentence_of_a_check_is_kept() -> None:
    refusal = refuse({"options": {"word": "forbidden"}})
    assert refusal == ("word_invalid", "That word is forbidden.", "Use another.")


def test_value_is_quoted_no_longer_than_a_sentence_takes() -> None:
    _, message, _ = refuse({"options": {"fast": "x" * 10**6}})
    assert len(message) < 200


def test_null_leaves_the_default_where_it_may() -> None:
    read = read_parameters(Sample, {"options": None})
    assert read == Sample()
    assert read_parameters(Options, {"codec": None, "fast": None, "height": None}) == Options()


def test_choice_is_read_in_any_case() -> None:
    assert read_parameters(Options, {"codec": "VP9"}).codec is Codec.VP9


def test_form_has_texts_only() -> None:
    form = {"height": "7", "fast": "true", "share": "0.5"}
    read = read_parameters(Options, form, is_form=True)
    assert (read.height, read.fast, read.share) == (7, True, 0.5)
    with pytest.raises(InputRejected, match=r"height must be a whole number from 2 to 100"):
        read_parameters(Options, {"height": "tall"}, is_form=True)


def test_field_without_a_default_is_missing_by_its_name() -> None:
    assert refuse({"kind": "circle"}, Circle)[1] == "radius is missing."


def test_code_uses_the_names_of_fields() -> None:
    assert Options(public=3) == read_parameters(Options, {"alias": 3})


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["options", "path", "sheet", "columns", "codec", "crf", "fps", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
MODELS = [kind.parameters for kind in CATALOG.jobs.values()]


@given(document=documents, model=st.sampled_from([Sample, *MODELS]))
def test_whatever_is_given_the_words_are_our_own(document: Any, model: type[Parameters]) -> None:
    """A sentence of pydantic's would say "Input should be", and name its types."""
    error = try_to_refuse(document, model)
    if error is None:
        return
    assert error.code.isidentifier()
    assert error.message.endswith(".")
    assert "Input should" not in error.message
    assert "pydantic" not in error.message + error.hint
    assert error.hint


def try_to_refuse(document: Any, model: type[Parameters]) -> InputRejected | None:
    try:
        read_parameters(model, document)
    except InputRejected as error:
        return error
    return None


@pytest.mark.parametrize("kind", CATALOG.jobs.values(), ids=lambda kind: kind.name)
def test_every_parameter_of_every_kind_is_described(kind: Any) -> None:
    schema = kind.parameters.model_json_schema()
    groups = [schema, *schema.get("$defs", {}).values()]
    members = {n: one for group in groups for n, one in group.get("properties", {}).items()}
    assert [name for name, one in members.items() if not one.get("description")] == []


def test_rule_of_several_fields_has_a_sentence_of_its_own() -> None:
    assert reject("No.", code="no", hint="Yes.").context == {
        "sentence": "No.",
        "code": "no",
        "hint": "Yes.",
    }


class Batch(Parameters):
    options: Options
    size: Annotated[int, empty_as(3)] = 3


def test_stored_parameters_may_have_members_of_another_version() -> None:
    document = {"options": {"height": 20, "of_a_newer_version": 1}, "another": [1]}
    with pytest.raises(InputRejected):
        read_parameters(Batch, document)
    assert read_stored_parameters(Batch, document) == Batch(options=Options(height=20))


def test_stored_parameters_that_cannot_be_read_are_no_fault_of_the_request() -> None:
    with pytest.raises(OutputInvalid, match=r"options\.height must be") as refused:
        read_stored_parameters(Batch, {"options": {"height": "tall"}})
    assert refused.value.is_retryable


@pytest.mark.parametrize("empty", [None, "", [], {}, False, 0])
def test_empty_value_reads_as_the_default(empty: object) -> None:
    assert read_parameters(Batch, {"options": {}, "size": empty}).size == 3


def test_name_that_only_code_knows_suggests_the_public_one() -> None:
    with pytest.raises(InputRejected) as refused:
        read_parameters(Options, {"public": 1})
    assert "Did you mean alias?" in refused.value.hint


def test_lone_surrogate_is_not_unicode_text() -> None:
    class Named(Parameters):
        name: Annotated[str, Field(max_length=9)]

    with pytest.raises(InputRejected, match=r"^name is not Unicode text\.$") as refused:
        read_parameters(Named, {"name": "a\ud800"})
    assert refused.value.code == "params_not_json"
