"""Requests as the server receives them, and errors as the caller sees them."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from cinemill.client import Client, ClientError

if TYPE_CHECKING:
    from tests.unit.conftest import Exchange, LittleServer

PROBLEM = {
    "type": "urn:cinemill:problem:not_found",
    "title": "Not found",
    "status": 404,
    "detail": "There is no job j1.",
    "code": "not_found",
    "hint": "Check the id.",
    "log_tail": "last words",
}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TestRequests:
    def test_carry_the_token_and_the_version(self, server: LittleServer, client: Client) -> None:
        server.on("GET /api/v1/stats", lambda x: x.send_json({"queue": {"total": 0}}))
        assert client.stats() == {"queue": {"total": 0}}
        headers = server.seen[0].headers
        assert headers["authorization"] == "Bearer the-token"
        assert headers["user-agent"].startswith("cinemill/")

    def test_send_only_the_filters_that_are_set(self, server: LittleServer, client: Client) -> None:
        server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [{"id": "j1"}], "next": None}))
        assert client.jobs(status="failed", limit=5) == [{"id": "j1"}]
        assert server.seen[0].path == "/api/v1/jobs?status=failed&limit=5"

    def test_lists_follow_pages_to_their_limit(self, server: LittleServer, client: Client) -> None:
        def send_page(x: Exchange) -> None:
            query = dict(parse_qsl(x.path.partition("?")[2]))
            begin = int(query.get("cursor", "0"))
            end = min(1_200, begin + int(query["limit"]))
            following = str(end) if end < 1_200 else None
            x.send_json(
                {"dead": [{"id": str(one)} for one in range(begin, end)], "next": following}
            )

        server.on("GET /api/v1/dead", send_page)
        assert [step["id"] for step in client.dead()] == [str(one) for one in range(1_200)]
        server.on(
            "GET /api/v1/assets", lambda x: x.send_json({"assets": [{"id": "a"}], "next": "b"})
        )
        assert len(client.assets(limit=3)) == 3
        queries = [one.path.partition("?")[2] for one in server.seen[-3:]]
        assert queries == ["limit=3", "limit=2&cursor=b", "limit=1&cursor=b"]

    def test_empty_page_ends_a_list(self, server: LittleServer, client: Client) -> None:
        server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [], "next": "again"}))
        assert client.jobs() == []

    def test_id_stays_one_segment_of_the_path(self, server: LittleServer, client: Client) -> None:
        server.on("POST /api/v1/jobs/..%2Fstats%3Fx/cancel", lambda x: x.send_json({"id": "j"}))
        client.cancel("../stats?x", "by mistake")
        assert json.loads(server.seen[0].body) == {"reason": "by mistake"}

    def test_empty_answer_is_none(self, server: LittleServer, client: Client) -> None:
        server.on("DELETE /api/v1/jobs/j1", lambda x: x.begin(204))
        client.delete("j1")
        assert server.seen[0].method == "DELETE"


class TestProblems:
    def test_problem_document_becomes_the_error(self, server: LittleServer, client: Client) -> None:
        server.on(
            "GET /api/v1/jobs/j1", lambda x: x.send_json(PROBLEM, 404, "application/problem+json")
        )
        with pytest.raises(ClientError) as caught:
            client.job("j1")
        error = caught.value
        assert (error.code, error.status) == ("not_found", 404)
        assert (error.message, error.hint) == ("There is no job j1.", "Check the id.")
        assert error.log_tail == "last words"

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"detail": 7}', b"\xff"])
    def test_any_other_body_still_is_an_error(
        self, server: LittleServer, client: Client, body: bytes
    ) -> None:
        def answer(x: Any) -> None:
            x.begin(502, Content_Length=len(body))
            x.wfile.write(body)

        server.on("GET /api/v1/health", answer)
        with pytest.raises(ClientError, match="502") as caught:
            client.health()
        assert caught.value.code == "http_502"

    def test_page_that_is_no_json_is_no_mill(self, server: LittleServer, client: Client) -> None:
        def answer(x: Any) -> None:
            x.begin(200, Content_Length=2)
            x.wfile.write(b"<>")

        server.on("GET /api/v1/health", answer)
        with pytest.raises(ClientError, match="is not a Cinemill server"):
            client.health()

    def test_nobody_there_says_how_to_start_one(self) -> None:
        client = Client(f"http://127.0.0.1:{closed_port()}")
        with client, pytest.raises(ClientError) as caught:
            client.health()
        assert (caught.value.code, caught.value.status) == ("mill_unreachable", 0)
        assert "cinemill up" in caught.value.hint

    @pytest.mark.parametrize("address", ["ftp://x", "localhost:8420", "http://", ""])
    def test_wrong_address_is_named(self, address: str) -> None:
        with pytest.raises(ClientError) as caught:
            Client(address)
        assert caught.value.code == "address_invalid"


class TestFromHome:
    def test_finds_the_running_mill_and_its_token(
        self, server: LittleServer, tmp_path: Path
    ) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "state.json").write_text(json.dumps({"pid": 1, "api_url": server.url}))
        (tmp_path / "token").write_text("secret\n")
        server.on("GET /api/v1/health", lambda x: x.send_json({}))
        with Client.from_home(tmp_path) as client:
            client.health()
        assert server.seen[0].headers["authorization"] == "Bearer secret"

    @pytest.mark.parametrize("state", [None, "", "{}", "[]", '{"api_url"'])
    def test_says_how_to_start_one_where_none_runs(self, tmp_path: Path, state: str | None) -> None:
        if state is not None:
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "state.json").write_text(state)
        with pytest.raises(ClientError) as caught:
            Client.from_home(tmp_path)
        assert caught.value.code == "mill_not_running"
        assert "cinemill up" in caught.value.hint

    def test_environment_may_name_another_machine(
        self, server: LittleServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMILL_URL", server.url + "/")
        monkeypatch.setenv("CINEMILL_TOKEN", "far")
        server.on("GET /api/v1/health", lambda x: x.send_json({}))
        with Client.from_home() as client:
            client.health()
        assert server.seen[0].headers["authorization"] == "Bearer far"
