"""Texts that PostgreSQL cannot store, from the Python client and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cinemill.client import Client, ClientError

from .conftest import FILM_HEAD, Cinemill, RunningApi

NUL = "a\x00b"
HALF = "a\udcff"
"""As Python reads an argument of the command line that is no UTF-8."""

Call = Callable[[Client, str], object]

CALLS: dict[str, Call] = {
    "an id in a path": lambda client, text: client.job(text),
    "a filter": lambda client, text: client.jobs(kind=text),
    "a cancel's reason": lambda client, text: client.cancel("x", text),
    "a kind of job": lambda client, text: client.create_job("x", text),
    "parameters": lambda client, text: client.submit("render_video", {"a": text}),
    "a member's name": lambda client, text: client.submit("render_video", {text: 1}),
    "a search": lambda client, text: client.search(text),
    "a list of a search": lambda client, text: client.search("sea", asset_ids=[text]),
    "a question": lambda client, text: client.ask(text),
    "an entity's name": lambda client, text: client.entities(text),
    "words for a picture": lambda client, text: client.search_pictures(text),
    "a review": lambda client, text: client.review(
        "x", action="accept", reviewer=text, reason="seen"
    ),
    "where a stream goes on": lambda client, text: next(client.watch("x", last_event_id=text)),
}


@pytest.mark.parametrize("text", [NUL, HALF])
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_client_says_what_is_wrong(client: Client, call: Call, text: str) -> None:
    with pytest.raises(ClientError) as refused:
        call(client, text)
    assert 400 <= refused.value.status < 500, refused.value


@pytest.mark.parametrize("text", [NUL, HALF, "schlüssel"])
def test_idempotency_key_that_no_header_can_hold(client: Client, tmp_path: Path, text: str) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(FILM_HEAD + b"key")
    with pytest.raises(ClientError) as refused:
        client.upload(film, idempotency_key=text)
    assert (refused.value.status, refused.value.code) == (422, "text_invalid")


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", HALF),
        ("jobs", "--kind", HALF),
        ("cancel", HALF),
        ("retry", HALF),
        ("search", HALF),
        ("ask", HALF),
        ("graph", HALF),
        ("watch", HALF),
    ],
    ids=lambda arguments: arguments[0],
)
def test_command_line_says_what_is_wrong(cinemill: Cinemill, arguments: tuple[str, ...]) -> None:
    result = cinemill(*arguments)
    assert result.exit_code == 4, (result.output, result.exception)
    assert "cannot be sent" in result.output


@pytest.mark.parametrize("arguments", [("jobs", "--asset", HALF), ("chapters", HALF)])
def test_no_video_has_such_a_name(cinemill: Cinemill, arguments: tuple[str, ...]) -> None:
    result = cinemill(*arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    assert "No video has the ID or the name" in result.output


def test_texts_of_a_form_are_refused(api: RunningApi) -> None:
    film = {"file": ("film.mkv", FILM_HEAD + b"form")}
    for field in ("kind", "collection", "params", "priority", "thumbnail_seconds"):
        answer = api.http.post("/api/v1/upload", data={field: NUL}, files=film)
        assert answer.status_code == 422, (field, answer.text)
    escaped = '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"\\ud800": 1}'
    for document in escaped:
        answer = api.http.post("/api/v1/upload", data={"params": document}, files=film)
        assert answer.status_code == 422, (document, answer.text)


@pytest.mark.parametrize("name", [b"a%00b.mkv", b"\xff\xfe.mkv", b"\xed\xa0\x80.mkv"])
def test_any_name_of_a_file_is_shown(api: RunningApi, name: bytes) -> None:
    disposition = b'Content-Disposition: form-data; name="file"; filename="' + name + b'"'
    body = b"--b\r\n" + disposition + b"\r\n\r\n" + FILM_HEAD + name + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = api.http.post("/api/v1/upload", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
