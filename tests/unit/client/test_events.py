"""Following a job: every event once, to the end, whatever happens to the connection."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.client import Client, ClientError
from cinemill.client.connection import Connection
from cinemill.client.events import EventFollower
from cinemill.client.sse import MAX_EVENT_CHARACTERS, EventDecoder, EventTooLarge, ServerEvent

if TYPE_CHECKING:
    from tests.unit.conftest import LittleServer

EVENTS = "GET /api/v1/jobs/j1/events"
STATUS = "GET /api/v1/jobs/j1/status"


def event(event_id: str, progress: float, status: str = "running") -> str:
    data = json.dumps({"task_id": "j1", "status": status, "progress": progress, "message": "m"})
    return f"id: {event_id}\nevent: progress\ndata: {data}\n\n"


def numbers(client: Client) -> list[tuple[str, float]]:
    return [(e.id, e.progress) for e in client.watch("j1")]


class TestWatching:
    def test_ends_with_the_final_event(self, server: LittleServer, client: Client) -> None:
        server.on(
            EVENTS,
            lambda x: x.send_events(
                event("1-0", 5), ": still here\n\n", event("2-0", 100, "completed")
            ),
        )
        assert numbers(client) == [("1-0", 5), ("2-0", 100)]

    def test_resumes_after_the_last_event_seen(self, server: LittleServer, client: Client) -> None:
        server.on(
            EVENTS,
            lambda x: x.send_events(event("1-0", 5), event("2-0", 10)[:20], break_off=True),
            lambda x: x.send_events(event("2-0", 10), event("3-0", 100, "failed")),
        )
        assert numbers(client) == [("1-0", 5), ("2-0", 10), ("3-0", 100)]
        assert "last-event-id" not in server.seen[0].headers
        assert server.seen[1].headers["last-event-id"] == "1-0"

    def test_event_sent_again_is_given_once(self, server: LittleServer, client: Client) -> None:
        server.on(
            EVENTS,
            lambda x: x.send_events(event("1-0", 5), break_off=True),
            lambda x: x.send_events(event("1-0", 5), event("2-0", 100, "cancelled")),
        )
        assert numbers(client) == [("1-0", 5), ("2-0", 100)]

    def test_mill_that_restarts_is_waited_for(self, server: LittleServer, client: Client) -> None:
        server.on(
            EVENTS,
            lambda x: x.send_json({"code": "redis_unavailable"}, 503),
            lambda x: x.send_json({"code": "redis_unavailable"}, 503),
            lambda x: x.send_events(event("1-0", 100, "completed")),
        )
        assert numbers(client) == [("1-0", 100)]

    def test_end_without_a_final_event_is_looked_up(
        self, server: LittleServer, client: Client
    ) -> None:
        server.on(EVENTS, lambda x: x.send_events(event("1-0", 5)))
        server.on(
            STATUS,
            lambda x: x.send_json({"status": "running", "progress": 6}),
            lambda x: x.send_json({"status": "completed", "progress": 100, "message": "Done"}),
        )
        seen = list(client.watch("j1"))
        assert [(e.id, e.status) for e in seen] == [("1-0", "running"), ("", "completed")]

    def test_refusal_ends_it(self, server: LittleServer, client: Client) -> None:
        server.on(EVENTS, lambda x: x.send_json({"code": "not_found", "detail": "No."}, 404))
        with pytest.raises(ClientError) as caught:
            list(client.watch("j1"))
        assert caught.value.code == "not_found"
        assert len(server.seen) == 1

    def test_mill_that_stays_away_is_given_up(self) -> None:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            time.sleep(0.05)

        connection = Connection("http://127.0.0.1:1", None)
        watch = EventFollower(connection, "j1", give_up_seconds=2, sleep=pause)
        with pytest.raises(ClientError) as caught:
            list(watch.events())
        assert caught.value.code == "mill_unreachable"
        assert 2 < len(pauses) <= 2 / 0.05 + 1
        assert pauses[0] < 0.21
        assert max(pauses) <= 5

    def test_silent_connection_is_replaced(self, server: LittleServer) -> None:
        def hang(x: object) -> None:
            time.sleep(0.5)

        server.on(EVENTS, hang, lambda x: x.send_events(event("1-0", 100, "completed")))
        watch = EventFollower(Connection(server.url, None), "j1", silence_seconds=0.1)
        assert [e.id for e in watch.events()] == ["1-0"]

    def test_other_sorts_of_events_are_passed_over(
        self, server: LittleServer, client: Client
    ) -> None:
        noise = "data: hello\n\nevent: x\ndata: [1]\n\n"
        server.on(EVENTS, lambda x: x.send_events(noise, event("1-0", 100, "completed")))
        assert numbers(client) == [("1-0", 100)]

    def test_oversized_event_ends_watching_without_a_retry(
        self, server: LittleServer, client: Client
    ) -> None:
        server.on(EVENTS, lambda x: x.send_events("data: " + "x" * (MAX_EVENT_CHARACTERS + 100)))
        with pytest.raises(ClientError) as caught:
            numbers(client)
        assert caught.value.code == "event_too_large"
        assert len(server.seen) == 1


def decode(pieces: list[bytes]) -> list[ServerEvent]:
    decoder = EventDecoder()
    return [found for piece in pieces for found in decoder.feed(piece)]


class TestEventDecoder:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_reads_fields_with_any_line_ending(self, end: str) -> None:
        text = end.join(["event: e", "id: 7", "data: a", "data:b", ": comment", "", "x"])
        assert decode([text.encode()]) == [ServerEvent("e", "a\nb", "7")]

    def test_event_that_is_not_ended_is_not_given(self) -> None:
        assert decode([b"data: a\n"]) == []

    @pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_529 + b"\n"])
    def test_unending_line_or_event_is_rejected(self, piece: bytes) -> None:
        with pytest.raises(EventTooLarge):
            decode([piece] * 20)

    def test_size_limit_counts_each_event_by_itself(self) -> None:
        event = b"data: " + b"x" * 65_000 + b"\n\n"
        assert len(decode([event] * 40)) == 40

    def test_id_holds_for_the_events_after_it(self) -> None:
        assert decode([b"id: 1\ndata: a\n\ndata: b\n\n"])[1].id == "1"

    def test_id_with_a_nul_is_ignored(self) -> None:
        assert decode([b"id: a\0b\ndata: x\n\n"])[0].id == ""

    def test_servers_wish_for_a_pause_is_kept(self) -> None:
        decoder = EventDecoder()
        list(decoder.feed(b"retry: 1500\nretry: soon\n\n"))
        assert decoder.retry_seconds == 1.5

    @given(
        st.lists(
            st.sampled_from(["data: ä🎬", "id: 1", "event: e", "", "\r", ": c", "data", "x: y"])
        ),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.lists(st.integers(0, 200)),
    )
    def test_where_the_bytes_are_cut_does_not_matter(
        self, lines: list[str], end: str, cuts: list[int]
    ) -> None:
        # A last line feed, so that no carriage return waits for one.
        stream = (end.join(lines) + end + "\n").encode()
        places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        pieces = [stream[a:b] for a, b in pairwise(places)]
        assert decode(pieces) == decode([stream])
