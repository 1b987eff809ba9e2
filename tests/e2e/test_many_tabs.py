"""Browsers open six connections to a host for all their tabs; event streams leave most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect
from tests.waiting import wait_until

from cinemill.jobs.dispatch import PLANNING_LOCK

from .conftest import Instance, make_own_film
from .test_page import upload, wait_until_done

TABS = 8
PLACES = 2


@dataclass(frozen=True)
class WaitingJob:
    """A job that stays in the queue until it is released."""

    page: str
    """The address of its page."""
    id: str
    release: Callable[[], None]


@pytest.fixture
def waiting_job(page: Page, instance: Instance, tmp_path: Path) -> Iterator[WaitingJob]:
    film = make_own_film(tmp_path / "waiting.mp4", seconds=1, size=(320, 180))
    with psycopg.connect(instance.database_url.replace("+psycopg", "")) as planner:
        # Whoever holds it chooses which runs are published next: nobody else does meanwhile.
        planner.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNING_LOCK])
        upload(page, film)
        expect(page.locator("#task .bar")).to_be_visible()
        job_id = page.url.partition("#task=")[2]
        yield WaitingJob(page.url, job_id, planner.rollback)
    page.request.post(f"{instance.address}/api/v1/jobs/{job_id}/cancel", data={})


def watch_streams(context: BrowserContext) -> list[Request]:
    """Return the event streams that are open in all tabs; the list changes with them."""
    streams: list[Request] = []

    def note(request: Request) -> None:
        if request.resource_type == "eventsource":
            streams.append(request)

    def forget(request: Request) -> None:
        if request in streams:
            streams.remove(request)

    context.on("request", note)
    context.on("requestfinished", forget)
    context.on("requestfailed", forget)
    return streams


def open_tab(context: BrowserContext, address: str) -> Page:
    tab = context.new_page()
    tab.goto(address)
    expect(tab.locator("#task .bar")).to_be_visible()
    return tab


def test_page_loads_while_many_tabs_follow_a_job(page: Page, waiting_job: WaitingJob) -> None:
    page.goto("about:blank")
    streams = watch_streams(page.context)
    tabs = [open_tab(page.context, waiting_job.page) for _ in range(TABS)]
    assert len(streams) == PLACES
    waiting_job.release()
    # With a stream or without: each learns how it ended.
    for tab in tabs:
        wait_until_done(tab, "waiting.mp4")


def test_another_tab_takes_the_stream_of_a_closed_one(page: Page, waiting_job: WaitingJob) -> None:
    page.goto("about:blank")
    streams = watch_streams(page.context)
    tabs = [open_tab(page.context, waiting_job.page) for _ in range(PLACES + 1)]
    assert {stream.frame.page for stream in streams} == set(tabs[:-1])
    with page.context.expect_event("request", lambda one: one.resource_type == "eventsource"):
        tabs[0].close()
    assert streams[-1].frame.page == tabs[-1]


def test_a_server_that_does_not_answer_is_asked_once(page: Page, waiting_job: WaitingJob) -> None:
    """Over plain HTTP from another machine there are no locks, and so every tab asks."""
    asked: list[Route] = []
    page.goto("about:blank")
    page.clock.install()
    page.add_init_script("delete Navigator.prototype.locks")
    page.goto(waiting_job.page.partition("#")[0])
    page.route("**/status", lambda route: asked.append(route))  # whoever asks is left waiting
    page.evaluate(
        """async (jobId) => {
          const { watchJob } = await import("/static/watch.js");
          watchJob(jobId, { onProgress() {}, onLost() {}, onRefused() {} });
        }""",
        waiting_job.id,
    )
    wait_until(lambda: page.evaluate("true") and len(asked) == 1)
    page.clock.run_for(20_000)
    page.evaluate("fetch('/health')")  # whatever was asked before is on its way by now
    assert len(asked) == 1
    page.clock.run_for(20_000)
    wait_until(lambda: page.evaluate("true") and len(asked) == 2)
    # None is left waiting: asyncio would log it as an error in a later test.
    for route in asked:
        route.abort()
    page.unroute_all()


def test_many_jobs_of_one_tab_share_its_streams(page: Page, waiting_job: WaitingJob) -> None:
    page.goto("about:blank")
    streams = watch_streams(page.context)
    page.goto(waiting_job.page.partition("#")[0])
    page.evaluate(
        """async (jobId) => {
          const { watchJob } = await import("/static/watch.js");
          window.seen = Array(12).fill(0);
          seen.forEach((_, at) => watchJob(jobId, {
            onProgress: () => { seen[at] += 1; }, onLost() {}, onRefused() {},
          }));
        }""",
        waiting_job.id,
    )
    wait_until(lambda: page.evaluate("seen.every((count) => count >= 2)"))
    assert len(streams) == PLACES
