"""Every listed query about analyses finds its rows by an index, with 40,000 analyses stored.

The statements are those that the functions really send; see ``plans.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.integration.storage.analysis_rows import FINDINGS, KEY
from tests.integration.storage.plans import (
    RollBack,
    assert_by_index,
    assert_in_index_order,
)

from cinemill.core.job import JobState
from cinemill.core.page_position import PagePosition
from cinemill.storage.analyses import analyses, results, reviews
from cinemill.storage.analyses.frame_scores import list_frame_scores
from cinemill.storage.analyses.metrics import measure_period
from cinemill.storage.analyses.records import FramePosition, ReviewAction
from cinemill.storage.analyses.regions import list_regions
from cinemill.storage.database import Database
from cinemill.storage.media import assets

NOW = datetime.now(UTC)
A_DAY = timedelta(days=1)
PAGE = PagePosition(NOW - 10 * A_DAY, "analysis-5000")

_FILL = """
INSERT INTO asset (id, owner, sha256, size_bytes, filename)
SELECT 'asset-' || n, 'owner-' || n % 50, 'sha-' || n, 1, 'film.mp4'
FROM generate_series(1, 5000) AS n;
INSERT INTO job (id, kind, owner, priority, asset_id, request_digest)
SELECT 'job-' || n, 'detect_video', 'owner-1', 5, 'asset-1', '' FROM generate_series(1, 2000) AS n;
INSERT INTO analyses (id, asset_id, owner, kind, state, step_key, verdict, needs_review,
                      created_at, expires_at)
SELECT 'analysis-' || n, 'asset-' || 1 + n % 5000, 'owner-' || n % 50, 'detect_video',
       CASE n % 100 WHEN 0 THEN 'failed' WHEN 1 THEN 'running' WHEN 2 THEN 'pending'
           WHEN 3 THEN 'cancelled' ELSE 'completed' END,
       'key-' || n,
       CASE WHEN n % 100 BETWEEN 1 AND 3 THEN NULL WHEN n % 100 = 0 THEN 'failed'
           WHEN n % 20 = 4 THEN 'likely_manipulated' WHEN n % 20 = 5 THEN 'inconclusive'
           ELSE 'no_manipulation_found' END,
       n % 20 = 5, now() - n * interval '1 minute',
       CASE WHEN n % 2 = 0 THEN now() + (20000 - n) * interval '1 minute' END
FROM generate_series(1, 40000) AS n;
INSERT INTO analysis_results (analysis_id, verdict, score)
SELECT id, verdict, 0.5 FROM analyses WHERE state = 'completed';
INSERT INTO analysis_metrics (analysis_id, processing_seconds, stage_seconds, frame_count,
                              cache_hit, measured_at)
SELECT id, 1, '{"decode": 0.5}', 32, false, created_at FROM analyses WHERE state = 'completed';
INSERT INTO frame_scores (analysis_id, time_ms, position, pts, score)
SELECT 'analysis-' || n, place * 40, place, place, 0.5
FROM generate_series(4, 4000) AS n, generate_series(0, 31) AS place;
INSERT INTO frame_scores (analysis_id, time_ms, position, pts, score)
SELECT 'analysis-40000', place * 40, place, place, 0.5 FROM generate_series(0, 9999) AS place;
INSERT INTO suspicious_regions (analysis_id, number, start_ms, end_ms, score, box_left, box_top,
                                box_width, box_height)
