"""Filling Qdrant again from the command line: what is sent, what is printed, how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

DONE: dict[str, Any] = {
    "id": "j1",
    "kind": "rebuild_projection",
    "status": "completed",
    "progress": 100,
    "result": {"gap": "", "reused": False, "count": 12_345, "seconds": None},
}
FAILED: dict[str, Any] = {
    **DONE,
    "status": "failed",
    "result": None,
    "error": {
        "code": "projection_unequal",
        "message": "PostgreSQL has 9 vectors and Qdrant 3.",
        "hint": "Searches go on as before.",
    },
}


def serve(server: LittleServer, job: dict[str, Any]) -> None:
    data = json.dumps({"status": job["status"], "progress": 100, "message": "Done"})
    server.on("POST /api/v1/jobs", lambda x: x.send_json({**DONE, "status": "pending"}))
    server.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(f"id: 1\ndata: {data}\n\n"))
    server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(job))


def test_rebuild_follows_its_job_to_the_end(fake_server: LittleServer, cinemill: Run) -> None:
    serve(fake_server, DONE)
    result = cinemill("index", "rebuild")
    assert (result.exit_code, result.stdout) == (0, "Qdrant has 12345 vectors.\n")
    (sent,) = (seen for seen in fake_server.seen if seen.method == "POST")
    assert json.loads(sent.body) == {"kind": "rebuild_projection", "params": {}}


def test_rebuild_prints_the_job_for_programs(fake_server: LittleServer, cinemill: Run) -> None:
    serve(fake_server, DONE)
    result = cinemill("index", "rebuild", "--json")
    assert json.loads(result.stdout)["result"]["count"] == 12_345


def test_rebuild_that_failed_has_an_exit_code_and_says_why(
    fake_server: LittleServer, cinemill: Run
) -> None:
    serve(fake_server, FAILED)
    result = cinemill("index", "rebuild")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "PostgreSQL has 9 vectors and Qdrant 3." in result.stderr
    assert "Searches go on as before." in result.stderr


def test_rebuild_that_failed_is_printed_for_programs(
    fake_server: LittleServer, cinemill: Run
) -> None:
    serve(fake_server, FAILED)
    result = cinemill("index", "rebuild", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == FAILED["error"]


def test_rebuild_without_a_server_says_so(cinemill: Run) -> None:
    result = cinemill("index", "rebuild")
    assert result.exit_code == 3
    assert "cinemill up" in result.output
