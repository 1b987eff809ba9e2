"""Reviews: the queue of analyses that need a person, decisions, and the audit trail.

A decision is added to the trail and never changes what the model said. The database rejects changes
of the trail; it ends with its analysis, when the video is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, text, tuple_

from cinemill.core.documents import JsonObject, check_text, quote
from cinemill.core.job import JobState
from cinemill.core.page_position import PagePosition
from cinemill.errors import Conflict, InputRejected
from cinemill.storage.analyses import tables
from cinemill.storage.analyses.analyses import lock_analysis, read_analysis
from cinemill.storage.analyses.records import Analysis, Review, ReviewAction
from cinemill.storage.analyses.results import get_result

LONGEST_REVIEWER_BYTES = 255
LONGEST_REASON_BYTES = 4096
PERSON_VERDICTS = ("likely_manipulated", "no_manipulation_found", "inconclusive", "no_face")
"""What a person can find; that no model was there is none of it."""

_COLUMNS = tables.analysis_reviews.c


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision that holds about an analysis, with what calibration needs to learn from it."""

    review_id: int
    analysis_id: str
    asset_id: str
    sha256: str
    """Of the video's bytes."""
    verdict: str
    """The person's."""
    model_verdict: str
    model_score: float | None
    versions: JsonObject
    decided_at: datetime


def flag_analysis(connection: Connection, analysis_id: str, *, reviewer: str, reason: str) -> int:
    """Put an analysis into the review queue and return the id of the trail's new entry.

    Raises as :func:`override_verdict` does.
    """
    return _add(connection, analysis_id, ReviewAction.FLAG, reviewer, reason, None, None)


def accept_verdict(
    connection: Connection, analysis_id: str, *, reviewer: str, reason: str, seen: int | None = None
) -> int:
    """Record that a person agrees with the model; otherwise as :func:`override_verdict`.

    Raises Conflict (``verdict_not_acceptable``) too, where nothing was examined.
    """
    return _add(connection, analysis_id, ReviewAction.ACCEPT, reviewer, reason, None, seen)


def override_verdict(
    connection: Connection,
    analysis_id: str,
    verdict: str,
    *,
    reviewer: str,
    reason: str,
    seen: int | None = None,
) -> int:
    """Record a person's own verdict and return the id of the trail's new entry.

    ``verdict`` is one of PERSON_VERDICTS. ``seen`` is the id of the last entry that the person saw
    (0: none), and None skips this check.

    Raises NotFound; InputRejected (``verdict_invalid``, ``reviewer_invalid``, ``reason_invalid``);
    Conflict (``analysis_not_completed``, ``review_conflict`` where somebody else decided in the
    meantime).
    """
    require_verdict(verdict)
    return _add(connection, analysis_id, ReviewAction.OVERRIDE, reviewer, reason, verdict, seen)


def _add(
    connection: Connection,
    analysis_id: str,
    action: ReviewAction,
    reviewer: str,
    reason: str,
    verdict: str | None,
    seen: int | None,
) -> int:
    name = _check_words(reviewer, "reviewer", LONGEST_REVIEWER_BYTES)
    why = _check_words(reason, "reason", LONGEST_REASON_BYTES)
    analysis = lock_analysis(connection, analysis_id)
    result = get_result(connection, analysis_id)
    if analysis.state is not JobState.COMPLETED or result is None:
        raise refuse_unfinished(analysis_id)
    if action is ReviewAction.ACCEPT:
        require_finding(analysis_id, result.verdict)
    if seen is not None:
        _require_unchanged(connection, analysis_id, seen)
    decided = result.verdict if action is ReviewAction.ACCEPT else verdict
    _update_queue(connection, analysis_id, decided)
    entry = {
        "analysis_id": analysis_id,
        "action": action.value,
        "reviewer": name,
        "reason": why,
        "model_verdict": result.verdict,
        "model_score": result.score,
        "verdict": decided,
    }
    added = tables.analysis_reviews.insert().values(entry).returning(_COLUMNS.id)
    return int(connection.execute(added).scalar_one())


def _check_words(value: str, name: str, most_bytes: int) -> str:
    words = check_text(value, name, most_bytes=most_bytes).strip()
    if not words:
        raise InputRejected(f"The {name} must not be empty.", code=f"{name}_invalid")
    return words


def _require_unchanged(connection: Connection, analysis_id: str, seen: int) -> None:
    last = select(func.max(_COLUMNS.id)).where(_COLUMNS.analysis_id == analysis_id)
    if (connection.execute(last).scalar() or 0) != seen:
        raise refuse_outdated(analysis_id)


