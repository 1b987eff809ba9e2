"""The order of services: each starts after its needs, and stops before them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.local.supervisor.spec import ServiceSpec, check_services, stop_order


def spec(name: str, *, needs: tuple[str, ...] = (), rank: int = 0) -> ServiceSpec:
    return ServiceSpec(name, ("true",), Path("log"), needs=needs, stop_rank=rank)


def test_service_chain_is_accepted_in_any_order() -> None:
    check_services([spec("c", needs=("b",)), spec("a"), spec("b", needs=("a",))])


@pytest.mark.parametrize(
    "specs",
    [
        [spec("a"), spec("a")],
        [spec("a", needs=("nobody",))],
        [spec("a", needs=("b",)), spec("b", needs=("a",))],
        [spec("a", needs=("a",))],
    ],
    ids=["same name", "unknown need", "circle", "itself"],
)
def test_services_that_can_never_start_are_rejected(specs: list[ServiceSpec]) -> None:
    with pytest.raises(ValueError, match=r"share a name|never start"):
        check_services(specs)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_stop_order_is_by_rank_and_complete(ranks: list[int]) -> None:
    specs = [spec(f"service {index}", rank=rank) for index, rank in enumerate(ranks)]
    groups = stop_order(specs)
    assert [{one.stop_rank for one in group} for group in groups] == [
        {rank} for rank in sorted(set(ranks))
    ]
    assert sorted(one.name for group in groups for one in group) == sorted(
        one.name for one in specs
    )
