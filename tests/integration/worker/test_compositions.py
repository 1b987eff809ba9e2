"""Chains, groups and chords within each other: each of their tasks is a job, and each ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import chain, chord, group
from celery.result import ResultSet
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS, wait_until

from cinemill.core.job import JobState

Make = Callable[[], Any]
"""Makes a signature."""


@pytest.fixture
def good(stack: Stack) -> Make:
    return lambda: stack.app.tasks["get_queue_stats"].si()


@pytest.fixture
def bad(stack: Stack, films_folder: Path) -> Make:
    missing = str(films_folder / "missing.mp4")
    return lambda: stack.app.tasks["extract_video_metadata"].si(missing)


def list_jobs(stack: Stack) -> set[str]:
    return {job.id for job in stack.service.list_jobs(kind="get_queue_stats", limit=500)}


def list_ids(result: Any) -> set[str]:
    """Return the ids of the results that Celery gives for a composition: not always of all."""
    ids, left = set(), [result]
    while left:
        one = left.pop()
        if isinstance(one, ResultSet):
            left += one.results
        else:
            ids.add(one.id)
        if one.parent is not None:
            left.append(one.parent)
    return ids


def wait_for_ends(stack: Stack, ids: set[str]) -> set[JobState]:
    wait_until(lambda: all(stack.service.get_job(one).state.is_final for one in ids))
    return {stack.service.get_job(one).state for one in ids}


COMPOSITIONS: dict[str, tuple[int, Callable[[Make], Any]]] = {
    "chain of one": (1, lambda one: chain(one())),
    "chain of chains": (4, lambda one: chain(chain(one(), one()), chain(one(), one()))),
    "chain of groups": (5, lambda one: chain(group(one(), one()), group(one(), one()), one())),
    "chain with an empty group": (2, lambda one: chain(one(), group([]), one())),
    "chain with a group of one": (3, lambda one: chain(one(), group([one()]), one())),
    "chain that ends with a group": (3, lambda one: chain(one(), group(one(), one()))),
    "group of chains": (4, lambda one: group(chain(one(), one()), chain(one(), one()))),
    "group of groups": (3, lambda one: group(group(one(), one()), one())),
    "group of a chord": (4, lambda one: group(chord([one(), one()], one()), one())),
    "chord of chains": (5, lambda one: chord([chain(one(), one()), chain(one(), one())], one())),
    "chord of a chain that ends with a group": (
        4,
        lambda one: chord([chain(one(), group(one(), one()))], one()),
    ),
    "chord of a chord": (4, lambda one: chord([chord([one(), one()], one())], one())),
    "chord with a chain as body": (4, lambda one: chord([one(), one()], chain(one(), one()))),
    "chord with a group as body": (4, lambda one: chord([one(), one()], group(one(), one()))),
    "chord without a header": (1, lambda one: chord([], one())),
    "chord in a chain": (5, lambda one: chain(one(), chord([one(), one()], one()), one())),
    "chord at the end of a chain of chords": (
        6,
        lambda one: chain(chord([one(), one()], one()), chord([one(), one()], one())),
    ),
    "loop in a chain": (4, lambda one: chain(one(), one().type.starmap([[], []]), one())),
    "loop as a header": (3, lambda one: chord(one().type.chunks([[], []], 2), one())),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_every_task_of_a_composition_is_a_job_that_completes(
    stack: Stack, good: Make, name: str
) -> None:
    count, compose = COMPOSITIONS[name]
    before = list_jobs(stack)
    results = list_ids(compose(good).apply_async())
    ids = list_jobs(stack) - before
    assert len(ids) == count
    assert results <= ids
    assert wait_for_ends(stack, ids) == {JobState.COMPLETED}


ERROR_LINKS: dict[str, Callable[[Make, Make, Any], Any]] = {
    "chain": lambda one, two, link: chain(one(), two(), one()).on_error(link),
    "first of a chain": lambda one, two, link: chain(two().on_error(link), one()),
    "chain in a chain": lambda one, two, link: chain(one(), chain(two(), one()).on_error(link)),
    "group": lambda one, two, link: on_error_of_all(group(one(), one(), two()), link),
    "group in a chain": lambda one, two, link: chain(one(), group(one(), two())).on_error(link),
    "body of a chord": lambda one, two, link: chord([one(), two()], one().on_error(link)),
    "body that fails": lambda one, two, link: chord([one(), one()], two().on_error(link)),
    "chord": lambda one, two, link: chord([chain(two(), one()), one()], one()).on_error(link),
    "chain as the body of a chord": lambda one, two, link: chord(
        [one(), two()], chain(one(), one()).on_error(link)
    ),
    "chord in a chain": lambda one, two, link: chain(
        one(), chord([one(), two()], one()), one()
    ).on_error(link),
    "chord of a chord": lambda one, two, link: chord(
        [chord([two(), one()], one()), one()], one().on_error(link)
    ),
}


def on_error_of_all(several: Any, link: Any) -> Any:
    several.link_error(link)
    return several


@pytest.mark.parametrize("name", ERROR_LINKS)
@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
def test_error_link_is_called_if_any_of_them_fails_and_only_then(
    stack: Stack, good: Make, bad: Make, name: str
) -> None:
    compose = ERROR_LINKS[name]
    for second, state in ((bad, JobState.COMPLETED), (good, JobState.CANCELLED)):
        link = good().set(task_id=str(uuid4()))
        result = compose(good, second, link).apply_async()
        assert wait_for_ends(stack, {link.id}) == {state}
        wait_for_ends(stack, list_ids(result))


@pytest.mark.parametrize("combine", [chain, group])
def test_error_link_of_several_tasks_is_for_the_case_of_a_failure(
    stack: Stack, good: Make, bad: Make, combine: Any
) -> None:
    for first, state in ((bad, JobState.COMPLETED), (good, JobState.CANCELLED)):
        links = [good().set(task_id=str(uuid4())) for _ in range(2)]
        first().apply_async(link_error=combine(links))
        assert wait_for_ends(stack, {one.id for one in links}) == {state}


@pytest.mark.parametrize(
    "combine",
    [
        lambda one: chain(one(), one()),
        lambda one: group(one(), one()),
        lambda one: chord([one(), one()], one()),
    ],
    ids=["chain", "group", "chord"],
)
def test_link_of_a_composition_is_called_after_it(stack: Stack, good: Make, combine: Any) -> None:
    linked = good().set(task_id=str(uuid4()))
    composed = combine(good)
    composed.link(linked)
    composed.apply_async().get(timeout=PATIENCE_SECONDS)
    assert wait_for_ends(stack, {linked.id}) == {JobState.COMPLETED}
