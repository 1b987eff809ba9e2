"""Completion of what only a server or this home knows: jobs, videos, collections, models.

Whatever goes wrong, or takes longer than a person waits, completes nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence

from cinemill.core.job import JobState

LONGEST_SECONDS = 2.0
MOST_OFFERED = 50
_PLAIN = re.compile(r"[\w.@:+][\w.@:+-]*")
"""A word that no shell takes apart, and no command for an option."""
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\\$`\"'\[\]]")

Completion = tuple[str, str]
"""A value and what it stands for."""


def complete_jobs(*states: JobState) -> Callable[[str], list[Completion]]:
    """Return a completion of ids of jobs in these states (all by default)."""

    def complete(incomplete: str) -> list[Completion]:
        return find_quickly(lambda: _list_jobs(incomplete, states))

    return complete


def complete_videos(incomplete: str) -> list[Completion]:
    """Complete the id of a video, or its name."""
    return find_quickly(lambda: _list_videos(incomplete))


def complete_collections(incomplete: str) -> list[Completion]:
    """Complete the name of a collection."""

    def find() -> Iterable[Completion]:
        from cinemill.cli import connect

        with connect.connect() as client:
            for one in client.collections():
                if str(one["name"]).startswith(incomplete):
                    yield str(one["name"]), ""

    return find_quickly(find)


def complete_failures(incomplete: str) -> list[Completion]:
    """Complete the code of an error that jobs have failed with of late."""

    def find() -> Iterable[Completion]:
        from cinemill.cli import connect

        with connect.connect() as client:
            outcomes = client.stats().get("outcomes") or {}
        codes = dict.fromkeys(code for one in outcomes.values() for code in one["failures"])
        return [(code, "") for code in codes if code.startswith(incomplete)]

    return find_quickly(find)


def complete_models(incomplete: str) -> list[Completion]:
    """Complete the name of a model."""

    def find() -> Iterable[Completion]:
        from cinemill.cli import connect
        from cinemill.inference.models.cards import MODELS_FOLDER
        from cinemill.inference.models.catalog import list_cards

        for name, card in list_cards(connect.load_settings().home / MODELS_FOLDER).items():
            if name.startswith(incomplete):
                yield name, card.about

    return find_quickly(find)


def complete_dead(incomplete: str) -> list[Completion]:
    """Complete the id of a dead step."""

    def find() -> Iterable[Completion]:
        from cinemill.cli import connect

        with connect.connect() as client:
            for step in client.dead():
                if str(step["id"]).startswith(incomplete):
                    yield str(step["id"]), str(step.get("step_name", ""))

    return find_quickly(find)


def complete_messages(incomplete: str) -> list[Completion]:
    """Complete the id of a dead message."""

    def find() -> Iterable[Completion]:
        from cinemill.cli import connect

        with connect.connect() as client:
            for one in client.dead_messages(limit=MOST_OFFERED):
                if str(one["id"]).startswith(incomplete):
                    yield str(one["id"]), str(one.get("task") or "")

    return find_quickly(find)


def _list_jobs(incomplete: str, states: Sequence[JobState]) -> Iterable[Completion]:
    from cinemill.cli import connect
    from cinemill.cli.ids import shorten

    with connect.connect() as client:
        found = {
            str(job["id"]): job
            for state in states or (None,)
            for job in client.jobs(
                status=None if state is None else state.value,
                id_prefix=incomplete or None,
                limit=MOST_OFFERED,
            )
        }
    wanted = {state.value for state in states} or set(JobState)
    shown = [job for job in found.values() if job.get("status") in wanted]
    # Those of each state were the newest first.
    shown.sort(key=lambda job: str(job.get("queued_at", "")), reverse=True)
    ids = [shorten(str(job["id"])) for job in shown]
    for short, job in zip(ids, shown, strict=True):
        # Short ids where they are unique and were not yet typed on, as in lists.
        value = short if ids.count(short) == 1 and short.startswith(incomplete) else str(job["id"])
        about = f"{job.get('kind')} {job.get('filename', '')} {job.get('status')}"
        yield value, " ".join(about.split())


def _list_videos(incomplete: str) -> Iterable[Completion]:
    from cinemill.cli import connect
    from cinemill.cli.ids import shorten

    with connect.connect() as client:
        for video in client.assets(limit=500):
            name, short = str(video.get("filename", "")), shorten(str(video["id"]))
            if name.startswith(incomplete) and incomplete:
                yield name, short
            elif short.startswith(incomplete) or str(video["id"]).startswith(incomplete):
                yield (short if short.startswith(incomplete) else str(video["id"])), name


def find_quickly(find: Callable[[], Iterable[Completion]]) -> list[Completion]:
    """Return what was found; nothing where it fails or takes longer than a person waits.

    Shells put values into the line as they are, and zsh evaluates what stands for them. So a value
    that would be more than one word there is left out, and help has nothing that is evaluated.
    """
    found: list[Completion] = []

    def collect() -> None:
        try:
            found.extend(find())
        except Exception:  # noqa: BLE001 - an error in the middle of a line that is typed helps nobody
            return

    # A daemon, so that a server that does not answer does not keep the shell waiting.
    worker = threading.Thread(target=collect, daemon=True)
    worker.start()
    worker.join(LONGEST_SECONDS)
    plain = ((value, _NOT_PLAIN.sub("", about)) for value, about in found)
    return [one for one in plain if _PLAIN.fullmatch(one[0])][:MOST_OFFERED]
