"""``POST /upload``: what comes in whole is stored once; all else leaves nothing."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.waiting import PATIENCE_SECONDS

from .conftest import FILM_HEAD, RunningApi, StartApi, wait_for

BOUNDARY = "film-boundary"
PART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="film.mkv"\r\n\r\n'
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


def open_upload(api: RunningApi, content_length: int) -> socket.socket:
    """A connection with the request's head sent, as a client does that then sends slowly."""
    connection = socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_SECONDS)
    head = (
        f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\n"
        f"Authorization: Bearer {api.token}\r\nContent-Length: {content_length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


class TestAccepted:
    def test_answer_is_the_contracts(self, api: RunningApi) -> None:
        answer = api.upload(FILM_HEAD + os.urandom(10_000), "Holiday.mkv")
        assert answer.status_code == 200
        body = answer.json()
        assert set(body) == {"message", "task_id", "status", "filename"}
        assert body["status"] == "PROCESSING"
        assert body["filename"] == "Holiday.mkv"
        task = api.http.get(f"/task/{body['task_id']}").json()
        assert set(task) == {"state", "status", "progress"}
        assert task["state"] == "PENDING"
        assert task["progress"] == 0

    def test_another_kind_of_job_may_be_asked_for(self, api: RunningApi) -> None:
        fields = {"kind": "transcode", "params": json.dumps({"options": {"codec": "h265"}})}
        task = api.upload(FILM_HEAD + os.urandom(64), data=fields).json()["task_id"]
        job = api.http.get(f"/api/v1/jobs/{task}").json()
        assert job["kind"] == "transcode"
        assert job["params"] == {"options": {"codec": "h265"}}

    def test_order_of_the_fields_does_not_matter(self, api: RunningApi) -> None:
        fields = {"params": json.dumps({"options": {"codec": "vp9"}}), "kind": "transcode"}
        task = api.upload(FILM_HEAD + os.urandom(64), data=fields).json()["task_id"]
        assert api.http.get(f"/api/v1/jobs/{task}").json()["kind"] == "transcode"

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"kind": "nosuch"}, "job_kind_unknown"),
            ({"kind": "transcode", "params": '{"options": {"crf": 99}}'}, "params_invalid"),
            ({"kind": "transcode", "params": '{"options": {"vmaf_min": 100}}'}, "params_invalid"),
            ({"params": "[1]"}, "parameters_invalid"),
            ({"params": "{"}, "parameters_invalid"),
            ({"params": '{"path": "/etc/passwd"}'}, "params_invalid"),
        ],
    )
    def test_wish_that_cannot_be_is_refused_and_nothing_kept(
        self, api: RunningApi, fields: dict[str, str], code: str
    ) -> None:
        before = api.stored_files()
        answer = api.upload(FILM_HEAD + os.urandom(64), data=fields)
        assert answer.json()["code"] == code
        assert 400 <= answer.status_code < 500
        assert api.stored_files() == before

    @pytest.mark.parametrize("size_bytes", [5, 4096, 4097, 3_000_000, 9_437_184])
    def test_every_byte_arrives(self, api: RunningApi, size_bytes: int) -> None:
        content = FILM_HEAD + os.urandom(size_bytes - len(FILM_HEAD))
        job = api.http.get(f"/api/v1/jobs/{api.submit(content[4:])}").json()
        source = api.http.get(f"/api/v1/assets/{job['asset_id']}/files/source")
        assert source.content == content
        assert source.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
        assert source.headers["content-disposition"].startswith("attachment")

    def test_same_bytes_twice_are_one_film_and_two_tasks(self, api: RunningApi) -> None:
        content = os.urandom(1000)
        first, second = api.submit(content), api.submit(content)
        assert first != second
        assets = {
            api.http.get(f"/api/v1/jobs/{task}").json()["asset_id"] for task in (first, second)
        }
        assert len(assets) == 1

    def test_each_upload_of_the_same_film_has_its_own_name(self, api: RunningApi) -> None:
        content = FILM_HEAD + os.urandom(1000)
        tasks = [api.upload(content, name).json()["task_id"] for name in ("a.mkv", "b.mkv")]
        jobs = [api.http.get(f"/api/v1/jobs/{task}").json() for task in tasks]
        assert [job["filename"] for job in jobs] == ["a.mkv", "b.mkv"]
        listed = {job["id"]: job for job in api.http.get("/api/v1/jobs").json()["jobs"]}
        assert [listed[task]["filename"] for task in tasks] == ["a.mkv", "b.mkv"]
        asset = api.http.get(f"/api/v1/assets/{jobs[0]['asset_id']}").json()
        assert (asset["filename"], asset["other_names"]) == ("b.mkv", ["a.mkv"])

    def test_long_name_is_saved_by_clients_old_and_new(self, api: RunningApi) -> None:
        answer = api.upload(FILM_HEAD + os.urandom(100), "映" * 100 + ".mkv")
        name = answer.json()["filename"]
        assert name == "映" * 83 + ".mkv"
        job = api.http.get(f"/api/v1/jobs/{answer.json()['task_id']}").json()
        source = api.http.get(f"/api/v1/assets/{job['asset_id']}/files/source")
        assert source.headers["content-disposition"] == (
            f"attachment; filename=\"{'_' * 83}.mkv\"; filename*=UTF-8''{quote(name)}"
        )

    def test_same_key_is_the_same_task(self, api: RunningApi) -> None:
        content, key = FILM_HEAD + os.urandom(1000), {"Idempotency-Key": os.urandom(8).hex()}
        first = api.upload(content, headers=key).json()
        again = api.upload(content, headers=key).json()
        assert again == first

    def test_same_key_for_another_film_is_a_conflict(self, api: RunningApi) -> None:
        key = {"Idempotency-Key": os.urandom(8).hex()}
        api.upload(FILM_HEAD + os.urandom(1000), headers=key)
        answer = api.upload(FILM_HEAD + os.urandom(1000), headers=key)
        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_conflict"

    def test_wishes_travel_with_the_job(self, api: RunningApi) -> None:
        fields = {"priority": "9", "thumbnail_seconds": "1.5"}
        answer = api.upload(FILM_HEAD + os.urandom(100), data=fields)
        job = api.http.get(f"/api/v1/jobs/{answer.json()['task_id']}").json()
        assert job["priority"] == 9
        assert job["params"] == {"thumbnail_seconds": 1.5}

    @pytest.mark.parametrize(
        ("sent", "shown"),
        [("../../etc/passwd.mkv", "passwd.mkv"), ("🎬 a\nb.mkv", "🎬 a b.mkv"), ("..", "film")],
    )
    def test_name_is_shown_and_never_a_path(self, api: RunningApi, sent: str, shown: str) -> None:
        answer = api.upload(FILM_HEAD + os.urandom(100), sent)
        assert answer.json()["filename"] == shown
        assert not list(api.home.rglob("*passwd*"))

    def test_film_may_come_without_a_length(self, api: RunningApi) -> None:
        content = FILM_HEAD + os.urandom(200_000)

        def pieces() -> Iterator[bytes]:
            yield PART
            yield from (content[at : at + 1000] for at in range(0, len(content), 1000))
            yield END

        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = api.http.post("/upload", content=pieces(), headers=kind)
        assert answer.status_code == 200
        assert hashlib.sha256(content).hexdigest() in api.stored_files()


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "media_empty"),
            (b"this is a letter, not a film", "media_unrecognized"),
            (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "media_playlist"),
            (os.urandom(3_000_000), "media_unrecognized"),
        ],
        ids=["empty", "text", "playlist", "noise"],
    )
    def test_what_is_no_film_leaves_nothing(
        self, api: RunningApi, content: bytes, code: str
    ) -> None:
        before = api.stored_files()
        answer = api.upload(content)
        assert answer.status_code == 422
        assert_problem(answer, code)
        assert api.stored_files() == before

    def test_it_is_refused_before_the_rest_has_come(self, api: RunningApi) -> None:
        with open_upload(api, 1_000_000_000) as connection:
            connection.sendall(PART + b"not a film at all" * 500)
            # Nothing more is sent: an answer that waited for the rest would never come.
            answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 422 ")
        assert b"media_unrecognized" in answer

    def test_client_that_goes_on_sending_still_reads_why(self, api: RunningApi) -> None:
        answer = api.upload(b"not a film at all" * 3_000_000)
        assert answer.status_code == 422

    @pytest.mark.parametrize(
        ("request_parts", "status", "code"),
        [
            ({"files": {"film": ("film.mkv", FILM_HEAD)}}, 400, "file_missing"),
            ({"files": {"priority": (None, "5")}}, 400, "file_missing"),
            ({"content": FILM_HEAD}, 415, "media_type_unsupported"),
            ({"json": {"file": "film.mkv"}}, 415, "media_type_unsupported"),
            (
                {"files": [("file", ("a", FILM_HEAD)), ("file", ("b", FILM_HEAD))]},
                400,
                "form_invalid",
            ),
            (
                {"data": {"priority": "11"}, "files": {"file": ("a", FILM_HEAD)}},
                422,
                "parameters_invalid",
            ),
            (
                {"data": {"thumbnail_seconds": "nan"}, "files": {"file": ("a", FILM_HEAD)}},
                422,
                "parameters_invalid",
            ),
            (
                {"data": {"note": "x" * 10_000}, "files": {"file": ("a", FILM_HEAD)}},
                413,
                "form_invalid",
            ),
        ],
    )
    def test_what_is_no_upload_says_how_to_make_one(
        self, api: RunningApi, request_parts: dict[str, Any], status: int, code: str
    ) -> None:
        before = api.stored_files()
        answer = api.http.post("/upload", **request_parts)
        assert answer.status_code == status
        assert_problem(answer, code)
        assert api.stored_files() == before

    def test_form_that_ends_too_early_is_no_film(self, api: RunningApi) -> None:
        before, body = api.stored_files(), PART + FILM_HEAD + os.urandom(5000)
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = api.http.post("/upload", content=body, headers=kind)
        assert answer.status_code == 400
        assert_problem(answer, "upload_incomplete")
        assert api.stored_files() == before

    def test_client_that_leaves_leaves_nothing(self, api: RunningApi) -> None:
        before, total = api.stored_files(), api.http.get("/api/v1/stats").json()["queue"]["total"]
        connection = open_upload(api, 500_000_000)
        connection.sendall(PART + FILM_HEAD + os.urandom(20_000_000))
        assert wait_for(lambda: len(api.stored_files()) > len(before))
        connection.close()
        assert wait_for(lambda: api.stored_files() == before)
        assert api.http.get("/api/v1/stats").json()["queue"]["total"] == total


