"""What browsers and proxies may keep of an answer."""

from __future__ import annotations

import httpx
import pytest

from .conftest import RunningApi, StartApi

V1 = "/api/v1"


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/jobs",
        f"{V1}/assets",
        f"{V1}/analyses",
        f"{V1}/collections",
        f"{V1}/conversations",
        f"{V1}/dead",
        f"{V1}/reviews",
        "/jobs",
        "/assets",
        "/openapi.json",
    ],
)
def test_private_documents_are_asked_about_each_time(api: RunningApi, path: str) -> None:
    first = api.http.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    assert {"authorization", "cookie"} <= set(first.headers["vary"].lower().split(", "))
    again = api.http.get(path, headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == "private, no-cache"
    assert "content-type" not in again.headers
    assert api.http.get(path, headers={"If-None-Match": 'W/"other"'}).content == first.content


def test_a_change_is_seen(api: RunningApi) -> None:
    path = f"{V1}/jobs/{api.submit()}"
    tag = api.http.get(path).headers["etag"]
    api.settle(path.rpartition("/")[2], "cancelled")
    changed = api.http.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize(
    "path", ["/debug", f"{V1}/debug", "/logs", f"{V1}/logs", "/health", f"{V1}/health", "/metrics"]
)
def test_secrets_are_never_stored(api: RunningApi, path: str) -> None:
    answer = api.http.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


def test_secrets_below_a_sub_path_are_never_stored(start_api: StartApi) -> None:
    proxied = start_api(CINEMILL_PUBLIC_URL="http://films.example/mill")
    for path in ("/mill/logs", "/mill/api/v1/debug"):
        answer = proxied.http.get(path, headers={"Host": "films.example"})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


def test_errors_and_changes_are_never_stored(api: RunningApi) -> None:
    job_id = api.submit()
    answers: list[httpx.Response] = [
        api.stranger.get(f"{V1}/jobs"),
        api.http.get(f"{V1}/jobs/none"),
        api.http.get("/no/such/page"),
        api.http.get(f"{V1}/jobs?limit=x"),
        api.http.get(f"{V1}/jobs?kind=%00"),
        api.http.get(f"{V1}/jobs?kind=" + "x" * 9000),
        api.http.post(f"{V1}/jobs/{job_id}/cancel"),
        api.http.delete(f"{V1}/jobs/{job_id}"),
    ]
    assert {answer.headers.get("cache-control") for answer in answers} == {"no-store"}


def test_token_is_never_stored(api: RunningApi) -> None:
    answer = api.stranger.get(f"/?token={api.token}")
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
