"""Following a job to its end over a connection that may break at any point."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from cinemill.client.connection import API, Connection
from cinemill.client.errors import LASTING_CODES, ClientError
from cinemill.client.models import ProgressEvent
from cinemill.client.sse import EventDecoder, EventTooLarge, ServerEvent

SILENCE_SECONDS = 45.0
"""Without even a keep-alive for so long, the connection counts as broken."""
GIVE_UP_SECONDS = 120.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0


@dataclass
class EventFollower:
    """The state of following one job: where to resume, and how long to keep trying."""

    connection: Connection
    job_id: str
    last_id: str = ""
    give_up_seconds: float = GIVE_UP_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    _wait_seconds: float = FIRST_WAIT_SECONDS
    _received_at: float = field(default_factory=time.monotonic)

    def events(self) -> Iterator[ProgressEvent]:
        """Yield each event once, in order; the last is final.

        Raises:
            ClientError: for an error that no retry fixes, or no response for ``give_up_seconds``.
        """
        while True:
            try:
                for event in self._one_connection():
                    yield event
                    if event.is_final:
                        return
                ended = self._ask_whether_ended()
            except EventTooLarge as problem:
                raise _too_large(self.connection.base_url) from problem
            except ClientError as problem:
                self._classify(problem)
                ended = None
            if ended is not None:
                yield ended
                return
            self._backoff()

    def _one_connection(self) -> Iterator[ProgressEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        timeout = httpx.Timeout(self.silence_seconds, connect=5)
        path = f"{API}/jobs/{self.job_id}/events"
        with self.connection.stream("GET", path, headers=headers, timeout=timeout) as response:
            decoder = EventDecoder(last_id=self.last_id)
            for piece in response.iter_bytes():
                for event in decoder.feed(piece):
                    yield from self._accept(event)
                self._on_event(decoder.retry_seconds)

    def _accept(self, event: ServerEvent) -> Iterator[ProgressEvent]:
        """Yield the event as progress; nothing if it is a duplicate or of another type."""
        if event.id and event.id == self.last_id:
            return
        document = _parse(event.data)
        if document is None:
            return
        self.last_id = event.id
        yield ProgressEvent.from_json(event.id, document)

    def _ask_whether_ended(self) -> ProgressEvent | None:
        """Return the final event where the stream was closed because the job has ended."""
        status = self.connection.call("GET", f"{API}/jobs/{self.job_id}/status")
        event = ProgressEvent.from_json("", status)
        return event if event.is_final else None

    def _on_event(self, retry_seconds: float | None) -> None:
        self._received_at = time.monotonic()
        self._wait_seconds = FIRST_WAIT_SECONDS if retry_seconds is None else retry_seconds

    def _classify(self, problem: ClientError) -> None:
        """Raise an error that waiting does not fix."""
        is_lasting = 0 < problem.status < 500 and problem.status not in (408, 425, 429)
        is_lasting = is_lasting or problem.code in LASTING_CODES
        if is_lasting or time.monotonic() - self._received_at > self.give_up_seconds:
            raise problem

    def _backoff(self) -> None:
        # Jitter: not all clients of a restarted server reconnect at the same moment.
        self.sleep(self._wait_seconds * random.uniform(0.5, 1))  # noqa: S311
        self._wait_seconds = min(LONGEST_WAIT_SECONDS, self._wait_seconds * 2)


def _too_large(base_url: str) -> ClientError:
    return ClientError(
        f"The server at {base_url} sent a progress event of more than 1 MiB.",
        code="event_too_large",
        hint="Check the address in CINEMILL_URL; it may not be a Cinemill server.",
    )


def _parse(data: str) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "status" in document else None
