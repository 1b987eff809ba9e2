"""Abbreviated ids in all commands that accept ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.ids import choose, shorten
from cinemill.errors import Conflict, NotFound

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

FIRST = "397dee33-f172-456c-8304-5e331e980c57"
SECOND = "397dee33-4715-49c4-b2e6-fd5798517600"
JOB: dict[str, Any] = {"id": FIRST, "kind": "process_video", "status": "completed"}
OTHER = {**JOB, "id": SECOND, "status": "failed"}


@pytest.fixture
def one_job(fake_server: LittleServer) -> LittleServer:
    """Return a fake server that finds one job by the beginning of its id."""
    final = 'id: 1\ndata: {"status": "completed", "progress": 100}\n\n'
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [JOB]}))
    fake_server.on(f"GET /api/v1/jobs/{FIRST}", lambda x: x.send_json(JOB))
    fake_server.on(f"GET /api/v1/jobs/{FIRST}/status", lambda x: x.send_json(JOB))
    fake_server.on(f"GET /api/v1/jobs/{FIRST}/events", lambda x: x.send_events(final))
    for verb in ("cancel", "retry"):
        fake_server.on(f"POST /api/v1/jobs/{FIRST}/{verb}", lambda x: x.send_json(JOB))
    return fake_server


@pytest.mark.parametrize("command", ["watch", "status", "cancel", "retry"])
def test_job_id_can_be_abbreviated_to_four_characters(
    one_job: LittleServer, cinemill: Run, command: str
) -> None:
    assert cinemill(command, "397d").exit_code == ExitCode.OK
    assert one_job.seen[0].path.startswith("/api/v1/jobs?id_prefix=397d&limit=")
    assert f"/api/v1/jobs/{FIRST}" in one_job.seen[1].path


@pytest.mark.parametrize("text", [FIRST, FIRST.upper(), "397"])
def test_job_id_that_is_whole_or_too_short_is_not_looked_up(
    fake_server: LittleServer, cinemill: Run, text: str
) -> None:
    fake_server.on(f"GET /api/v1/jobs/{text}/status", lambda x: x.send_json({"code": "none"}, 404))
    assert cinemill("status", text).exit_code == ExitCode.USAGE
    assert [seen.path for seen in fake_server.seen] == [f"/api/v1/jobs/{text}/status"]


def test_jobs_before_accepts_an_abbreviated_id(one_job: LittleServer, cinemill: Run) -> None:
    cinemill("jobs", "--before", "397dee33", "--json")
    assert f"before={FIRST}" in one_job.seen[1].path


@pytest.mark.parametrize("command", ["watch", "status", "cancel", "retry"])
def test_job_id_matching_several_jobs_lists_them(
    fake_server: LittleServer, cinemill: Run, command: str
) -> None:
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [JOB, OTHER]}))
    result = cinemill(command, "397d")
    assert result.exit_code == ExitCode.USAGE
    assert "id_ambiguous" in result.stderr
    assert "397dee33-f17 (process_video, completed)" in result.stderr
    assert "397dee33-471 (process_video, failed)" in result.stderr
    assert len(fake_server.seen) == 1, "neither job is changed"


def test_job_id_matching_nothing_is_exit_code_2(fake_server: LittleServer, cinemill: Run) -> None:
    # A server without support for prefixes lists all jobs.
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [JOB]}))
    result = cinemill("status", "beef")
    assert result.exit_code == ExitCode.USAGE
    assert "No ID begins with 'beef'." in result.stderr
    assert "cinemill jobs" in result.stderr


def test_dead_step_id_can_be_abbreviated(fake_server: LittleServer, cinemill: Run) -> None:
    fake_server.on("GET /api/v1/dead", lambda x: x.send_json({"dead": [{"id": FIRST}]}))
    fake_server.on("GET /api/v1/dead/messages", lambda x: x.send_json({"messages": []}))
    fake_server.on(f"POST /api/v1/dead/{FIRST}/redrive", lambda x: x.send_json(JOB))
    assert cinemill("dead", "redrive", "397d").exit_code == ExitCode.OK


@given(st.lists(st.text("0123abc-", min_size=4, max_size=9), max_size=9), st.text("0123abc-"))
def test_choose_returns_the_only_matching_id(ids: list[str], text: str) -> None:
    fitting = sorted({one for one in ids if one.startswith(text)})
    if text in ids or len(fitting) == 1:
        chosen = choose(text, ids, lambda: fitting, listed_by="l")
        assert chosen == (text if text in ids else fitting[0])
    else:
        with pytest.raises(Conflict if fitting else NotFound, match=f"'{text}'"):
            choose(text, ids, lambda: fitting, listed_by="l")


@given(st.uuids())
def test_shorten_keeps_ids_chosen_by_clients(job_id: object) -> None:
    assert shorten(str(job_id)) == str(job_id)[:8]
    assert shorten(f"batch-{job_id}") == f"batch-{job_id}"
