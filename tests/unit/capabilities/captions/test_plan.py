"""Steps of a caption job, and requests that are rejected before any step."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.catalog import CATALOG
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import MINUTE, Rate


def test_caption_plan_for_a_path_imports_transcribes_and_writes() -> None:
    steps = CATALOG.plan("caption", {"path": "/films/a.mp4"}, None)
    assert [(step.name, step.kind, step.after) for step in steps] == [
        ("intake", "intake_source", ()),
        ("probe", "probe_source", ("intake",)),
        ("transcribe", "transcribe_speech", ("probe",)),
        ("captions", "write_captions", ("transcribe",)),
    ]


def test_transcription_runs_in_the_rated_caption_queue() -> None:
    kind = CATALOG.steps["transcribe_speech"]
    assert (kind.queue, kind.rate) == ("caption", Rate(5, MINUTE))


def test_caption_plan_passes_options_to_the_right_steps() -> None:
    params = {"model": "small", "language": "FR", "translate": True, "words": False}
    *_, transcribe, captions = CATALOG.plan("caption", params, "asset")
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
def test_caption_plan_rejects_impossible_requests(params: dict[str, Any], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("caption", params, "asset")
    assert refused.value.code == code


def test_caption_plan_without_a_source_is_rejected() -> None:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan("caption", {"model": "base"}, None)
    assert refused.value.code == "source_missing"
