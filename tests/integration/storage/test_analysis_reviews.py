"""Reviews: a queue, decisions that leave the model's verdict alone, a trail that only grows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.integration.storage import analysis_rows, rows
from tests.integration.storage.analysis_rows import FINDINGS, begin, complete, get

from cinemill.core.job import Job
from cinemill.core.page_position import PagePosition
from cinemill.errors import Conflict, InputRejected, NotFound
from cinemill.storage.analyses import analyses, results, reviews
from cinemill.storage.analyses.records import Review, ReviewAction
from cinemill.storage.database import Database

WORDS = {"reviewer": "Eve Example", "reason": "The mouth does not match the sound."}


def reviewed(database: Database, *, needs_review: bool = False) -> Job:
    job = begin(database)
    complete(database, job, needs_review=needs_review)
    return job


def queue(database: Database) -> list[str]:
    with database.begin() as connection:
        return [one.id for one in reviews.list_review_queue(connection)]


def accept(database: Database, job: Job, *, seen: int | None = None) -> int:
    with database.begin() as connection:
        return reviews.accept_verdict(connection, job.id, seen=seen, **WORDS)


def override(
    database: Database, job: Job, verdict: str = "no_manipulation_found", *, seen: int | None = None
) -> int:
    with database.begin() as connection:
        return reviews.override_verdict(connection, job.id, verdict, seen=seen, **WORDS)


def trail(database: Database, job: Job) -> list[Review]:
    with database.begin() as connection:
        return reviews.list_reviews(connection, job.id)


def test_review_queue_holds_what_needs_a_person_oldest_first(database: Database) -> None:
    first, second = (reviewed(database, needs_review=True) for _ in range(2))
    reviewed(database)
    assert queue(database) == [first.id, second.id]
    with database.begin() as connection:
        one = reviews.list_review_queue(connection, limit=1)[0]
        position = PagePosition(one.created_at, one.id)
        rest = reviews.list_review_queue(connection, after=position)
        assert reviews.list_review_queue(connection, owner="bob") == []
    assert [one.id for one in rest] == [second.id]


def test_flagged_analysis_enters_the_queue_with_its_reason(database: Database) -> None:
    job = reviewed(database)
    with database.begin() as connection:
        reviews.flag_analysis(connection, job.id, **WORDS)
    assert queue(database) == [job.id]
    entry = trail(database, job)[0]
    assert (entry.action, entry.verdict) == (ReviewAction.FLAG, None)
    assert (entry.reviewer, entry.reason) == (WORDS["reviewer"], WORDS["reason"])


def test_accepted_analysis_leaves_the_queue(database: Database) -> None:
    job = reviewed(database, needs_review=True)
    accept(database, job)
    analysis = get(database, job)
    assert queue(database) == []
    assert (analysis.verdict, analysis.reviewed_verdict) == ("likely_manipulated",) * 2


def test_nobody_accepts_the_verdict_of_a_video_that_was_not_examined(database: Database) -> None:
    job = begin(database)
    result = replace(FINDINGS.result, verdict="no_model", score=None)
    complete(database, job, replace(FINDINGS, result=result))
    with pytest.raises(Conflict, match="Nobody can agree with no_model") as refused:
        accept(database, job)
    assert refused.value.code == "verdict_not_acceptable"
    assert trail(database, job) == []
    override(database, job)
    assert get(database, job).reviewed_verdict == "no_manipulation_found"


def test_override_never_changes_what_the_model_said(database: Database) -> None:
    job = reviewed(database, needs_review=True)
    override(database, job)
    analysis = get(database, job)
    assert analysis.verdict == "likely_manipulated"
    assert analysis.reviewed_verdict == "no_manipulation_found"
    with database.begin() as connection:
        assert results.get_result(connection, job.id) == FINDINGS.result


def test_trail_holds_every_decision_in_order(database: Database) -> None:
    job = reviewed(database)
    first, second = accept(database, job), override(database, job, "inconclusive")
    entries = trail(database, job)
    assert [one.id for one in entries] == [first, second]
    assert [one.action for one in entries] == [ReviewAction.ACCEPT, ReviewAction.OVERRIDE]
    assert [one.verdict for one in entries] == ["likely_manipulated", "inconclusive"]
    assert {(one.model_verdict, one.model_score) for one in entries} == {
        ("likely_manipulated", 0.875)
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE analysis_reviews SET reason = 'other'",
        "UPDATE analysis_reviews SET verdict = 'no_face' WHERE action = 'accept'",
        "DELETE FROM analysis_reviews",
    ],
)
def test_database_rejects_changes_of_the_trail(database: Database, statement: str) -> None:
    job = reviewed(database)
    accept(database, job)
    before = trail(database, job)
    with pytest.raises(IntegrityError, match="audit trail"):
        rows.change(database, statement)
    assert trail(database, job) == before


def test_reviewed_analysis_does_not_expire(database: Database) -> None:
    job = reviewed(database)
    rows.change(database, "UPDATE analyses SET expires_at = now() - interval '1 day'")
    accept(database, job)
    with database.begin() as connection:
        assert analyses.delete_expired(connection) == 0
    assert get(database, job).expires_at is None


def test_findings_of_another_attempt_do_not_reopen_a_decided_review(database: Database) -> None:
    job = reviewed(database, needs_review=True)
    override(database, job)
    analysis_rows.save(database, job, needs_review=True, ttl_seconds=0)
    assert queue(database) == []
    assert get(database, job).expires_at is None


def test_decision_about_a_trail_that_has_changed_is_a_conflict(database: Database) -> None:
    job = reviewed(database)
    first = accept(database, job, seen=0)
    with pytest.raises(Conflict) as refused:
        override(database, job, seen=0)
    assert refused.value.code == "review_conflict"
    override(database, job, seen=first)
    assert len(trail(database, job)) == 2


def test_of_people_who_decide_at_once_one_wins(database: Database) -> None:
    job = reviewed(database)

    def try_override(_: int) -> bool:
        try:
            override(database, job, seen=0)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_override, range(8))) == 1
    assert len(trail(database, job)) == 1


def test_analysis_without_a_verdict_cannot_be_reviewed(database: Database) -> None:
    job = begin(database)
    with pytest.raises(Conflict) as refused:
        accept(database, job)
    assert refused.value.code == "analysis_not_completed"
    rows.mark_dead(database, rows.start(database, job))
    with pytest.raises(Conflict):
        accept(database, job)
    with pytest.raises(NotFound):
        override(database, rows.accept(database))


@pytest.mark.parametrize(
    ("reviewer", "reason", "code"),
    [
        (" ", "why", "reviewer_invalid"),
        ("Eve", "\n", "reason_invalid"),
        ("E\x00ve", "why", "reviewer_invalid"),
        ("Eve", "x" * 5000, "reason_invalid"),
    ],
)
def test_review_needs_a_name_and_a_reason(
    database: Database, reviewer: str, reason: str, code: str
) -> None:
    job = reviewed(database)
    with pytest.raises(InputRejected) as refused, database.begin() as connection:
        reviews.accept_verdict(connection, job.id, reviewer=reviewer, reason=reason)
    assert refused.value.code == code
    assert trail(database, job) == []


@pytest.mark.parametrize("verdict", ["authentic", "no_model", "failed", ""])
def test_person_cannot_reach_a_verdict_that_is_none(database: Database, verdict: str) -> None:
    job = reviewed(database)
    with pytest.raises(InputRejected) as refused:
        override(database, job, verdict)
    assert refused.value.code == "verdict_invalid"


def test_last_decision_about_each_analysis_is_listed_for_calibration(database: Database) -> None:
    changed, kept, flagged = (reviewed(database) for _ in range(3))
    accept(database, changed)
    last = override(database, changed)
    other = accept(database, kept)
    with database.begin() as connection:
        reviews.flag_analysis(connection, changed.id, **WORDS)
        reviews.flag_analysis(connection, flagged.id, **WORDS)
        decisions = reviews.list_decisions(connection)
        rest = reviews.list_decisions(connection, after=last)
    assert [one.review_id for one in decisions] == [last, other]
    assert rest == decisions[1:]
    first = decisions[0]
    assert (first.verdict, first.model_verdict) == ("no_manipulation_found", "likely_manipulated")
    assert (first.model_score, first.versions) == (0.875, {"clip": "abc"})
    assert first.asset_id == get(database, changed).asset_id


def test_decision_without_a_score_is_listed_too(database: Database) -> None:
    job = begin(database)
    result = replace(FINDINGS.result, verdict="inconclusive", score=None)
    complete(database, job, replace(FINDINGS, result=result))
    override(database, job, "likely_manipulated")
    with database.begin() as connection:
        assert reviews.list_decisions(connection)[0].model_score is None
