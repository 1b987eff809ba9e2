"""A server for the duration of one command, if none is running on this home."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cinemill.client import Client
    from cinemill.config import Settings
    from cinemill.local.instance import Instance

Result = TypeVar("Result")
Work = Callable[["Client"], Result]
START_SECONDS = 60.0
"""How long to wait for a server that is starting."""


class Stopped(Exception):
    """The server was asked to stop before the work was done."""


def run_with_server(
    settings: Settings, work: Work[Result], *, on_start: Callable[[], None]
) -> Result:
    """Run ``work`` with the running server, or with a temporary one that is stopped afterwards.

    ``on_start`` is called before one is started. Raises Stopped if a signal stops it meanwhile.
    """
    client = find_running_server(settings)
    if client is not None:
        with client:
            return work(client)
    from cinemill.cli.supervisor_log import log_to_file

    on_start()
    log_to_file(settings)
    return asyncio.run(_work_with_own_server(settings, work))


def find_running_server(settings: Settings) -> Client | None:
    """Return a client of the server at CINEMILL_URL or on this home, or None if there is none.

    Waits for a server that is starting, for at most START_SECONDS; then raises ClientError.
    """
    from cinemill.client import Client, ClientError
    from cinemill.config.running import read_state

    if os.environ.get("CINEMILL_URL"):
        return Client.from_home()
    deadline = time.monotonic() + START_SECONDS
    while _is_process_alive(read_state(settings.home).get("pid", "")):
        client = Client.from_home(settings.home)
        try:
            client.health()
        except ClientError as error:
            client.close()
            if error.status or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return client
    return None


async def _work_with_own_server(settings: Settings, work: Work[Result]) -> Result:
    from cinemill.client import Client
    from cinemill.local.instance import supervise

    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Instance] = loop.create_future()
    # The supervisor keeps the main thread, whose end triggers the children's parent-death signals;
    # the work gets a thread of its own.
    server = asyncio.create_task(supervise(settings, on_ready=ready.set_result))
    try:
        await _first_of(server, ready)
        with Client.from_home(settings.home) as client:
            done = _run_in_thread(loop, lambda: work(client))
            await _first_of(server, done)
            return done.result()
    finally:
        server.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({server})


async def _first_of(server: asyncio.Task[None], goal: asyncio.Future[Result]) -> None:
    """Wait for the goal. If the server ends first, raise its error, or Stopped."""
    both: set[asyncio.Future[Any]] = {server, goal}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not goal.done():
        server.result()
        raise Stopped


def _run_in_thread(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Result]
) -> asyncio.Future[Result]:
    """Run ``work`` in a daemon thread, so that stopping the server does not wait for requests."""
    future: asyncio.Future[Result] = loop.create_future()

    def deliver(
        set_outcome: Callable[[Result], None] | Callable[[BaseException], None], value: object
    ) -> None:
        with suppress(RuntimeError):  # The loop has closed and nothing waits for the result.
            loop.call_soon_threadsafe(lambda: future.done() or set_outcome(value))  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 – passed on, and raised in the event loop
            deliver(future.set_exception, error)
        else:
            deliver(future.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return future


def _is_process_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