def require_verdict(verdict: str) -> None:
    """Raise InputRejected (``verdict_invalid``) unless a person can find this verdict."""
    if verdict not in PERSON_VERDICTS:
        raise InputRejected(
            f"{quote(verdict)} is not a verdict of a review.",
            code="verdict_invalid",
            hint=f"Choose one of: {', '.join(PERSON_VERDICTS)}.",
        )


def require_finding(analysis_id: str, verdict: str) -> None:
    """Raise Conflict (``verdict_not_acceptable``) where the model found nothing to agree with."""
    if verdict not in PERSON_VERDICTS:
        raise Conflict(
            f"Nobody can agree with {verdict}: analysis {analysis_id} did not examine the video.",
            code="verdict_not_acceptable",
            hint="Record your own verdict instead, or install a detector and analyze it again.",
        )


def refuse_unfinished(analysis_id: str) -> Conflict:
    """Return the error for a review of an analysis that has no verdict yet."""
    return Conflict(
        f"Analysis {analysis_id} has no verdict yet.",
        code="analysis_not_completed",
        hint="Review it once it has completed.",
    )


def refuse_outdated(analysis_id: str) -> Conflict:
    """Return the error for a decision by a person who has not seen the last review."""
    return Conflict(
        f"Somebody else has reviewed analysis {analysis_id} in the meantime.",
        code="review_conflict",
        hint="Read the new entries of the audit trail, then decide again.",
    )


def _update_queue(connection: Connection, analysis_id: str, decided: str | None) -> None:
    """Take a decided analysis out of the queue for good, and put a flagged one in."""
    change: Mapping[str, Any] = {"needs_review": True, "expires_at": None}
    if decided is not None:
        change = {"needs_review": False, "reviewed_verdict": decided, "expires_at": None}
    connection.execute(
        tables.analyses.update().where(tables.analyses.c.id == analysis_id).values(change)
    )


def list_reviews(
    connection: Connection, analysis_id: str, *, after: int = 0, limit: int | None = None
) -> list[Review]:
    """Return the audit trail of an analysis, oldest first: the entries after such an id."""
    query = (
        select(tables.analysis_reviews)
        .where(_COLUMNS.analysis_id == analysis_id, _COLUMNS.id > after)
        .order_by(_COLUMNS.id)
        .limit(limit)
    )
    return [_read_review(row) for row in connection.execute(query).mappings()]


_STAYS = text(
    "NOT EXISTS (SELECT FROM asset"
    " WHERE asset.id = analyses.asset_id AND asset.deletion_ends IS NOT NULL)"
)


def list_review_queue(
    connection: Connection,
    *,
    owner: str | None = None,
    after: PagePosition | None = None,
    limit: int = 50,
) -> list[Analysis]:
    """Return analyses that need a person, oldest first, ``after`` a position.

    Those of videos that are about to be deleted are left out.
    """
    columns = tables.analyses.c
    query = (
        select(tables.analyses)
        .where(columns.needs_review, _STAYS)
        .order_by(columns.created_at, columns.id)
        .limit(limit)
    )
    if owner is not None:
        query = query.where(columns.owner == owner)
    if after is not None:
        query = query.where(tuple_(columns.created_at, columns.id) > (after.at, after.id))
    return [read_analysis(row) for row in connection.execute(query).mappings()]


_DECISIONS = text(
    """
    SELECT review.id AS review_id, review.analysis_id, analyses.asset_id, asset.sha256,
           review.verdict, review.model_verdict, review.model_score, analysis_results.versions,
           review.created_at AS decided_at
    FROM analysis_reviews AS review
    JOIN analyses ON analyses.id = review.analysis_id
    JOIN analysis_results ON analysis_results.analysis_id = review.analysis_id
    JOIN asset ON asset.id = analyses.asset_id
    WHERE review.id > :after AND review.verdict IS NOT NULL AND NOT EXISTS (
        SELECT FROM analysis_reviews AS later
        WHERE later.analysis_id = review.analysis_id AND later.id > review.id
          AND later.verdict IS NOT NULL)
    ORDER BY review.id LIMIT :limit
    """
)


def list_decisions(connection: Connection, *, after: int = 0, limit: int = 1000) -> list[Decision]:
    """Return the last decision about each analysis, by ``review_id``; those after such an id."""
    rows = connection.execute(_DECISIONS, {"after": after, "limit": limit}).mappings()
    return [Decision(**row) for row in rows]


def _read_review(row: RowMapping) -> Review:
    return Review(**{**row, "action": ReviewAction(row["action"])})
