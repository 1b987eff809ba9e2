"""Results of steps are read by their type, whichever version wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cinemill.errors import OutputInvalid
from cinemill.jobs.results import Seconds, Timed, read_result, write_result
from cinemill.steps.source_results import ProbeResult


@dataclass(frozen=True, slots=True)
class Part:
    key: str
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    parts: tuple[Part, ...] = ()
    stages: Mapping[str, float | None] = field(default_factory=dict)
    seconds: Seconds = None


FOUND = Found("a", (Part("x"), Part("y", is_new=False)), {"probe": 1.5, "intake": None})
DOCUMENT = {
    "name": "a",
    "parts": [{"key": "x", "is_new": True}, {"key": "y", "is_new": False}],
    "stages": {"probe": 1.5, "intake": None},
}


def test_a_result_is_plain_json_and_read_back() -> None:
    assert write_result(FOUND) == DOCUMENT
    assert read_result(Found, DOCUMENT) == FOUND


def test_how_long_a_step_took_is_the_databases_to_say() -> None:
    assert read_result(Found, {**DOCUMENT, "seconds": 2.5}).seconds == 2.5
    assert read_result(Timed, {**DOCUMENT, "seconds": 2.5}).seconds == 2.5


def test_what_another_version_wrote_more_or_less_of_is_read() -> None:
    assert read_result(Found, {"name": "a", "new": [1]}) == Found("a")


@pytest.mark.parametrize("document", [None, {}, [], {"name": 5}, {"name": "a", "parts": 3}])
def test_what_cannot_be_read_is_said(document: Any) -> None:
    with pytest.raises(OutputInvalid, match="no Found that this version can read") as refused:
        read_result(Found, document)
    assert "Submit the job again" in refused.value.way_on


def test_a_probed_film_that_cannot_be_read_is_said() -> None:
    with pytest.raises(OutputInvalid):
        read_result(ProbeResult, {"asset_id": "a", "media": {"format": "odd"}})