SELECT 'analysis-' || n, number, 0, 40, 0.9, 0, 0, 1, 1
FROM generate_series(4, 10000) AS n, generate_series(1, 3) AS number;
INSERT INTO analysis_reviews (analysis_id, action, reviewer, reason, model_verdict, verdict)
SELECT 'analysis-' || n, 'accept', 'Eve', 'seen', 'inconclusive', 'inconclusive'
FROM generate_series(5, 30000, 5) AS n ORDER BY n;
"""


@pytest.fixture(scope="module")
def filled(migrated: Database) -> Iterator[Database]:
    with migrated.begin() as connection:
        connection.execute(text("TRUNCATE asset, job, analyses CASCADE"))
        for statement in filter(str.strip, _FILL.split(";\n")):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.execute(text("ANALYZE"))
    yield migrated
    with migrated.begin() as connection:
        connection.execute(text("TRUNCATE asset, job, analyses CASCADE"))


IN_ORDER: dict[str, Callable[[Connection], object]] = {
    "newest analyses": analyses.list_analyses,
    "of an asset, newest first": lambda c: analyses.list_analyses(c, asset_id="asset-77"),
    "of an owner": lambda c: analyses.list_analyses(c, owner="owner-7"),
    "by state": lambda c: analyses.list_analyses(c, state=JobState.FAILED),
    "by verdict": lambda c: analyses.list_analyses(c, verdict="likely_manipulated"),
    "page": lambda c: analyses.list_analyses(c, after=PAGE),
    "page of an asset": lambda c: analyses.list_analyses(c, asset_id="asset-77", after=PAGE),
    "page of an owner": lambda c: analyses.list_analyses(c, owner="owner-7", after=PAGE),
    "page by state": lambda c: analyses.list_analyses(c, state=JobState.FAILED, after=PAGE),
    "page by verdict": lambda c: analyses.list_analyses(c, verdict="inconclusive", after=PAGE),
    "review queue": reviews.list_review_queue,
    "page of the review queue": lambda c: reviews.list_review_queue(c, after=PAGE),
    "frames": lambda c: list_frame_scores(c, "analysis-40000", limit=500),
    "page of frames": lambda c: list_frame_scores(
        c, "analysis-40000", after=FramePosition(200_000, 5000), limit=500
    ),
    "frames of a time range": lambda c: list_frame_scores(
        c, "analysis-40000", from_ms=100_000, until_ms=110_000
    ),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_pages_of_analyses_are_read_in_index_order(filled: Database, name: str) -> None:
    assert_in_index_order(filled, IN_ORDER[name])


BY_INDEX: dict[str, Callable[[Connection], object]] = {
    "review queue of an owner": lambda c: reviews.list_review_queue(c, owner="owner-5"),
    "analysis": lambda c: analyses.get_analysis(c, "analysis-7"),
    "result": lambda c: results.get_result(c, "analysis-7"),
    "metrics": lambda c: results.get_metrics(c, "analysis-7"),
    "regions": lambda c: list_regions(c, "analysis-7"),
    "trail": lambda c: reviews.list_reviews(c, "analysis-10"),
    "decisions": lambda c: reviews.list_decisions(c, after=5980),
    "metrics of an hour": lambda c: measure_period(c, NOW - A_DAY - A_DAY / 24, NOW - A_DAY),
    "expired": lambda c: analyses.delete_expired(c, limit=100),
    "creation": lambda c: analyses.create_analysis(c, "job-7"),
    "findings": lambda c: results.save_findings(c, "analysis-9", KEY, FINDINGS),
    "override": lambda c: reviews.override_verdict(
        c, "analysis-10", "no_face", reviewer="Eve", reason="why"
    ),
}


@pytest.mark.parametrize("name", BY_INDEX)
def test_analysis_queries_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, BY_INDEX[name])


DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "analysis-tables.md"
WORDS = {*JobState, *ReviewAction}
"""Values that the page names next to the columns."""
TABLES = [
    "analyses",
    "analysis_results",
    "analysis_metrics",
    "frame_scores",
    "suspicious_regions",
    "analysis_reviews",
]


def test_deletion_of_an_asset_reads_no_table_of_analyses_from_end_to_end(filled: Database) -> None:
    """PostgreSQL sends the statements of the cascade itself; it counts how it reads the tables."""
    scans = "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(:names)"

    def count_scans(connection: Connection) -> dict[str, Any]:
        rows = connection.execute(text(scans), {"names": TABLES})
        return {row.relname: row.seq_scan for row in rows}

    with pytest.raises(RollBack), filled.begin() as connection:
        before = count_scans(connection)
        assert assets.delete_asset(connection, "asset-77")
        after = count_scans(connection)
        assert after == {name: before.get(name, 0) for name in after}
        assert (
            connection.execute(
                text("SELECT count(*) FROM analyses WHERE asset_id = 'asset-77'")
            ).scalar_one()
            == 0
        )
        raise RollBack


def list_documented_queries() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return [query for block in blocks for query in block.split(";\n") if query.strip()]


@pytest.mark.parametrize("number", range(9))
def test_documented_queries_run_and_use_indexes(filled: Database, number: int) -> None:
    query = text(list_documented_queries()[number])
    assert_by_index(filled, lambda c: c.execute(query))


def test_documented_queries_are_all_tested() -> None:
    assert len(list_documented_queries()) == 9


def test_documented_columns_exist(filled: Database) -> None:
    """The page names each table with its columns."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|(.*)\|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert {table for table, _ in rows} == set(TABLES)
    for table, cells in rows:
        columns = {name for name in re.findall(r"`(\w+)`", cells) if name not in WORDS}
        listed = ", ".join(sorted(columns))
        with filled.begin() as connection:
            connection.execute(text(f"SELECT {listed} FROM {table} LIMIT 1"))


def test_plan_without_an_index_would_be_noticed(filled: Database) -> None:
    statement = text("SELECT * FROM analyses WHERE error_hint = 'x' ORDER BY error_code")
    with pytest.raises(AssertionError):
        assert_by_index(filled, lambda c: c.execute(statement))
    unordered = text(
        "SELECT * FROM analyses WHERE asset_id = 'asset-7' ORDER BY error_code LIMIT 5"
    )
    with pytest.raises(AssertionError):
        assert_in_index_order(filled, lambda c: c.execute(unordered))
