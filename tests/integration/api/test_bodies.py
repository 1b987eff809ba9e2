"""Bodies, parameters and error documents are bounded on every route, by real requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cinemill.api.http.bodies import ORDINARY_BYTES, TIMELINE_BYTES

from .conftest import FILM_HEAD, RunningApi
from .wires import Wire, head

LARGEST_PROBLEM_BYTES = 64 * 1024
JSON = {"Content-Type": "application/json"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert len(answer.content) <= LARGEST_PROBLEM_BYTES


class TestSizes:
    @pytest.mark.parametrize(
        ("method", "path", "most_bytes"),
        [
            ("POST", "/api/v1/jobs/retry", ORDINARY_BYTES),
            ("POST", "/api/v1/jobs/x/cancel", ORDINARY_BYTES),
            ("POST", "/api/v1/jobs", TIMELINE_BYTES),
            ("POST", "/api/v1/assets/x/jobs", TIMELINE_BYTES),
        ],
    )
    def test_body_beyond_its_routes_limit_is_refused(
        self, api: RunningApi, method: str, path: str, most_bytes: int
    ) -> None:
        def blocks() -> Iterator[bytes]:
            yield b'{"kind": "'
            for _ in range(most_bytes // 65536 + 2):
                yield b"a" * 65536

        chunked = api.http.request(method, path, content=blocks(), headers=JSON)
        assert_problem(chunked, 413, "too_large")
        content = b'{"kind": "' + b"a" * most_bytes
        assert_problem(
            api.http.request(method, path, content=content, headers=JSON), 413, "too_large"
        )

    def test_it_is_refused_before_it_is_sent(self, api: RunningApi) -> None:
        with Wire(api.port) as wire:
            lines = ("Content-Type: application/json", f"Content-Length: {10**12}")
            wire.send(head("POST", "/api/v1/jobs", *lines, token=api.token))
            answer = wire.read_answer()
            assert (answer.status, answer.code) == (413, "too_large")
            assert answer.headers["connection"] == "close"

    def test_stranger_is_not_told_about_sizes(self, api: RunningApi) -> None:
        answer = api.stranger.post("/api/v1/jobs", content=b"a" * 20_000_000, headers=JSON)
        assert_problem(answer, 401, "unauthorized")

    def test_ten_thousand_clips_go_through(self, api: RunningApi) -> None:
        transition = {"kind": "dissolve", "seconds": 0.5}
        clip = {"path": "/films/" + "a" * 150 + ".mp4", "start": 0.5, "end": 2.5}
        clips = [{**clip, "transition": transition} for _ in range(10_000)]
        body = {"kind": "no_such_kind", "params": {"job": {"clips": clips}}}
        assert_problem(
            api.http.post("/api/v1/jobs", json=body, timeout=60), 404, "job_kind_unknown"
        )

    def test_form_is_bounded_beside_its_film(self, api: RunningApi) -> None:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        film = b"\r\n" + FILM_HEAD + b"\r\n--x--\r\n"
        for body in (
            part + b"X: " + b"a" * 10_000 + b"\r\n" + film,
            part + b"X: a\r\n" * 100 + film,
            part + film + b"epilogue" * 100_000,
            b"\r\n" * 500_000 + part + film,
        ):
            answer = api.http.post("/upload", content=body, headers=kind)
            assert_problem(answer, 400, "form_invalid")
        long = {"Content-Type": "multipart/form-data; boundary=" + "x" * 200}
        assert_problem(api.http.post("/upload", content=b"", headers=long), 400, "form_invalid")


class TestJson:
    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("[" * 252 + "]" * 252, "json_too_deep"),
            ("[" * 100_000 + "]" * 100_000, "json_too_deep"),
            ("[" * 100_000, "json_too_deep"),
            ('{"a":1,"a":2}', "json_invalid"),
            ("NaN", "json_invalid"),
            ("1" * 5000, "number_out_of_range"),
            ("1e999", "number_out_of_range"),
            ("{", "parameters_invalid"),
        ],
    )
    @pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/assets/x/jobs"])
    def test_what_is_no_plain_json_is_refused(
        self, api: RunningApi, path: str, value: str, code: str
    ) -> None:
        content = '{"kind": "process_video", "params": {"a": ' + value + "}}"
        assert_problem(api.http.post(path, content=content, headers=JSON), 422, code)

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/api/v1/jobs/retry", {"kind": "a\x00b"}),
            ("/api/v1/jobs/retry", {"code": "a" * 1000}),
            ("/api/v1/jobs", {"kind": "a" * 1_000_000}),
            ("/api/v1/jobs", {"kind": "\x00"}),
            ("/api/v1/jobs/x/cancel", {"reason": "\x00"}),
        ],
    )
    def test_texts_are_bounded(self, api: RunningApi, path: str, body: dict[str, Any]) -> None:
        assert_problem(api.http.post(path, json=body), 422, "parameters_invalid")

    def test_half_a_surrogate_is_refused(self, api: RunningApi) -> None:
        answer = api.http.post("/api/v1/jobs", content=b'{"kind": "\\ud800"}', headers=JSON)
        assert_problem(answer, 422, "parameters_invalid")


class TestAnswers:
    def test_many_wrong_captions_are_not_repeated(self, api: RunningApi) -> None:
        asset_id = api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"]
        path = f"/api/v1/assets/{asset_id}/captions/en"
        for wrong in (1, {"start_ms": "x", "lines": [1] * 1000}, {"a" * 1000: "b" * 1000}):
            content = json.dumps({"captions": [wrong] * 500})
            answer = api.http.put(path, content=content, headers=JSON)
            assert_problem(answer, 422, "parameters_invalid")
        content = '{"captions": [' + "1," * 1_000_000 + "1]}"
        assert_problem(api.http.put(path, content=content, headers=JSON), 422, "parameters_invalid")

    def test_many_wrong_parameters_are_counted(self, api: RunningApi) -> None:
        states = "&".join(["state=asleep"] * 500)
        answer = api.http.get(f"/api/v1/jobs?{states}")
        assert_problem(answer, 422, "parameters_invalid")
        assert answer.json()["detail"].endswith("and 480 more")
        assert len(answer.json()["problems"]) == 20

    def test_long_names_are_not_repeated(self, api: RunningApi) -> None:
        for path in ("/api/v1/jobs/", "/task/", "/api/v1/assets/", "/no/such/"):
            answer = api.http.get(path + "a" * 8000)
            assert_problem(answer, 404, answer.json()["code"])
            assert len(answer.content) < 4096

    @pytest.mark.parametrize(
        "path", ["/api/v1/jobs/%00", "/api/v1/jobs?kind=%00", "/api/v1/assets/a%00b/files/proxy"]
    )
    def test_nul_in_the_address_is_refused(self, api: RunningApi, path: str) -> None:
        assert_problem(api.http.get(path), 400, "request_malformed")

    def test_long_address_is_refused(self, api: RunningApi) -> None:
        for path in ("/api/v1/jobs?kind=" + "a" * 9000, "/" + "a" * 9000):
            assert_problem(api.stranger.get(path), 414, "target_too_long")

    @pytest.mark.parametrize("event_id", ["99999999999999999999-1", "1-99999999999999999999"])
    def test_event_id_that_redis_cannot_know_starts_from_the_beginning(
        self, api: RunningApi, event_id: str
    ) -> None:
        job_id = api.submit()
        api.publish(job_id, "running", 50.0)
        api.settle(job_id, "cancelled")
        headers = {"Last-Event-ID": event_id}
        with api.http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers) as events:
            assert any('"progress": 50' in line for line in events.iter_lines())
