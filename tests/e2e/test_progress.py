"""The bar of a running job on the page: never back, and with a time left that means something."""

from __future__ import annotations

import json
import re

import psycopg
from playwright.sync_api import Page, expect

from cinemill.catalog import CATALOG
from cinemill.core.job import Progress
from cinemill.jobs.events import EventPublisher

from .conftest import Instance
from .test_many_tabs import WaitingJob, waiting_job

__all__ = ["waiting_job"]

WATCH_BAR = """
window.shown = [];
new MutationObserver(() => {
  const percent = document.querySelector("#task .bar")?.getAttribute("aria-valuenow");
  if (percent != null) window.shown.push(Number(percent));
}).observe(document, {
  subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuenow"],
});
"""


def settle(instance: Instance, job_id: str, progress: float) -> None:
    """Write what a worker would have noted."""
    with psycopg.connect(instance.database_url.replace("+psycopg", "")) as connection:
        connection.execute(
            "UPDATE job SET state = 'running', started_at = now(), progress = %s,"
            " message = 'Working', expected_end = now() + interval '200 s' WHERE id = %s",
            [progress, job_id],
        )


def publish(instance: Instance, job_id: str, *percentages: float) -> None:
    """Publish events as workers do that knew nothing of the row."""
    state = json.loads((instance.home / "run" / "state.json").read_text())
    sink = EventPublisher(state["redis_url"], catalog=CATALOG)
    try:
        for percent in percentages:
            assert sink.publish_now(
                Progress(job_id, "process_video", "running", percent, "Working", "prepare")
            )
    finally:
        sink.close()


def test_bar_begins_where_the_job_is_and_never_falls(
    page: Page, waiting_job: WaitingJob, instance: Instance
) -> None:
    """The stream begins with all that happened before: it is no progress of now."""
    page.goto("about:blank")
    publish(instance, waiting_job.id, 1, 20, 40)
    settle(instance, waiting_job.id, 62)
    page.add_init_script(WATCH_BAR)
    page.goto(waiting_job.page)
    numbers = page.locator("#task .numbers")
    expect(numbers).to_have_text(re.compile(r"^62% · about \d+ min( (15|30|45) s)? left$"))
    publish(instance, waiting_job.id, 61, 63.5)
    expect(numbers).to_contain_text("63%")
    shown = page.evaluate("window.shown")
    assert shown == sorted(shown)
    assert shown[0] >= 62
