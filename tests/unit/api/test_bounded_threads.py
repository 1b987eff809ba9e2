"""Threads with a bound: what is refused, and how a generator's items are awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator

import pytest

from cinemill.api.bounded_threads import BoundedThreads, Finished, SearchBusy
from cinemill.errors import NotFound


@pytest.fixture
def threads() -> Iterator[BoundedThreads]:
    opened = BoundedThreads("test", threads=1, waiting=1)
    yield opened
    opened.close()


def test_work_beyond_the_bound_is_refused(threads: BoundedThreads) -> None:
    hold = threading.Event()

    async def play() -> None:
        running = asyncio.create_task(threads.run(hold.wait))
        waiting = asyncio.create_task(threads.run(lambda: "done"))
        await asyncio.sleep(0)
        with pytest.raises(SearchBusy) as refused:
            await threads.run(lambda: None)
        assert (refused.value.code, refused.value.http_status) == ("search_busy", 503)
        hold.set()
        assert await running
        assert await waiting == "done"
        assert await threads.run(lambda: "again") == "again"

    asyncio.run(play())


def test_work_that_fails_frees_its_place(threads: BoundedThreads) -> None:
    def fail() -> None:
        raise NotFound("gone")

    async def play() -> None:
        for _ in range(5):
            with pytest.raises(NotFound):
                await threads.run(fail)

    asyncio.run(play())


def test_items_come_in_order_and_end(threads: BoundedThreads) -> None:
    def make() -> Generator[int]:
        yield from range(3)

    async def play() -> None:
        production = threads.produce(make)
        assert [await production.next() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Finished):
            await production.next()

    asyncio.run(play())


def test_error_of_a_generator_is_raised_where_it_is_awaited(threads: BoundedThreads) -> None:
    def make() -> Generator[int]:
        yield 1
        raise NotFound("gone")

    async def play() -> None:
        production = threads.produce(make)
        assert await production.next() == 1
        with pytest.raises(NotFound):
            await production.next()

    asyncio.run(play())


def test_generator_that_nobody_wants_is_closed(threads: BoundedThreads) -> None:
    closed, go_on = threading.Event(), threading.Event()

    def make() -> Generator[int]:
        try:
            while True:
                yield 1
                go_on.wait(60)
        finally:
            closed.set()

    async def play() -> None:
        production = threads.produce(make)
        await production.next()
        with pytest.raises(TimeoutError):
            await production.next(within_seconds=0)
        production.cancel()
        go_on.set()
        assert await asyncio.to_thread(closed.wait, 60)

    asyncio.run(play())


def test_closed_threads_take_nothing(threads: BoundedThreads) -> None:
    threads.close()

    async def play() -> None:
        with pytest.raises(SearchBusy, match="being stopped"):
            await threads.run(lambda: None)

    asyncio.run(play())
