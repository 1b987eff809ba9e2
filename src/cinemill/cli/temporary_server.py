"""A mill for the time of one command, where none runs on this home."""

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
"""How long a mill that is starting is waited for."""


class Stopped(Exception):
    """The mill was told to stop before the work was done."""


def run_with_server(
    settings: Settings, work: Work[Result], *, on_start: Callable[[], None]
) -> Result:
    """Work with the mill that runs, or start one and stop it after.

    ``on_start`` is called before one is started. Raises Stopped when a signal came in between.
    """
    mill = find_running_mill(settings)
    if mill is not None:
        with mill:
            return work(mill)
    from cinemill.cli.supervisor_log import log_to_file

    on_start()
    log_to_file(settings)
    return asyncio.run(_work_with_own_server(settings, work))


def find_running_mill(settings: Settings) -> Client | None:
    """The mill of CINEMILL_URL or of this home; one that is starting is waited for."""
    from cinemill.client import Client, ClientError
    from cinemill.config.running import read_state

    if os.environ.get("CINEMILL_URL"):
        return Client.from_home()
    deadline = time.monotonic() + START_SECONDS
    while _process_lives(read_state(settings.home).get("pid", "")):
        mill = Client.from_home(settings.home)
        try:
            mill.health()
        except ClientError as error:
            mill.close()
            if error.status or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return mill
    return None


async def _work_with_own_server(settings: Settings, work: Work[Result]) -> Result:
    from cinemill.client import Client
    from cinemill.local.instance import supervise

    loop = asyncio.get_running_loop()
    ready: asyncio.Future[Instance] = loop.create_future()
    # The supervisor keeps the main thread, which death signals follow; the work gets its own.
    mill = asyncio.create_task(supervise(settings, on_ready=ready.set_result))
    try:
        await _first_of(mill, ready)
        with Client.from_home(settings.home) as client:
            done = _run_aside(loop, lambda: work(client))
            await _first_of(mill, done)
            return done.result()
    finally:
        mill.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({mill})


async def _first_of(mill: asyncio.Task[None], goal: asyncio.Future[Result]) -> None:
    """Wait for the goal. A mill that ends before raises what ended it, or Stopped."""
    both: set[asyncio.Future[Any]] = {mill, goal}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not goal.done():
        mill.result()
        raise Stopped


def _run_aside(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Result]
) -> asyncio.Future[Result]:
    """In a daemon thread: when the mill is told to stop, nobody waits for its requests."""
    future: asyncio.Future[Result] = loop.create_future()

    def on_progress(
        settle: Callable[[Result], None] | Callable[[BaseException], None], value: object
    ) -> None:
        with suppress(RuntimeError):  # The loop has closed: nobody listens any more.
            loop.call_soon_threadsafe(lambda: future.done() or settle(value))  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 – handed over, and raised there
            on_progress(future.set_exception, error)
        else:
            on_progress(future.set_result, result)

    threading.Thread(target=run, daemon=True).start()
    return future


def _process_lives(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
