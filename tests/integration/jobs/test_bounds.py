"""What comes in is bounded, and a row that is not as it should be keeps no other from anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.integration.jobs.engine import Engine
from tests.integration.storage import rows

from cinemill.api.models.dead_letters import DeadStepDocument
from cinemill.api.models.jobs import JobDocument
from cinemill.core.job import Job, JobState
from cinemill.errors import CinemillError, InputRejected, NotFound, TooLarge
from cinemill.jobs.events import EventPublisher
from cinemill.jobs.job_document import describe_job
from cinemill.jobs.service import JobService
from cinemill.storage.database import Database

MIB = 1 << 20
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
# PostgreSQL keeps the decimal digits; of larger numbers Python reads an integer again.
ANY_FLOAT = st.floats(-(2.0**53), 2.0**53) | st.sampled_from([1e300, float("nan"), float("inf")])
ANY_PARAMS = st.dictionaries(
    ANY_TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | ANY_FLOAT | ANY_TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
        max_leaves=20,
    ),
    max_size=5,
)


def nest(depth: int) -> Any:
    document: Any = []
    for _ in range(depth - 1):
        document = [document]
    return document


ANY_TYPE: list[Any] = [{"a": 1}, ["x"], "x" * MIB, "\x00", 10**5000, nest(10_000)]


def refuse(act: Callable[[], object]) -> CinemillError:
    with pytest.raises(InputRejected) as refused:
        act()
    assert len(refused.value.message) < 3000
    return refused.value


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"path": "x" * (100 * MIB)}, "params_too_large"),
        ({"a": nest(252)}, "params_too_deep"),
        ({"a": nest(100_000)}, "params_too_deep"),
        ({"a": ["x" * 1000] * 2000}, "params_too_large"),
        ({"a": "x" * MIB}, "params_too_large"),
        ({"a": "x" * (MIB // 2)}, "text_too_long"),
        ({"a": 10**30}, "number_out_of_range"),
        ({"a": "\x00"}, "params_not_json"),
        ({"a": "\udcff"}, "params_not_json"),
        ({"path": "x" * 5000}, "path_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "params",
)
def test_unstorable_parameters_are_rejected_with_a_code(
    service: JobService, params: dict[str, Any], code: str
) -> None:
    assert refuse(lambda: service.create_job("work", params=params)).code == code
    assert service.get_queue_stats()["total"] == 0


@pytest.mark.parametrize("value", [{"a": 1}, ["x"], 7, "x" * 300, "a\x00b", "\udcff"])
@pytest.mark.parametrize("name", ["asset_id", "owner", "idempotency_key", "job_id"])
def test_names_of_a_job_are_bounded(service: JobService, name: str, value: Any) -> None:
    error = refuse(partial(service.create_job, "work", **{name: value}))
    assert error.code == f"{name}_invalid"


def test_kinds_priorities_reasons_and_paths_of_any_type_are_refused(service: JobService) -> None:
    for kind in ANY_TYPE:
        assert isinstance(refuse(partial(service.create_job, kind)), NotFound)
    for priority in ANY_TYPE:
        error = refuse(partial(service.create_job, "work", priority=priority))
        assert error.code == "priority_invalid"
    job = service.create_job("work")
    for reason in ANY_TYPE:
        assert refuse(partial(service.cancel_job, job.id, reason)).code == "reason_invalid"
    for path in ({"a": 1}, ["film.mp4"], 7, "x" * 5000):
        error = refuse(partial(service.create_job, "caption", params={"path": path}))
        assert error.code == "path_invalid"


def test_refusal_that_quotes_anything_is_recorded(service: JobService) -> None:
    error = InputRejected("There is no " + "x\x00\udcff" * MIB)
    job = service.create_rejected("work", error, owner="celery", job_id="the-id")
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert len(job.failure.message) <= 2000
    for job_id in ("x" * 300, "a\x00b", {"a": 1}):
        with pytest.raises(InputRejected):
            service.create_rejected("work", error, owner="o", job_id=job_id)  # type: ignore[arg-type]


def test_timeline_of_ten_thousand_clips_is_taken_and_left_out_of_lists(
    service: JobService,
) -> None:
    folder = "/films/2026/a folder with a long name/another one"
    clips = [
        {"path": f"{folder}/{at:05}.mp4", "start": at % 100 / 7, "end": at % 100 / 7 + 1.5}
        for at in range(10**4)
    ]
    job = service.create_job("render_video", params={"job": {"clips": clips}})
    assert len(describe_job(service.get_job(job.id))["params"]["job"]["clips"]) == 10**4
    (listed,) = service.list_jobs()
    assert (listed.params, listed.clipped) == ({}, ("params",))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ANY_PARAMS)
def test_accepted_jobs_are_listed(service: JobService, params: dict[str, Any]) -> None:
    try:
        job = service.create_job("work", params=params)
    except InputRejected:
        return
    found = service.get_job(job.id)
    assert found.params == params
    (listed,) = service.list_jobs(limit=1)
    assert json.loads(JobDocument.from_job(listed).model_dump_json())["params"] == params
    service.cancel_job(job.id)


@pytest.mark.parametrize("id_", ["a\x00b", "\udcff"])
def test_ids_that_no_row_can_have_are_refused_and_no_fault(service: JobService, id_: str) -> None:
    for ask in (service.get_job, service.get_job_status, service.cancel_job, service.redrive):
        with pytest.raises(CinemillError) as refused:
            ask(id_)
        assert refused.value.http_status < 500
    with pytest.raises(CinemillError) as refused:
        service.list_jobs(kind=id_)
    assert refused.value.http_status < 500


def deep_json(depth: int) -> str:
    return '{"a": ' + "[" * depth + "]" * depth + "}"


BAD_ROWS: dict[str, dict[str, str]] = {
    "deep params": {"params": f"'{deep_json(252)}'"},
    "params deeper than the stack": {"params": f"'{deep_json(5000)}'"},
    "a number of 5,000 digits": {"params": "jsonb_build_object('n', 10::numeric ^ 5000)"},
    "a list as params": {"params": "'[1, 2]'"},
    "a text as params": {"params": "'\"x\"'"},
    "huge params": {"params": "jsonb_build_object('path', repeat('x', 20000000))"},
    "a deep result": {"result": f"'{deep_json(500)}'"},
    "a list as result": {"result": "'[[1]]'"},
    "a huge result": {"result": "jsonb_build_object('n', repeat('x', 20000000))"},
    "a huge message": {"message": "repeat('x', 20000000)"},
    "a huge reason": {"cancel_reason": "repeat('x', 20000000)"},
    "a failure of another shape": {"failure": """'{"kind": 1, "code": {"a": []}}'"""},
    "a list as failure": {"failure": "'[]'"},
    "a huge failure": {
        "failure": "jsonb_build_object('code', 'x', 'message', repeat('x', 20000000))"
    },
    "a state of another version": {"state": "'paused'"},
    "progress that is no number": {"progress": "'NaN'"},
    "progress without end": {"progress": "'Infinity'"},
    "times without end": {"queued_at": "'infinity'", "finished_at": "'-infinity'"},
    "times that no calendar has": {"queued_at": "'20000-01-01'", "started_at": "'0044-03-15 BC'"},
}


@pytest.fixture(params=list(BAD_ROWS.values()), ids=list(BAD_ROWS))
def bad(request: pytest.FixtureRequest, database: Database) -> str:
    """The id of a job whose row an earlier version, a newer one or a hand has written."""
    columns = {"state": "'failed'", **request.param}
    names = ", ".join(columns)
    rows.change(
        database,
        f"INSERT INTO job (id, kind, owner, priority, request_digest, {names})"
        f" VALUES ('bad', 'work', 'local', 5, '', {', '.join(columns.values())})",
    )
    return "bad"


def test_bad_row_is_listed_and_so_are_the_others(service: JobService, bad: str) -> None:
    good = service.create_job("work", params={"path": "film.mp4"})
    listed = {job.id: job for job in service.list_jobs()}
    assert listed.keys() == {bad, good.id}
    assert listed[good.id].params == {"path": "film.mp4"}
    for job in listed.values():
        document = JobDocument.from_job(job).model_dump_json()
        assert len(document) < 100_000


def test_bad_row_holds_up_no_announcement_and_no_publication(
    engine: Engine, sink: EventPublisher, bad: str
) -> None:
    good = engine.service.create_job("work")
    while engine.dispatcher.announce_changes():
        pass
    with engine.database.begin() as connection:
        left = connection.execute(text("SELECT count(*) FROM job WHERE NOT announced")).scalar_one()
    assert left == 0
    engine.dispatcher.close_crashed()
    engine.dispatcher.finish_cancels()
    assert engine.dispatcher.publish_ready() == 1
    assert [run.id for run in engine.post.sent] == list(
        rows.queued_runs(engine.database, good.id).values()
    )


def test_run_of_a_kind_that_is_not_known_here_holds_up_no_other(engine: Engine) -> None:
    newer, good = engine.service.create_job("work"), engine.service.create_job("work")
    rows.change(
        engine.database, "UPDATE run SET kind = 'of_tomorrow' WHERE job_id = :id", id=newer.id
    )
    assert engine.dispatcher.publish_ready() == 1
    assert engine.post.sent[0].id in rows.queued_runs(engine.database, good.id).values()


@pytest.mark.parametrize("failure", ["[]", '{"kind": 1}', '{"code": {}}', '"x"'])
def test_dead_step_with_a_failure_of_another_shape_is_listed(
    service: JobService, database: Database, failure: str
) -> None:
    jobs: list[Job] = [service.create_job("work") for _ in range(2)]
    for job in jobs:
        rows.mark_dead(database, rows.start(database, job))
    rows.change(
        database,
        "UPDATE step SET failure = CAST(:failure AS jsonb) WHERE job_id = :id",
        id=jobs[0].id,
        failure=failure,
    )
    dead = service.list_dead()
    assert {one.job_id for one in dead} == {job.id for job in jobs}
    assert all(DeadStepDocument.from_step(one).model_dump_json() for one in dead)
    assert service.get_job_status(jobs[0].id)["steps"][0]["status"] == "dead"


def test_huge_failure_of_a_dead_step_is_listed_in_brief(
    service: JobService, database: Database
) -> None:
    job = service.create_job("work")
    rows.mark_dead(database, rows.start(database, job))
    rows.change(
        database,
        "UPDATE step SET failure = jsonb_build_object('code', 'x',"
        " 'message', repeat('x', 20000000)), finished_at = 'infinity' WHERE job_id = :id",
        id=job.id,
    )
    (dead,) = service.list_dead()
    assert len(DeadStepDocument.from_step(dead).model_dump_json()) < 10_000


def test_page_of_large_jobs_is_bounded(service: JobService) -> None:
    texts = [str(number) * 4000 for number in range(10)]
    for _ in range(20):
        service.create_job("work", params={"texts": texts * 10})
    page = json.dumps([describe_job(job) for job in service.list_jobs(limit=20)])
    assert len(page) < 40_000


def test_oversized_parameters_are_reported_as_too_large(service: JobService) -> None:
    with pytest.raises(TooLarge) as refused:
        service.create_job("work", params={"a": "x" * (100 * MIB)})
    assert refused.value.http_status == 413
    assert "1 MiB" in refused.value.message
