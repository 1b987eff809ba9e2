"""Asking whether the parts answer, once for however many want to know at the same moment.

``/health`` needs no token: whoever floods it must not take connections from the database's pool,
nor threads from the routes, and slow routes must not make it wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")
Findings = dict[str, str]

THREADS = 2
"""One that asks, and one that may hang."""


class HealthDesk:
    """Shares an examination among all who ask while it lasts."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="health")
        self._under_way: asyncio.Task[Findings] | None = None

    async def ask(self, examine: Callable[[], Coroutine[Any, Any, Findings]]) -> Findings:
        """What an examination finds that is under way, or that is started now."""
        task = self._under_way
        if task is None or task.done():
            task = self._under_way = asyncio.create_task(examine())
        # Whoever asked first may leave; the others still want to know.
        return await asyncio.shield(task)

    async def run(self, work: Callable[[], Value]) -> Value:
        """Run it in a thread that no route uses."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
