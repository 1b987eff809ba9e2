"""Who gets a place, and who makes room: nobody that takes its answer, and never more than fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.http.admission import MAX_CONNECTIONS, Admission, Places, places_within

PLACES = Places(total=6, reserve=2)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["arrive", "serve", "wait", "leave", "unread", "taken"]),
            st.integers(0, 30),
        ),
        max_size=120,
    )
)
def test_there_are_never_more_than_places_and_nobody_who_takes_its_answer_makes_room(
    events: list[tuple[str, int]],
) -> None:
    admission: Admission[int] = Admission(PLACES)
    here: dict[int, str] = {}
    unread: set[int] = set()
    for what, number in events:
        address = f"10.0.0.{number % 3}"
        evicted = None
        if what == "arrive" and number not in here:
            here[number] = "waiting"
            evicted = admission.arrive(number, address)
        elif what == "serve" and number in here:
            has_place, evicted = admission.serve(number)
            here[number] = "served" if has_place else "refused"
        elif what == "wait" and number in here:
            admission.wait(number)
            here[number] = "waiting"
        elif what == "leave":
            admission.leave(number)
            here.pop(number, None)
        elif what in ("unread", "taken"):
            admission.mark(number, is_unread=what == "unread")
            unread = unread | {number} if what == "unread" else unread - {number}
        unread &= here.keys()
        if evicted is not None:
            assert here.pop(evicted) == "waiting" or evicted in unread
            unread.discard(evicted)
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


def fill(admission: Admission[int]) -> None:
    """Take every place, for two addresses."""
    for number in range(PLACES.total):
        admission.arrive(number, f"10.0.0.{number % 2}")
        assert admission.serve(number) == (True, None)


def test_where_all_are_served_the_longest_unread_makes_room() -> None:
    admission: Admission[int] = Admission(PLACES)
    fill(admission)
    for number in (4, 1, 2, 5):
        admission.mark(number, is_unread=True)
    admission.mark(4, is_unread=False)
    admission.arrive(90, "10.0.0.9")
    assert admission.serve(90) == (True, 1)
    admission.arrive(91, "10.0.0.9")
    assert admission.serve(91) == (True, 2)


def test_newcomer_gets_in_where_the_reserve_is_taken_by_unread_ones() -> None:
    admission: Admission[int] = Admission(PLACES)
    fill(admission)
    for number in (80, 81):
        admission.arrive(number, "10.0.0.8")
        admission.serve(number)
    for number in (80, 81):
        admission.mark(number, is_unread=True)
    assert admission.arrive(90, "10.0.0.9") == 80
    admission.mark(81, is_unread=False)
    assert admission.arrive(91, "10.0.0.9") == 90


def test_address_beyond_its_share_takes_no_unread_place_of_another() -> None:
    admission: Admission[int] = Admission(PLACES)
    admission.arrive(0, "10.0.0.1")
    admission.serve(0)
    admission.mark(0, is_unread=True)
    for number in range(1, 1 + PLACES.per_address):
        admission.arrive(number, "10.0.0.2")
        assert admission.serve(number) == (True, None)
    admission.arrive(90, "10.0.0.2")
    assert admission.serve(90) == (False, None)


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_of_ipv6_a_64_counts_as_one_address(first: str, second: str, is_one: bool) -> None:
    admission: Admission[int] = Admission(PLACES)
    for number in range(PLACES.per_address):
        admission.arrive(number, first)
        admission.serve(number)
    admission.arrive(90, second)
    assert admission.serve(90) == (not is_one, None)


@pytest.mark.parametrize(
    ("file_limit", "total"), [(1024, 320), (4096, 1856), (1_000_000, MAX_CONNECTIONS), (10, 16)]
)
def test_there_are_as_many_places_as_file_descriptors_carry(file_limit: int, total: int) -> None:
    assert places_within(file_limit).total == total


def test_connection_that_changes_its_protocol_keeps_its_place() -> None:
    admission: Admission[str] = Admission(PLACES)
    admission.arrive("request", "10.0.0.1")
    assert admission.serve("request") == (True, None)
    admission.mark("request", is_unread=True)
    admission.replace("request", "socket")
    assert len(admission) == 1
    admission.leave("request")
    assert len(admission) == 1
    admission.leave("socket")
    assert len(admission) == 0
