"""Stored files that no row names, and since when: by the database's clock, the only clock.

A file's own time is that of whatever machine stored it, and may be hours off; one that is about to
get its row would look as if nobody had wanted it for long.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from cinemill.storage.json_columns import json_parameter


def record_orphans(
    connection: Connection, found: Mapping[str, str], *, grace_seconds: float
) -> list[str]:
    """Record all files without a row, as hash and identity; return the hashes of old ones.

    Those were recorded at least ``grace_seconds`` ago and have been the same file ever since. What
    was recorded before and is not among the files is dropped: it got its row, or is gone.
    """
    document = [{"sha256": sha256, "identity": identity} for sha256, identity in found.items()]
    rows = connection.execute(
        text(
            """
            WITH given AS (
                SELECT * FROM jsonb_to_recordset(:found) AS one (sha256 text, identity text)
            ), forgotten AS (
                DELETE FROM orphan WHERE sha256 NOT IN (SELECT sha256 FROM given)
            )
            INSERT INTO orphan (sha256, identity) SELECT sha256, identity FROM given
            ON CONFLICT (sha256) DO UPDATE SET identity = excluded.identity,
                noted_at = CASE WHEN orphan.identity = excluded.identity THEN orphan.noted_at
                                ELSE clock_timestamp() END
            RETURNING sha256,
                noted_at <= calendar_time() - make_interval(secs => :grace) AS is_old
            """
        ).bindparams(json_parameter("found")),
        {"found": document, "grace": grace_seconds},
    )
    return [row.sha256 for row in rows if row.is_old]
