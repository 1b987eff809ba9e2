"""Gaps: what could not be found out about a video, and why."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from cinemill.storage.findings import tables

_SAVE = text(
    """
    INSERT INTO finding_gap (asset_id, subject, code, message, hint)
    SELECT id, :subject, :code, :message, :hint FROM asset WHERE id = :asset_id
    ON CONFLICT (asset_id, subject) DO UPDATE
    SET code = excluded.code, message = excluded.message, hint = excluded.hint,
        noted_at = clock_timestamp()
    """
)
LASTING_SUBJECT = "source"
"""Of the gap that a damaged video itself leaves."""
LASTING_CODES = ("media_damaged", "media_truncated", "media_no_sound")
"""Of gaps that stay however often the same file is looked at."""
_CLOSE = text("DELETE FROM finding_gap WHERE asset_id = :asset_id AND subject = :subject")


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing, and why."""

    subject: str
    """A kind of finding, or a part of an ingestion, such as ``speech``."""
    code: str
    message: str
    hint: str = ""


def save_gap(connection: Connection, asset_id: str, gap: Gap) -> None:
    """Note a gap, in place of an earlier one of the same subject; nothing if the asset is gone."""
    values = {"subject": gap.subject, "code": gap.code, "message": gap.message, "hint": gap.hint}
    connection.execute(_SAVE, {"asset_id": asset_id, **values})


def close_gap(connection: Connection, asset_id: str, subject: str) -> None:
    """Remove the gap of a subject that was found out after all."""
    connection.execute(_CLOSE, {"asset_id": asset_id, "subject": subject})


def list_gaps(connection: Connection, asset_id: str) -> list[Gap]:
    """Return the gaps of a video by subject."""
    columns = tables.finding_gap.c
    query = (
        select(columns.subject, columns.code, columns.message, columns.hint)
        .where(columns.asset_id == asset_id)
        .order_by(columns.subject)
    )
    return [Gap(*row) for row in connection.execute(query)]
