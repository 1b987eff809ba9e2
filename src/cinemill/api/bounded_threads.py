"""Threads for work that takes long, with a bound on how much of it there is at once.

Routes that wait in the server's common threads would keep all others from being served: a language
model may take minutes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from cinemill.errors import DependencyUnavailable

Result = TypeVar("Result")
Item = TypeVar("Item")


class SearchBusy(DependencyUnavailable):
    """As many searches or answers are under way as this server works on at once."""

    code = "search_busy"
    hint = "Wait a few seconds, then try again."


class BoundedThreads:
    """A pool of threads that refuses work beyond a number of waiting pieces."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threading.BoundedSemaphore(threads + waiting)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what a function returns. Raises SearchBusy (``search_busy``)."""
        return await asyncio.wrap_future(self._submit(work))

    def produce(self, make: Callable[[], Generator[Item]]) -> Production[Item]:
        """Begin to run a generator, whose items can be awaited.

        Raises SearchBusy (``search_busy``).
        """
        production = Production[Item](asyncio.get_running_loop())
        self._submit(lambda: production.run(make))
        return production

    def close(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], Result]) -> Future[Result]:
        if not self._free.acquire(blocking=False):
            raise SearchBusy("Too many searches and answers are under way.")
        try:
            future = self._executor.submit(work)
        except RuntimeError as error:  # the server is being stopped
            self._free.release()
            raise SearchBusy("This server is being stopped.") from error
        future.add_done_callback(lambda _: self._free.release())
        return future


class Finished(Exception):
    """There are no more items."""


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class _End:
    """What follows the last item."""


class Production(Generic[Item]):
    """The items of a generator that runs in a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Item | _Failed | _End] = asyncio.Queue()
        self._is_unwanted = threading.Event()

    def run(self, make: Callable[[], Generator[Item]]) -> None:
        """Send what a generator yields, from a thread; it is closed once nobody waits for it."""
        try:
            with closing(make()) as items:
                for item in items:
                    if self._is_unwanted.is_set():
                        return
                    self._send(item)
            self._send(_End())
        except BaseException as error:  # noqa: BLE001 - raised again where items are awaited
            self._send(_Failed(error))

    async def next(self, *, within_seconds: float | None = None) -> Item:
        """Return the next item.

        Raises Finished after the last, TimeoutError where there is none so soon, and what the
        generator raised.
        """
        async with asyncio.timeout(within_seconds):
            item = await self._queue.get()
        if isinstance(item, _Failed):
            raise item.error
        if isinstance(item, _End):
            raise Finished
        return item

    def cancel(self) -> None:
        """End the generator at its next item."""
        self._is_unwanted.set()

    def _send(self, item: Item | _Failed | _End) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it who waited
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
