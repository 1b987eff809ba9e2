"""Who gets a place, and who makes room: never one that is served, and never more than there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.admission import (
    MAX_CONNECTIONS,
    Admission,
    Places,
    places_within,
)

PLACES = Places(total=6, reserve=2)


@given(
    st.lists(
        st.tuples(st.sampled_from(["arrive", "serve", "wait", "leave"]), st.integers(0, 30)),
        max_size=120,
    )
)
def test_there_are_never_more_than_places_and_nobody_served_makes_room(
    events: list[tuple[str, int]],
) -> None:
    admission: Admission[int] = Admission(PLACES)
    here: dict[int, str] = {}
    for what, number in events:
        address = f"10.0.0.{number % 3}"
        evicted = None
        if what == "arrive" and number not in here:
            here[number] = "waiting"
            evicted = admission.arrive(number, address)
        elif what == "serve" and number in here:
            has_place, evicted = admission.serve(number)
            here[number] = "served" if has_place else "told"
        elif what == "wait" and number in here:
            admission.wait(number)
            here[number] = "waiting"
        elif what == "leave":
            admission.leave(number)
            here.pop(number, None)
        if evicted is not None:
            assert here.pop(evicted) == "waiting"
        assert len(admission) == len(here)
        assert sum(state == "served" for state in here.values()) <= PLACES.total
        for share in range(3):
            own = [state for one, state in here.items() if one % 3 == share]
            assert own.count("served") <= PLACES.per_address


def test_another_address_gets_in_where_one_has_taken_all_it_may() -> None:
    admission: Admission[int] = Admission(PLACES)
    for number in range(PLACES.per_address):
        admission.arrive(number, "10.0.0.1")
        assert admission.serve(number) == (True, None)
    admission.arrive(90, "10.0.0.1")
    assert admission.serve(90) == (False, None)
    admission.arrive(91, "10.0.0.2")
    assert admission.serve(91) == (True, None)


@pytest.mark.parametrize(
    ("file_limit", "total"), [(1024, 320), (4096, 1856), (1_000_000, MAX_CONNECTIONS), (10, 16)]
)
def test_there_are_as_many_places_as_file_descriptors_carry(file_limit: int, total: int) -> None:
    assert places_within(file_limit).total == total
