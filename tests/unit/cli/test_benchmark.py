"""Benchmarks on a server: what is measured of its searches, and what is left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cinemill.capabilities.search.evaluation.metrics.records import AskedQuestion, Moment
from cinemill.cli.commands.evaluate.benchmark_run import (
    MOST_NARROWED,
    Library,
    measure_captions,
    measure_moments,
)
from cinemill.client import Client, ClientError

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, LittleServer

SEARCH, PICTURES = "POST /api/v1/search", "GET /api/v1/search/pictures"


def hit(asset: str, start: float = 0, end: float = 10) -> dict[str, Any]:
    return {"asset_id": asset, "start": start, "end": end}


def refuse(code: str, status: int) -> Answer:
    problem = {"code": code, "title": code, "detail": "No.", "status": status, "hint": ""}
    return lambda one: one.send_json(problem, status, "application/problem+json")


def ask(number: int, video: str) -> AskedQuestion:
    return AskedQuestion(str(number), f"caption {number}", video, (Moment(video, 0, 10_000),))


@pytest.fixture
def library(client: Client) -> Library:
    return Library(client, "benchmark msr-vtt", {"v1": "a", "v2": "b"}, has_pictures=True)


def test_videos_are_ranked_by_speech_and_by_pictures(
    server: LittleServer, library: Library
) -> None:
    server.on(
        SEARCH,
        lambda one: one.send_json({"hits": [hit("b"), hit("b", 20), hit("a")]}),
        # Nothing was found, and an order there is all the same; one video is not of the benchmark.
        lambda one: one.send_json({"hits": [], "nearest": [hit("other"), hit("b")]}),
    )
    server.on(PICTURES, lambda one: one.send_json({"moments": [hit("a")]}))
    report = measure_captions(library, [ask(1, "v1"), ask(2, "v2")]).groups
    assert report["search"]["recall_at_1"].value == 0.5
    assert report["search"]["median_rank"].value == 1.5
    assert report["pictures"]["recall_at_1"].value == 0.5
    body = json.loads(next(one.body for one in server.seen if one.method == "POST"))
    assert body["collection"] == ["benchmark msr-vtt"]
    assert body["asset"] == ["a", "b"]


def test_more_videos_than_fit_into_an_address_are_looked_for_in_their_collection(
    server: LittleServer, client: Client
) -> None:
    server.on(SEARCH, lambda one: one.send_json({"hits": [hit("a1")]}))
    assets = {f"v{number}": f"a{number}" for number in range(MOST_NARROWED + 1)}
    library = Library(client, "benchmark msr-vtt", assets, has_pictures=False)
    report = measure_captions(library, [ask(1, "v1"), ask(2, "v2")]).groups
    assert json.loads(server.seen[0].body)["asset"] == []
    assert report["search"]["recall_at_10"].value == 0.5


def test_without_a_model_that_understands_words_pictures_are_left_out(
    server: LittleServer, library: Library
) -> None:
    server.on(SEARCH, lambda one: one.send_json({"hits": [hit("a")]}))
    server.on(PICTURES, refuse("text_tower_missing", 503))
    report = measure_captions(library, [ask(1, "v1"), ask(2, "v1")]).groups
    assert set(report) == {"search"}
    assert library.pictures_missing == "text_tower_missing"
    assert sum("pictures" in one.path for one in server.seen) == 1


def test_moments_are_looked_for_in_their_video(server: LittleServer, library: Library) -> None:
    server.on(SEARCH, lambda one: one.send_json({"hits": [hit("a", 0, 9.5), hit("a", 50, 60)]}))
    server.on(PICTURES, lambda one: one.send_json({"moments": []}))
    report = measure_moments(library, [ask(1, "v1")]).groups
    assert report["search"]["recall_1_at_0.7"].value == 1
    assert report["pictures"]["map"].value == 0
    assert json.loads(server.seen[0].body)["asset"] == ["a"]


def test_query_that_cannot_be_searched_for_finds_nothing(
    server: LittleServer, library: Library
) -> None:
    server.on(SEARCH, refuse("query_empty", 422))
    server.on(PICTURES, refuse("query_invalid", 422))
    report = measure_captions(library, [ask(1, "v1")]).groups
    assert report["search"]["median_rank"].value == 2
    assert report["search"]["recall_at_5"].value == 0
    assert report["pictures"]["median_rank"].value == 2


def test_other_errors_end_the_run(server: LittleServer, library: Library) -> None:
    server.on(SEARCH, refuse("database_unavailable", 503))
    with pytest.raises(ClientError):
        measure_captions(library, [ask(1, "v1")])
