"""A Qdrant server that does not respond, refuses, or replies with something else."""

from __future__ import annotations

import json
import sys

import pytest
from pydantic import SecretStr
from tests.qdrant_servers import open_closed, run_double, run_silent
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.errors import ToolMissing
from cinemill.storage.projection import server
from cinemill.storage.projection.server import (
    CollectionMissing,
    Near,
    QdrantServer,
    QdrantUnavailable,
    open_server,
)

ANN = SearchScope("ann")
KEY = SecretStr("correct horse")
PASSAGE = "0d1c4a52-7d0b-4b0e-9f5a-6a8f0a5b1c2d"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer to reply than a person waits."""
    monkeypatch.setattr(server, "SEARCH_SECONDS", int(PATIENCE_SECONDS))


def open_at(url: str) -> QdrantServer:
    opened = open_server(url, KEY)
    assert opened is not None
    return opened


def find(opened: QdrantServer) -> list[Near]:
    return opened.find_nearest("films", [0.5, 0.5], ANN, SearchFilters(), limit=3)


def write_points(*ids: object) -> bytes:
    points = [{"id": one, "version": 1, "score": 0.5} for one in ids]
    return json.dumps({"result": {"points": points}, "status": "ok", "time": 0.0}).encode()


def test_search_carries_the_owner_the_key_and_the_path_of_a_proxy() -> None:
    with run_double(lambda _: (200, write_points(PASSAGE))) as double:
        assert find(open_at(f"{double.url}/qdrant/")) == [Near(PASSAGE, 0.5)]
    (asked,) = double.requests
    assert (asked.method, asked.key) == ("POST", "correct horse")
    assert asked.path.startswith("/qdrant/collections/films/points/query")
    assert {"key": "owner", "match": {"any": ["ann"]}} in asked.body["filter"]["must"]


def test_nothing_is_set_up_without_an_address() -> None:
    assert open_server(None, KEY) is None


def test_address_where_nobody_listens_is_unavailable() -> None:
    with open_closed() as opened:
        with pytest.raises(QdrantUnavailable, match="refused") as refused:
            opened.check()
        assert "CINEMILL_QDRANT_URL" in refused.value.hint
        with pytest.raises(QdrantUnavailable, match="refused"):
            find(opened)


def test_silent_server_is_given_up_and_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "SEARCH_SECONDS", 1)
    with run_silent() as (url, listening):
        opened = open_at(url)
        with pytest.raises(QdrantUnavailable):
            find(opened)
        listening.accept()[0].close()
        with pytest.raises(QdrantUnavailable, match="a moment ago"):
            find(opened)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_server_is_asked_again_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REST_SECONDS", 0.0)
    answers = iter([(500, b"{}"), (200, write_points(PASSAGE))])
    with run_double(lambda _: next(answers)) as double:
        opened = open_at(double.url)
        with pytest.raises(QdrantUnavailable):
            find(opened)
        assert find(opened) == [Near(PASSAGE, 0.5)]


def test_server_without_this_collection_is_asked_for_the_next_one_at_once() -> None:
    answers = iter([(404, b"{}"), (200, write_points(PASSAGE))])
    with run_double(lambda _: next(answers)) as double:
        opened = open_at(double.url)
        with pytest.raises(CollectionMissing):
            find(opened)
        assert find(opened) == [Near(PASSAGE, 0.5)]


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (401, b"Invalid API key", r"401 .*Invalid API key"),
        (404, b'{"status": {"error": "Not found: Collection `films`"}, "time": 0}', r"404 .*films"),
        (429, b"{}", r"429 "),
        (500, b"\xff\x00" * 50_000, r"500 "),
        (200, b"<html>a proxy's page</html>", r"Expecting value: line 1"),
        (200, b"[]", r"valid dictionary"),
        (200, b'{"result": {"points": [{"id": {}, "score": "high"}]}}', r"points\.0\.id"),
        (200, write_points("films-7"), r"UUID"),
        (200, write_points(7), r"UUID"),
        (200, b'{"result": null}', r"returned None"),
    ],
    ids=["key", "collection", "busy", "bytes", "page", "list", "shape", "id", "number", "null"],
)
def test_other_replies_are_refused(status: int, content: bytes, why: str) -> None:
    with (
        run_double(lambda _: (status, content)) as double,
        pytest.raises(QdrantUnavailable, match=why) as refused,
    ):
        find(open_at(double.url))
    assert len(refused.value.message) < 500


def test_missing_client_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "qdrant_client":
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ToolMissing, match="not installed") as missing:
        open_at("http://127.0.0.1:1").check()
    assert "cinemill[qdrant]" in missing.value.hint
