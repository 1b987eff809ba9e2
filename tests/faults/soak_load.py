"""Steady mixed load on an instance: uploads, jobs, events, searches, cancels, deletions.

What was made is removed again, so that what grows is not the library.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from cinemill.client import Client
from cinemill.client.errors import ClientError
from cinemill.steps.batch import name_children

KEPT_JOBS = 40
"""Older ones are deleted, as an operator's retention would."""
EVENTS_SECONDS = 5.0
SMALL_KINDS = ("get_queue_stats", "health_check", "monitor_resources")
QUERIES = ("a red car in the rain", "what was said about prices", "Film 3")


@dataclass
class Load:
    """Threads that use an instance as people and programs do, until ``stop`` is called."""

    home: Path
    films: list[Path]
    random: Random
    pause_seconds: float = 0.2
    counts: Counter[str] = field(default_factory=Counter)
    """What was done, and the errors by their codes."""
    _jobs: deque[str] = field(default_factory=deque)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        for number, act in enumerate(
            (self._upload, self._submit, self._follow, self._look, self._cancel)
        ):
            thread = threading.Thread(
                target=self._repeat, args=(act, Random(number)), name=act.__name__, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60.0)

    def _repeat(self, act: Callable[[Client, Random], str], random: Random) -> None:
        client = Client.from_home(self.home)
        try:
            while not self._stopping.wait(self.pause_seconds * (0.5 + random.random())):
                try:
                    self._count(act(client, random))
                except ClientError as error:
                    self._count(f"error {error.code}")
        finally:
            client.close()

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _keep(self, client: Client, job_id: str) -> None:
        with self._lock:
            self._jobs.append(job_id)
            old = self._jobs.popleft() if len(self._jobs) > KEPT_JOBS else None
        if old is not None:
            with suppress(ClientError):  # it may have been deleted with its video
                client.delete(old)
                self._count("deleted")

    def _draw_job(self, random: Random) -> str | None:
        with self._lock:
            return random.choice(self._jobs) if self._jobs else None

    def _upload(self, client: Client, random: Random) -> str:
        """Upload one of a few videos again: its bytes are known, so that no file is added."""
        job = client.upload(random.choice(self.films), thumbnail_seconds=0.5)
        self._keep(client, str(job["id"]))
        self._stopping.wait(5 * self.pause_seconds)
        return "uploaded"

    def _submit(self, client: Client, random: Random) -> str:
        job = client.submit(random.choice(SMALL_KINDS), {})
        self._keep(client, str(job["id"]))
        return "submitted"

    def _follow(self, client: Client, random: Random) -> str:
        job_id = self._draw_job(random)
        if job_id is None:
            return "nothing to follow"
        until = time.monotonic() + EVENTS_SECONDS
        try:
            for event in client.watch(job_id):
                if event.is_final or time.monotonic() > until:
                    break
        except ClientError as error:
            if error.code != "job_not_found":  # another thread has just deleted it
                raise
        return "followed"

    def _look(self, client: Client, random: Random) -> str:
        client.jobs(limit=20)
        client.health()
        client.stats()
        client.search(random.choice(QUERIES))
        return "looked"

    def _cancel(self, client: Client, random: Random) -> str:
        """Cancel one ingestion and one batch, at a random moment."""
        path = str(random.choice(self.films))
        job = client.submit("batch_process_videos", {"assets": [path]})
        self._stopping.wait(random.random())
        client.cancel(str(job["id"]), "the soak cancels it")
        self._keep(client, str(job["id"]))
        for child in name_children(str(job["id"]), 1):
            self._keep(client, child)
        self._stopping.wait(10 * self.pause_seconds)
        return "cancelled"
