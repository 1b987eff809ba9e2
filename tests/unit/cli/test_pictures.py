"""Searches by pictures on the command line: what they are given, and what they send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
import typer

from cinemill.cli.commands.search.pictures import Place, parse_place

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

MOMENT = {
    "asset_id": "a1",
    "start": 5.0,
    "end": 10.0,
    "picture_time": 6.0,
    "picture_url": "/api/v1/assets/a1/files/keyframe?variant=000006000",
    "score": 0.987,
    "passage_id": "p",
}


def serve_videos(server: LittleServer) -> None:
    found = [{"id": "a1", "filename": "film.mp4"}, {"id": "a/b", "filename": "other.mp4"}]
    server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": found}))


def read_query(server: LittleServer, path: str) -> list[tuple[str, str]]:
    (sent,) = (one.path for one in server.seen if urlsplit(one.path).path.endswith(path))
    return parse_qsl(urlsplit(sent).query)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("film@12.5", Place("film", 12.5)),
        ("film@0", Place("film", 0)),
        ("film@01:05", Place("film", 65)),
        ("film@1:00:02.5", Place("film", 3602.5)),
        ("ann@home@7", Place("ann@home", 7)),
    ],
)
def test_place_is_an_asset_and_a_time(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["film", "film@", "@5", "film@soon", "film@-1", "film@nan", "film@inf", "film@1:60"]
)
def test_text_without_an_asset_or_a_time_is_no_place(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="and a time"):
        parse_place(text)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("roses", "--like", "film@1"),
        ("roses", "--picture", "a.jpg"),
        ("--picture", "a.jpg", "--like", "film@1"),
        ("--like", "film"),
    ],
)
def test_search_has_exactly_one_subject(cinemill: Run, arguments: tuple[str, ...]) -> None:
    refused = cinemill("search", *arguments)
    assert refused.exit_code == 2
    assert "--like" in refused.output or "ID@12.5" in refused.output


def test_moments_that_look_alike_are_not_narrowed_to_a_speaker(cinemill: Run) -> None:
    refused = cinemill("search", "--like", "film@1", "--speaker", "Ann")
    assert refused.exit_code == 2
    assert "pictures have no speaker" in refused.output


def test_speakers_are_sent(cinemill: Run, fake_server: LittleServer) -> None:
    fake_server.on("POST /api/v1/search", lambda x: x.send_json({"hits": []}))
    shown = cinemill("search", "roses", "--speaker", "Ann", "--speaker", "Bob")
    assert shown.exit_code == 0, shown.output
    assert json.loads(fake_server.seen[0].body)["speaker"] == ["Ann", "Bob"]


def test_picture_is_sent_and_moments_are_shown(
    cinemill: Run, fake_server: LittleServer, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"\xff\xd8\xff of a picture")
    serve_videos(fake_server)
    fake_server.on("POST /api/v1/search/pictures", lambda x: x.send_json({"moments": [MOMENT]}))
    fake_server.on("GET /api/v1/assets/a1", lambda x: x.send_json({"filename": "film.mp4"}))
    arguments = ("--picture", picture, "--limit", 3, "--asset", "a1", "--collection", "news")
    shown = cinemill("search", *arguments)
    assert shown.exit_code == 0, shown.output
    assert "00:00:05-00:00:10" in shown.stdout
    assert "film.mp4" in shown.stdout
    assert "0.99" in shown.stdout
    assert picture.read_bytes() in [one.body for one in fake_server.seen]
    query = read_query(fake_server, "/search/pictures")
    assert query == [("limit", "3"), ("asset", "a1"), ("collection", "news")]


def test_moments_like_another_are_printed_as_json(cinemill: Run, fake_server: LittleServer) -> None:
    serve_videos(fake_server)
    fake_server.on("GET /api/v1/assets/a%2Fb/similar", lambda x: x.send_json({"moments": [MOMENT]}))
    shown = cinemill("search", "--like", "a/b@01:05", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == {"moments": [MOMENT]}
    query = dict(read_query(fake_server, "/similar"))
    assert query == {"time": "65.0", "by": "picture", "limit": "10"}


def test_nothing_found_is_said(cinemill: Run, fake_server: LittleServer) -> None:
    serve_videos(fake_server)
    fake_server.on("GET /api/v1/assets/a1/similar", lambda x: x.send_json({"moments": []}))
    shown = cinemill("search", "--like", "a1@1")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "Nothing found." in shown.stderr


def test_missing_picture_is_an_error(
    cinemill: Run, fake_server: LittleServer, tmp_path: Path
) -> None:
    refused = cinemill("search", "--picture", tmp_path / "none.jpg", "--json")
    assert json.loads(refused.stderr)["error"]["code"] == "file_unusable"
    assert not fake_server.seen
