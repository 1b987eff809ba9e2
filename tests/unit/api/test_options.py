"""The fields of an upload's form: texts, read by the same models as JSON."""

from __future__ import annotations

import pytest

from cinemill.api.middleware.problems import ParametersInvalid
from cinemill.api.upload.options import UploadOptions, parse_options
from cinemill.errors import InputRejected


def test_form_without_fields_asks_for_the_usual() -> None:
    assert parse_options({}) == UploadOptions()
    assert parse_options({"params": " ", "priority": "", "kind": " "}) == UploadOptions()


def test_numbers_are_read_from_texts_and_unknown_fields_ignored() -> None:
    read = parse_options({"priority": " 9 ", "thumbnail_seconds": "1.5", "button": "Upload"})
    assert (read.priority, read.job_params) == (9, {"thumbnail_seconds": 1.5})


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        (
            {"priority": "11"},
            "parameters_invalid",
            "priority: must be a whole number from 0 to 10, 10 first, not '11'",
        ),
        (
            {"priority": "high", "thumbnail_seconds": "nan"},
            "parameters_invalid",
            "priority: must be a whole number from 0 to 10, 10 first, not 'high'; "
            "thumbnail_seconds: must be a number of seconds, 0 or more, not 'nan'",
        ),
        (
            {"params": "[1]"},
            "parameters_invalid",
            "params: must be a JSON object, such as {}, not [1]",
        ),
        (
            {"params": "{"},
            "parameters_invalid",
            "params: must be a JSON object, such as {}, not '{'",
        ),
        (
            {"kind": "transcode", "params": '{"options": {"crf": 99}}'},
            "params_invalid",
            "options.crf must be a whole number from 0 to 51 for h264, not 99.",
        ),
        (
            {"params": '{"path": "/a"}'},
            "params_invalid",
            "'path' cannot be used with an uploaded file.",
        ),
        ({"thumbnail_seconds": "1e12"}, "timestamp_invalid", None),
        ({"collection": "x" * 256}, "parameters_invalid", None),
        ({"collection": "a\0b"}, "parameters_invalid", None),
    ],
    ids=str,
)
def test_field_that_does_not_fit_is_refused(
    fields: dict[str, str], code: str, sentence: str | None
) -> None:
    with pytest.raises(InputRejected) as refused:
        parse_options(fields)
    assert refused.value.code == code
    assert sentence is None or refused.value.message == sentence


def test_collection_is_a_name_without_spaces_around_it() -> None:
    assert parse_options({"collection": " Sea birds "}).collection == "Sea birds"
    assert parse_options({"collection": " "}).collection is None
    assert parse_options({"collection": "x" * 255}).collection == "x" * 255


@pytest.mark.parametrize("digits", ["7", "07", "\uff17", "\u0667"])
def test_priority_is_read_in_digits_of_any_script(digits: str) -> None:
    assert parse_options({"priority": digits}).priority == 7


@pytest.mark.parametrize("text", ["7.0", "+7", "-0", "1_0", "7e0", "0x7", "7" * 5000])
def test_priority_that_is_not_digits_alone_is_refused(text: str) -> None:
    with pytest.raises(ParametersInvalid, match="priority: must be a whole number"):
        parse_options({"priority": text})