class TestLimits:
    def test_film_over_the_limit_is_refused(self, start_api: StartApi) -> None:
        api = start_api(CINEMILL_MAX_UPLOAD_BYTES="100000")
        with open_upload(api, 1_000_000) as connection:
            announced = read_all(connection)
        assert announced.startswith(b"HTTP/1.1 413 ")

        def endless() -> Iterator[bytes]:
            yield PART + FILM_HEAD
            while True:
                yield bytes(10_000)

        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            unannounced = api.http.post("/upload", content=endless(), headers=kind)
        except httpx.WriteError:
            # This client gives up writing before it reads; the doors closed, which is the point.
            pass
        else:
            assert_problem(unannounced, "too_large")
        assert wait_for(lambda: api.stored_files() == set())
        assert api.upload(FILM_HEAD + bytes(90_000)).status_code == 200

    def test_film_that_would_fill_the_disk_is_refused(self, start_api: StartApi) -> None:
        api = start_api(CINEMILL_MIN_FREE_BYTES=str(2**60))
        with open_upload(api, 1_000_000) as connection:
            answer = read_all(connection)
        assert answer.startswith(b"HTTP/1.1 507 ")
        assert b'"code":"disk_full"' in answer
        assert api.stored_files() == set()


def assert_problem(answer: httpx.Response, code: str) -> None:
    """RFC 9457, with our members."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail", "hint"} <= set(body)
