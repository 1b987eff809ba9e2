"""What came through Celery belongs to the installation's one owner, as all else does.

Until now it belonged to ``celery``, and no search found it. Where the same file was uploaded too,
the two stay two videos: nothing is deleted, and searches find the uploaded one. The jobs and
analyses of the other stay with it.
"""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from alembic import op
from sqlalchemy import Connection, text

revision = "0017"
down_revision = "0016"

FORMER, OWNER = "celery", "local"

VIDEOS = """
UPDATE asset SET owner = 'local' WHERE owner = 'celery' AND NOT EXISTS (
    SELECT FROM asset AS same WHERE same.owner = 'local' AND same.sha256 = asset.sha256);
UPDATE passage SET owner = 'local' FROM asset
WHERE asset.id = passage.asset_id AND asset.owner = 'local' AND passage.owner = 'celery';
INSERT INTO word (owner, word)
SELECT DISTINCT 'local', asset_word.word FROM asset_word JOIN asset ON asset.id = asset_id
WHERE asset.owner = 'local' AND asset_word.owner = 'celery' ON CONFLICT DO NOTHING;
UPDATE asset_word SET owner = 'local' FROM asset
WHERE asset.id = asset_word.asset_id AND asset.owner = 'local' AND asset_word.owner = 'celery';
DELETE FROM word WHERE owner = 'celery' AND NOT EXISTS (
    SELECT FROM asset_word WHERE asset_word.owner = word.owner AND asset_word.word = word.word);
"""

REQUESTS = """
UPDATE job SET owner = 'local' WHERE owner = 'celery' AND NOT EXISTS (
    SELECT FROM job AS same
    WHERE same.owner = 'local' AND same.idempotency_key = job.idempotency_key) AND NOT EXISTS (
    SELECT FROM asset WHERE asset.id = job.asset_id AND asset.owner = 'celery');
UPDATE run SET owner = job.owner FROM job WHERE job.id = run.job_id AND run.owner = 'celery';
UPDATE analyses SET owner = 'local' WHERE owner = 'celery' AND NOT EXISTS (
    SELECT FROM asset WHERE asset.id = analyses.asset_id AND asset.owner = 'celery');
UPDATE conversation SET owner = 'local' WHERE owner = 'celery';
UPDATE provider_cost SET owner = 'local' WHERE owner = 'celery';
"""

# An entity's id follows from its owner, kind and key: its evidence moves to the one of that id.
MOVED = """
CREATE TEMPORARY TABLE moved_entity (
    old_id uuid PRIMARY KEY, new_id uuid NOT NULL, is_new boolean NOT NULL) ON COMMIT DROP
"""
MOVE = """
INSERT INTO moved_entity
VALUES (:old_id, :new_id, NOT EXISTS (SELECT FROM entity WHERE id = :new_id))
"""
ENTITIES = """
INSERT INTO entity (id, owner, kind, key, canonical_id)
SELECT new_id, 'local', entity.kind, entity.key, new_id
FROM moved_entity JOIN entity ON entity.id = old_id WHERE is_new;
UPDATE mention SET entity_id = new_id FROM moved_entity, asset
WHERE old_id = entity_id AND asset.id = mention.asset_id AND asset.owner = 'local';
UPDATE relation_evidence SET subject_id = new_id FROM moved_entity, asset
WHERE old_id = subject_id AND asset.id = relation_evidence.asset_id AND asset.owner = 'local';
UPDATE relation_evidence SET object_id = new_id FROM moved_entity, asset
WHERE old_id = object_id AND asset.id = relation_evidence.asset_id AND asset.owner = 'local';
"""

# A merge is kept unless its source was there already: then what was decided about it holds. As only
# new entities get one, no circle can close.
MERGES = """
INSERT INTO merge_log (owner, source_id, target_id, reason, score, decided_by, applied_at,
                       undone_at, undone_by)
SELECT 'local', source.new_id, target.new_id, reason, score, decided_by, applied_at, undone_at,
       undone_by
FROM merge_log JOIN moved_entity AS source ON source.old_id = source_id
JOIN moved_entity AS target ON target.old_id = target_id
WHERE source.is_new OR undone_at IS NOT NULL ORDER BY merge_log.id;
UPDATE entity SET merged_into = target.new_id
FROM entity AS former JOIN moved_entity AS source ON source.old_id = former.id
JOIN moved_entity AS target ON target.old_id = former.merged_into
WHERE source.is_new AND entity.id = source.new_id;
SELECT remove_orphan_entities(ARRAY(
    SELECT old_id FROM moved_entity UNION SELECT new_id FROM moved_entity WHERE is_new));
"""


def upgrade() -> None:
    connection = op.get_bind()
    op.execute(VIDEOS)
    op.execute(REQUESTS)
    _list_moved(connection)
    op.execute(ENTITIES)
    op.execute(MERGES)


def _list_moved(connection: Connection) -> None:
    connection.execute(text(MOVED))
    query = text("SELECT id, kind, key FROM entity WHERE owner = :owner")
    rows = connection.execute(query, {"owner": FORMER}).all()
    if rows:
        moved = [{"old_id": row.id, "new_id": _entity_id(row.kind, row.key)} for row in rows]
        connection.execute(text(MOVE), moved)


def _entity_id(kind: str, key: str) -> str:
    return str(uuid5(NAMESPACE_OID, "\x1f".join((OWNER, kind, key))))


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
