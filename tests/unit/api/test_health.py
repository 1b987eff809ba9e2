"""Who asks for the health, and what an examination that takes long does to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from cinemill.api import health
from cinemill.api.health import HealthChecker


@pytest.fixture
def desk() -> Iterator[HealthChecker]:
    desk = HealthChecker()
    yield desk
    desk.close()


class Examination:
    """Counts how often it is made; ``gate`` holds it up."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> dict[str, str]:
        self.count += 1
        count = self.count
        await self.gate.wait()
        return {"examination": str(count)}


def test_all_who_ask_at_the_same_moment_share_one_examination(desk: HealthChecker) -> None:
    async def ask() -> tuple[int, list[dict[str, str]]]:
        examination = Examination()
        found = await asyncio.gather(*(desk.ask(examination) for _ in range(20)))
        return examination.count, found

    assert asyncio.run(ask()) == (1, [{"examination": "1"}] * 20)


def test_each_who_asks_later_gets_an_examination_of_its_own(desk: HealthChecker) -> None:
    async def ask() -> list[dict[str, str]]:
        examination = Examination()
        return [await desk.ask(examination) for _ in range(3)]

    assert asyncio.run(ask()) == [{"examination": str(count)} for count in (1, 2, 3)]


def test_recent_findings_stand_in_for_an_examination_that_takes_long(desk: HealthChecker) -> None:
    async def ask() -> list[dict[str, str]]:
        examination = Examination()
        first = await desk.ask(examination)
        examination.gate.clear()
        meanwhile = await desk.ask(examination)
        examination.gate.set()
        return [first, meanwhile, await desk.ask(examination)]

    assert [found["examination"] for found in asyncio.run(ask())] == ["1", "1", "2"]


def test_old_findings_do_not_stand_in(desk: HealthChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RECENT_SECONDS", 0.0)

    async def ask() -> dict[str, str]:
        examination = Examination()
        await desk.ask(examination)
        examination.gate.clear()
        asyncio.get_running_loop().call_later(3 * health.SOON_SECONDS, examination.gate.set)
        return await desk.ask(examination)

    assert asyncio.run(ask()) == {"examination": "2"}


async def ask_part(desk: HealthChecker, part: str, work: Callable[[], str], seconds: float) -> str:
    deadline = asyncio.get_running_loop().time() + seconds
    return await desk.run(part, work, otherwise="unknown", deadline=deadline)


def test_part_that_hangs_is_asked_once_and_holds_up_nobody(desk: HealthChecker) -> None:
    gate, asked = threading.Event(), []

    def hang() -> str:
        asked.append("database")
        gate.wait()
        return "ok"

    async def ask() -> list[str]:
        first = await ask_part(desk, "database", hang, 0.1)
        # Without a deadline that could end them: they have to be answered at once.
        later = [await ask_part(desk, "database", hang, 600.0) for _ in range(5)]
        other = await ask_part(desk, "hardware", lambda: "none", 600.0)
        gate.set()
        return [first, *later, other]

    assert asyncio.run(ask()) == ["unknown"] * 6 + ["none"]
    assert asked == ["database"]


def test_part_that_hung_is_asked_again_when_it_has_answered(desk: HealthChecker) -> None:
    gate, ended = threading.Event(), threading.Event()

    def hang() -> str:
        gate.wait()
        ended.set()
        return "late"

    async def ask() -> str:
        await ask_part(desk, "database", hang, 0.01)
        gate.set()
        ended.wait()
        found = "unknown"
        while found == "unknown":
            await asyncio.sleep(0.01)
            found = await ask_part(desk, "database", lambda: "ok", 600.0)
        return found

    assert asyncio.run(ask()) == "ok"
