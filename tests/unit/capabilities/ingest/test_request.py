"""What is asked of a film, and the name of the work that this makes."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.ingest.handlers import read_request, step_key
from cinemill.capabilities.ingest.plan import IngestParameters
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import InputRejected

hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
requests = st.builds(
    PrepareRequest,
    thumbnail_seconds=st.none() | st.fractions(0, 10**4, max_denominator=1000),
    proxy_height=st.integers(2, 2160),
    proxy_fps=st.integers(1, 60),
)


def read(params: dict[str, object]) -> PrepareRequest:
    return read_request(read_parameters(IngestParameters, params))


def test_nothing_asked_for_is_the_ordinary_request() -> None:
    assert read({}) == PrepareRequest()
    assert read({"thumbnail_seconds": None}) == PrepareRequest()


def test_a_moment_for_the_thumbnail_is_taken_exactly() -> None:
    assert read({"thumbnail_seconds": 1.1}).thumbnail_seconds == Fraction(11, 10)
    assert read({"thumbnail_seconds": 0}).thumbnail_seconds == 0


@given(st.floats(0, 1e6, allow_nan=False))
def test_a_moment_is_off_by_less_than_a_millisecond(moment: float) -> None:
    asked = read({"thumbnail_seconds": moment}).thumbnail_seconds
    assert asked is not None
    assert abs(asked - Fraction(moment)) < Fraction(1, 1000)


@pytest.mark.parametrize(
    "moment", [-1, -0.5, "5", "00:00:05", True, [5], {}, math.nan, math.inf, -math.inf]
)
def test_what_is_no_moment_is_refused(moment: object) -> None:
    with pytest.raises(InputRejected) as refused:
        read({"thumbnail_seconds": moment})
    assert refused.value.code == "timestamp_invalid"


@given(hashes, requests)
def test_the_same_work_has_the_same_name(sha256: str, request: PrepareRequest) -> None:
    assert step_key(sha256, request) == step_key(sha256, request)


@given(hashes, hashes, requests, requests)
def test_other_bytes_or_another_request_are_other_work(
    one: str, other: str, first: PrepareRequest, second: PrepareRequest
) -> None:
    same = (one, first) == (other, second)
    assert (step_key(one, first) == step_key(other, second)) == same
