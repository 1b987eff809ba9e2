"""A caption job's steps, and what is refused before there are any."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.catalog import CATALOG
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import MINUTE, Rate


def test_a_film_by_path_is_fetched_heard_and_written_down() -> None:
    steps = CATALOG.plan("caption", {"path": "/films/a.mp4"}, None)
    assert [(step.name, step.kind, step.after) for step in steps] == [
        ("intake", "intake_source", ()),
        ("probe", "probe_source", ("intake",)),
        ("transcribe", "transcribe_speech", ("probe",)),
        ("captions", "write_captions", ("transcribe",)),
    ]


def test_listening_is_rated_on_the_caption_queue() -> None:
    kind = CATALOG.steps["transcribe_speech"]
    assert (kind.queue, kind.rate) == ("caption", Rate(5, MINUTE))


def test_wishes_go_to_the_steps_that_they_concern() -> None:
    wishes = {"model": "small", "language": "FR", "translate": True, "words": False}
    *_, transcribe, captions = CATALOG.plan("caption", wishes, "asset")
    assert transcribe.params == {"model": "small", "language": "fr", "task": "translate"}
    assert captions.params == {"words": False}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"size": "base"}, "params_invalid"),
        ({"words": "no"}, "params_invalid"),
        ({"model": "tiny.en", "translate": True}, "translation_impossible"),
        ({"language": "xx"}, "language_unknown"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_asked_for(params: dict[str, Any], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("caption", params, "asset")
    assert refused.value.code == code


def test_no_film_no_captions() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("caption", {"model": "base"}, None)
    assert refused.value.code == "source_missing"
