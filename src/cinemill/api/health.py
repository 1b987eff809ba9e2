"""Checks whether the components respond, once for all who ask at the same moment.

``/health`` needs no token: a flood of requests must not take connections from the database's pool,
nor threads from the routes, and slow routes must not make it wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from cinemill.telemetry import get_logger

Value = TypeVar("Value")
Findings = dict[str, str]

log = get_logger(__name__)

THREADS = 6
"""One for each question that is asked: PostgreSQL, hardware, relay, messages, workers, Qdrant."""
SOON_SECONDS = 0.05
"""An examination takes 10 ms on a server that is not busy."""
RECENT_SECONDS = 2.0
"""Findings of so long ago stand in for those of an examination that takes longer."""


class HealthChecker:
    """Shares an examination among all who ask while it lasts."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="health")
        self._asked: dict[str, Future[Any]] = {}
        """What was asked of each part last; it may hang."""
        self._under_way: asyncio.Task[Findings] | None = None
        self._found: Findings = {}
        self._found_at = float("-inf")

    async def ask(self, examine: Callable[[], Coroutine[Any, Any, Findings]]) -> Findings:
        """Return what the examination finds that is under way, or that is started now.

        On a busy server, where it takes longer than ``SOON_SECONDS``, what was found in the last
        two seconds is returned: a supervisor that decides whether the server lives has a short
        timeout.
        """
        task = self._under_way
        if task is None or task.done():
            task = self._under_way = asyncio.create_task(self._examine(examine))
        # The first client may disconnect; the others still wait for the findings.
        await asyncio.wait({task}, timeout=SOON_SECONDS)
        if not task.done() and time.monotonic() - self._found_at < RECENT_SECONDS:
            return self._found
        return await asyncio.shield(task)

    async def _examine(self, examine: Callable[[], Coroutine[Any, Any, Findings]]) -> Findings:
        self._found = await examine()
        self._found_at = time.monotonic()
        return self._found

    async def run(
        self, part: str, work: Callable[[], Value], *, otherwise: Value, deadline: float
    ) -> Value:
        """Return what the work finds out about a part, in a thread that no route uses.

        ``otherwise`` where it takes longer than until ``deadline`` (the event loop's time), and at
        once where what was asked of the same part earlier still hangs: a part holds one thread; and
        where it fails in a way of its own, which is logged: the others are still reported.
        """
        earlier = self._asked.get(part)
        if earlier is not None and not earlier.done():
            return otherwise
        future = self._asked[part] = self._threads.submit(work)
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            return otherwise
        except Exception:
            log.exception("a part could not be examined", part=part)
            return otherwise

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
