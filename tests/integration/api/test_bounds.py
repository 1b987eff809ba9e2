"""Requests that are too much, and rows that earlier versions took: the doors go on answering."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tests.integration.api.conftest import RunningApi

MIB = 1 << 20


@pytest.fixture
def bad_rows(api: RunningApi) -> Iterator[list[str]]:
    """Ids of jobs with parameters 252 and 2,000 lists deep, and of twenty megabytes."""
    params = [json.dumps({"a": 1}).replace("1", "[" * depth + "]" * depth) for depth in (252, 2000)]
    params.append(json.dumps({"path": "x" * (20 * MIB)}))
    ids = [str(uuid4()) for _ in params]
    with connect(api) as connection:
        for id_, document in zip(ids, params, strict=True):
            connection.execute(
                "INSERT INTO job (id, kind, owner, priority, state, request_digest, params)"
                " VALUES (%s, 'process_video', 'local', 5, 'failed', '', %s::jsonb)",
                [id_, document],
            )
    yield ids
    with connect(api) as connection:
        connection.execute("DELETE FROM job WHERE id = ANY(%s)", [ids])


def connect(api: RunningApi) -> psycopg.Connection[Any]:
    return psycopg.connect(api.database_url.replace("+psycopg", "", 1))


def test_rows_of_an_earlier_version_are_listed_beside_the_others(
    api: RunningApi, bad_rows: list[str]
) -> None:
    good = api.submit()
    for more in ({}, {"list_items": 1}):
        answer = api.http.get("/api/v1/jobs", params={"limit": 10, **more})
        assert answer.status_code == 200
        assert len(answer.content) < MIB
        assert {good, *bad_rows} <= {job["id"] for job in answer.json()["jobs"]}


def test_each_of_them_is_answered_by_itself(api: RunningApi, bad_rows: list[str]) -> None:
    for id_ in bad_rows:
        for address in (f"/api/v1/jobs/{id_}", f"/api/v1/jobs/{id_}/status", f"/task/{id_}"):
            answer = api.http.get(address)
            assert answer.status_code == 200
            assert len(answer.content) < MIB
        assert api.http.get(f"/api/v1/jobs/{id_}").json()["clipped"] == ["params"]


@pytest.mark.parametrize(
    "params",
    [{"path": "x" * 5000}, {"path": "x" * (2 * MIB)}, {"path": {"a": 1}}, {"path": "a\x00b"}],
    ids=["long", "huge", "no text", "NUL"],
)
def test_path_that_none_can_be_is_refused(api: RunningApi, params: dict[str, Any]) -> None:
    answer = api.http.post("/api/v1/jobs", json={"kind": "process_video", "params": params})
    assert answer.status_code in (413, 422)
    assert answer.json()["code"]
    assert len(answer.content) < 64 << 10


@pytest.mark.parametrize("depth", [40, 252, 900])
def test_parameters_that_are_too_deep_are_refused(api: RunningApi, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    body = f'{{"kind": "process_video", "params": {{"path": {nested}}}}}'
    headers = {"Content-Type": "application/json"}
    answer = api.http.post("/api/v1/jobs", content=body, headers=headers)
    assert answer.status_code in (400, 413, 422)
    assert len(answer.content) < 64 << 10
    assert api.http.get("/api/v1/jobs").status_code == 200


@pytest.mark.parametrize(
    "address", ["/api/v1/jobs/%00", "/api/v1/jobs/a%00b/status", "/api/v1/jobs?kind=%00"]
)
def test_id_that_no_row_can_have_is_no_fault_of_ours(api: RunningApi, address: str) -> None:
    assert 400 <= api.http.get(address).status_code < 500
