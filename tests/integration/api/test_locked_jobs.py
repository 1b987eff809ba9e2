"""A job that another transaction holds: an answer within seconds, and a hint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.integration.api.conftest import RunningApi


@contextmanager
def locked(api: RunningApi, job_id: str) -> Iterator[None]:
    """As by somebody who left a transaction open."""
    with psycopg.connect(api.database_url.replace("+psycopg", "", 1)) as stranger:
        stranger.execute("SELECT FROM job WHERE id = %s FOR UPDATE", [job_id])
        yield
        stranger.rollback()


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("POST", "/retry")])
def test_what_changes_it_is_refused_for_now(api: RunningApi, method: str, path: str) -> None:
    job_id = api.submit()
    with locked(api, job_id):
        refused = api.http.request(method, f"/api/v1/jobs/{job_id}{path}", timeout=30)
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (503, "lock_timeout")
        assert problem["retryable"] is True
        assert api.http.get(f"/api/v1/jobs/{job_id}").json()["status"] == "pending"
        assert api.submit()  # the next one


def test_once_it_is_free_it_is_cancelled(api: RunningApi) -> None:
    job_id = api.submit()
    with locked(api, job_id):
        api.http.post(f"/api/v1/jobs/{job_id}/cancel", timeout=30)
    assert api.http.post(f"/api/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
