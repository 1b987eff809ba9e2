"""An analysis has its job's id and state; what it found is stored as a whole and read by time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from tests.integration.storage import analysis_rows, rows
from tests.integration.storage.analysis_rows import FINDINGS, FRAMES, KEY, begin, complete, get

from cinemill.core.job import JobState
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage.analyses import analyses, results
from cinemill.storage.analyses.frame_scores import list_frame_scores
from cinemill.storage.analyses.metrics import measure_period
from cinemill.storage.analyses.records import FrameScore
from cinemill.storage.analyses.regions import list_regions
from cinemill.storage.database import Database
from cinemill.storage.jobs import job_changes, recovery
from cinemill.storage.media import assets

PARTS = ("analysis_results", "analysis_metrics", "frame_scores", "suspicious_regions")


def test_analysis_shares_its_jobs_id_owner_and_asset(database: Database) -> None:
    job = begin(database)
    analysis = get(database, job)
    assert (analysis.id, analysis.owner, analysis.asset_id) == (job.id, job.owner, job.asset_id)
    assert (analysis.state, analysis.verdict, analysis.error) == (JobState.PENDING, None, None)
    assert analysis.kind == job.kind


def test_asset_that_was_deleted_cannot_be_assigned(database: Database) -> None:
    job = rows.accept(database)
    with pytest.raises(NotFound) as missing, database.begin() as connection:
        job_changes.assign_asset(connection, job.id, "gone")
    assert missing.value.code == "asset_not_found"
    assert rows.get_job(database, job).asset_id is None


def test_analysis_follows_its_job_to_the_end(database: Database) -> None:
    job = begin(database)
    run = rows.start(database, job)
    assert get(database, job).state is JobState.RUNNING
    assert get(database, job).started_at is not None
    analysis_rows.save(database, job)
    rows.succeed(database, run)
    ended = get(database, job)
    assert (ended.state, ended.verdict) == (JobState.COMPLETED, "likely_manipulated")
    assert ended.finished_at == rows.get_job(database, job).finished_at


def test_dead_job_leaves_its_analysis_failed_with_code_and_message(database: Database) -> None:
    job = begin(database)
    rows.mark_dead(database, rows.start(database, job))
    analysis = get(database, job)
    assert (analysis.state, analysis.verdict) == (JobState.FAILED, "failed")
    assert analysis.error is not None
    assert analysis.error.code == rows.FAILURE.code
    assert analysis.error.message == rows.FAILURE.message
    assert analysis.error.hint == rows.FAILURE.hint


def test_crashes_of_a_job_leave_its_analysis_failed(database: Database) -> None:
    job = rows.accept(database, (rows.make_step(max_crashes=1),))
    analysis_rows.create(database, job)
    run = rows.start(database, job)
    rows.let_lease_run_out(database, run)
    rows.crash(database, run)
    analysis = get(database, job)
    assert analysis.state is rows.get_job(database, job).state is JobState.FAILED
    assert analysis.error is not None


def test_retried_job_clears_the_error_of_its_analysis(database: Database) -> None:
    job = begin(database)
    rows.mark_dead(database, rows.start(database, job))
    with database.begin() as connection:
        recovery.retry(connection, job.id)
    analysis = get(database, job)
    assert (analysis.state, analysis.verdict, analysis.error) == (JobState.PENDING, None, None)
    complete(database, job)
    assert get(database, job).verdict == "likely_manipulated"


def test_cancelled_job_leaves_its_analysis_cancelled(database: Database) -> None:
    job = begin(database)
    with database.begin() as connection:
        recovery.request_cancel(connection, job.id, "wrong video")
    assert get(database, job).state is JobState.CANCELLED


def test_verdict_failed_of_a_completed_analysis_stays(database: Database) -> None:
    job = begin(database)
    result = replace(FINDINGS.result, verdict="failed", score=None)
    complete(database, job, replace(FINDINGS, result=result))
    assert get(database, job).verdict == "failed"


def test_analysis_of_a_job_that_has_ended_already_is_up_to_date(database: Database) -> None:
    job = rows.accept(database)
    rows.mark_dead(database, rows.start(database, job))
    analysis_rows.create(database, job)
    analysis = get(database, job)
    assert (analysis.state, analysis.verdict) == (JobState.FAILED, "failed")
    assert analysis.error is not None


def test_state_that_changes_while_the_analysis_is_created_is_not_missed(
    database: Database,
) -> None:
    job = rows.accept(database)
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            change = text("UPDATE job SET state = 'cancelled' WHERE id = :id")
            connection.execute(change, {"id": job.id})
            creation = pool.submit(analysis_rows.create, database, job)
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not creation.done() and not connection.execute(waiting).scalar():
                connection.execute(text("SELECT pg_sleep(0.01)"))
                connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        creation.result()
    assert get(database, job).state is JobState.CANCELLED


def test_analysis_is_created_once(database: Database) -> None:
    job = begin(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: analysis_rows.create(database, job), range(4)))
    assert analysis_rows.count(database, "analyses") == 1


def test_analysis_of_a_path_gets_its_asset_from_its_job(database: Database) -> None:
    job = rows.accept(database)
    analysis_rows.create(database, job)
    assert get(database, job).asset_id is None
    asset_id = analysis_rows.register(database)
    with database.begin() as connection:
        job_changes.assign_asset(connection, job.id, asset_id)
    assert get(database, job).asset_id == asset_id


def test_analysis_of_a_job_or_asset_that_is_missing_is_refused(database: Database) -> None:
    with pytest.raises(NotFound) as refused, database.begin() as connection:
        analyses.create_analysis(connection, "nothing")
    assert refused.value.code == "job_not_found"
    job = rows.accept(database)
    with pytest.raises(NotFound) as refused, database.begin() as connection:
        analyses.create_analysis(connection, job.id, asset_id="nothing")
    assert refused.value.code == "asset_not_found"
    with pytest.raises(NotFound) as refused:
        get(database, job)
    assert refused.value.code == "analysis_not_found"


def test_deleted_job_leaves_the_analysis_of_an_asset(database: Database) -> None:
    job = begin(database)
    complete(database, job)
    with database.begin() as connection:
        assert job_changes.delete_job(connection, job.id)
    assert get(database, job).verdict == "likely_manipulated"


def test_deleted_job_takes_an_analysis_without_an_asset_with_it(database: Database) -> None:
    job = rows.accept(database)
    analysis_rows.create(database, job)
    with database.begin() as connection:
        job_changes.delete_job(connection, job.id)
    assert analysis_rows.count(database, "analyses") == 0


def test_deleted_asset_takes_its_analyses_and_all_their_rows_with_it(database: Database) -> None:
    job, kept = begin(database), begin(database)
    for one in (job, kept):
        complete(database, one)
        rows.change(
            database,
            "INSERT INTO analysis_reviews (analysis_id, action, reviewer, reason, model_verdict)"
            " VALUES (:id, 'flag', 'Eve', 'odd', 'inconclusive')",
            id=one.id,
        )
    asset_id = get(database, job).asset_id
    assert asset_id is not None
    before = {part: analysis_rows.count(database, part) for part in PARTS}
    with database.begin() as connection:
        assert assets.delete_asset(connection, asset_id)
    assert {part: 2 * analysis_rows.count(database, part) for part in PARTS} == before
    assert analysis_rows.count(database, "analysis_reviews") == 1
    assert rows.get_job(database, job).asset_id is None
    assert get(database, kept).verdict == "likely_manipulated"


def test_findings_come_back_as_they_were_stored(database: Database) -> None:
    job = begin(database)
    complete(database, job)
    with database.begin() as connection:
        assert results.get_result(connection, job.id) == FINDINGS.result
        assert results.get_metrics(connection, job.id) == FINDINGS.metrics
        stored = list_frame_scores(connection, job.id)
        assert list_regions(connection, job.id) == list(FINDINGS.regions)
    assert tuple(one.frame for one in stored) == FRAMES
    assert [one.position for one in stored] == [0, 1, 2, 3]


def test_analysis_without_findings_has_no_result(database: Database) -> None:
    job = begin(database)
    with database.begin() as connection:
        assert results.get_result(connection, job.id) is None
        assert results.get_metrics(connection, job.id) is None
        assert list_frame_scores(connection, job.id) == []
        assert list_regions(connection, job.id) == []


def test_second_attempt_replaces_what_the_first_stored(database: Database) -> None:
    job = begin(database)
    analysis_rows.save(database, job)
    again = replace(FINDINGS, frames=FRAMES[:1], regions=())
    complete(database, job, again)
    with database.begin() as connection:
        assert [one.frame for one in list_frame_scores(connection, job.id)] == [FRAMES[0]]
        assert list_regions(connection, job.id) == []
    assert analysis_rows.count(database, "analysis_results") == 1


def test_two_attempts_at_once_leave_the_findings_of_one(database: Database) -> None:
    job = begin(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: analysis_rows.save(database, job), range(16)))
    with database.begin() as connection:
        assert len(list_frame_scores(connection, job.id)) == len(FRAMES)


def test_findings_of_a_deleted_analysis_are_refused(database: Database) -> None:
    job = rows.accept(database)
    with pytest.raises(NotFound):
        analysis_rows.save(database, job)


@pytest.mark.parametrize(
    "frame",
    [
        FrameScore(0, 0, 1.5),
        FrameScore(0, 0, -0.1),
        FrameScore(0, 0, None),
        FrameScore(0, 0, 0.5, exclusion="no_face"),
    ],
)
def test_frame_without_a_face_never_has_a_score(database: Database, frame: FrameScore) -> None:
    job = begin(database)
    with pytest.raises(IntegrityError):
        analysis_rows.save(database, job, replace(FINDINGS, frames=(frame,)))


def test_frames_are_read_page_by_page_in_order_of_time(database: Database) -> None:
    job = begin(database)
    frames = [FrameScore(n // 3 * 40, n, n / 100) for n in range(100)]
    analysis_rows.save(database, job, replace(FINDINGS, frames=frames))
    read: list[FrameScore] = []
    after = None
    with database.begin() as connection:
        while page := list_frame_scores(connection, job.id, after=after, limit=7):
            read += [one.frame for one in page]
            after = page[-1].place
    assert read == frames


def test_frames_are_read_by_half_open_time_range_and_by_face(database: Database) -> None:
    job = begin(database)
    analysis_rows.save(database, job)
    with database.begin() as connection:
        inside = list_frame_scores(connection, job.id, from_ms=40, until_ms=3_600_000)
        after = list_frame_scores(connection, job.id, after=inside[0].place, from_ms=0)
        second = list_frame_scores(connection, job.id, face_number=2)
    assert [one.frame for one in inside] == list(FRAMES[1:3])
    assert [one.frame for one in second] == [FRAMES[2]]
    assert [one.frame for one in after] == list(FRAMES[2:])


def test_ten_thousand_frames_are_one_statement(database: Database) -> None:
    job = begin(database)
    frames = [
        FrameScore(n * 40, n, n / 10_000, "", 1, analysis_rows.REGION.box, {"clip": n / 10_000})
        for n in range(10_000)
    ]
    sent: list[str] = []
    with database.begin() as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_: sent.append(statement),
        )
        results.save_findings(connection, job.id, KEY, replace(FINDINGS, frames=frames))
    assert sum("INSERT INTO frame_scores" in statement for statement in sent) == 1
    with database.begin() as connection:
        stored = list_frame_scores(connection, job.id, limit=20_000)
    assert [one.frame for one in stored] == frames


def test_analyses_are_listed_newest_first_by_page(database: Database) -> None:
    jobs = [begin(database) for _ in range(5)]
    with database.begin() as connection:
        first = analyses.list_analyses(connection, limit=3)
        last = first[-1]
        rest = analyses.list_analyses(connection, after=PagePosition(last.created_at, last.id))
    assert [one.id for one in (*first, *rest)] == [job.id for job in reversed(jobs)]


def test_analyses_are_listed_by_asset_owner_state_and_verdict(database: Database) -> None:
    found, failed, other = begin(database), begin(database), begin(database, owner="bob")
    complete(database, found)
    rows.mark_dead(database, rows.start(database, failed))
    wanted = {
        "asset": (found, {"asset_id": found.asset_id}),
        "owner": (other, {"owner": "bob"}),
        "state": (failed, {"state": JobState.FAILED}),
        "verdict": (found, {"verdict": "likely_manipulated"}),
        "both": (found, {"owner": "ann", "verdict": "likely_manipulated"}),
    }
    with database.begin() as connection:
        for job, filters in wanted.values():
            listed = analyses.list_analyses(connection, **filters)  # type: ignore[arg-type]
            assert [one.id for one in listed] == [job.id], filters


def test_only_expired_analyses_are_deleted(database: Database) -> None:
    expired, current, kept = begin(database), begin(database), begin(database)
    complete(database, expired, ttl_seconds=0)
    complete(database, current, ttl_seconds=3600)
    complete(database, kept)
    with database.begin() as connection:
        assert analyses.delete_expired(connection) == 1
    with database.begin() as connection:
        left = {one.id for one in analyses.list_analyses(connection)}
        assert analyses.delete_expired(connection) == 0
    assert left == {current.id, kept.id}
    assert analysis_rows.count(database, "analysis_results") == 2


@pytest.mark.parametrize("column", ["created_at", "expires_at"])
@pytest.mark.parametrize("time", ["infinity", "-infinity", "20000-01-01"])
def test_time_that_no_python_can_read_is_refused(
    database: Database, column: str, time: str
) -> None:
    begin(database)
    with pytest.raises(IntegrityError):
        rows.change(database, f"UPDATE analyses SET {column} = '{time}'")


def test_expired_analyses_are_deleted_in_batches(database: Database) -> None:
    for _ in range(3):
        complete(database, begin(database), ttl_seconds=0)
    with database.begin() as connection:
        assert analyses.delete_expired(connection, limit=2) == 2
        assert analyses.delete_expired(connection, limit=2) == 1


def test_figures_of_a_period_count_what_ended_in_it(database: Database) -> None:
    slow, cached = begin(database), begin(database)
    complete(database, slow)
    metrics = replace(FINDINGS.metrics, processing_seconds=0.5, cache_hit=True)
    metrics = replace(metrics, stage_seconds={"decode": 0.1}, confidence=None)
    result = replace(FINDINGS.result, verdict="inconclusive")
    complete(database, cached, replace(FINDINGS, result=result, metrics=metrics))
    now = datetime.now(UTC)
    day = timedelta(days=1)
    with database.begin() as connection:
        figures = measure_period(connection, now - day, now + day)
        nothing = measure_period(connection, now - 3 * day, now - 2 * day)
    assert (figures.analyses, figures.cache_hits, figures.frames) == (2, 1, 6)
    assert (figures.median_seconds, figures.mean_confidence) == (1.5, 0.75)
    assert figures.verdicts == {"likely_manipulated": 1, "inconclusive": 1}
    assert figures.stage_seconds == pytest.approx({"decode": 0.3, "inference": 1.75})
    assert (nothing.analyses, nothing.median_seconds, nothing.verdicts) == (0, None, {})
