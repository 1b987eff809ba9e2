"""Everything that an ingestion stores about a video, so that two of them can be compared."""

from __future__ import annotations

from sqlalchemy import text
from tests.integration.worker.conftest import Stack

# Ids and times of day differ between any two ingestions; the owner may.
_UNLIKE = "'{id,asset_id,set_id,transcript_id,owner,created_at,step_key,filename}'::text[]"
_TABLES = {
    # Captions as JSON say how long their transcription took.
    "artifact": f"SELECT to_jsonb(artifact) - {_UNLIKE} - "
    "CASE kind WHEN 'captions_json' THEN '{sha256,size_bytes}' ELSE '{}' END::text[] "
    "FROM artifact WHERE asset_id = :id",
    "transcript": f"SELECT to_jsonb(transcript) - {_UNLIKE} - 'facts' FROM transcript "
    "WHERE asset_id = :id",
    "utterance": f"SELECT to_jsonb(utterance) - {_UNLIKE} FROM utterance "
    "JOIN transcript ON transcript.id = transcript_id WHERE asset_id = :id",
    # The digest of what knowledge rests on names passages by their ids.
    "finding_set": f"SELECT to_jsonb(finding_set) - {_UNLIKE} - "
    "CASE kind WHEN 'knowledge' THEN 'params_digest' ELSE '' END FROM finding_set "
    "WHERE asset_id = :id",
    "finding": f"SELECT finding_set.kind, to_jsonb(finding) - {_UNLIKE} FROM finding "
    "JOIN finding_set ON finding_set.id = set_id WHERE asset_id = :id",
    "finding_gap": f"SELECT to_jsonb(finding_gap) - {_UNLIKE} - 'noted_at' FROM finding_gap "
    "WHERE asset_id = :id",
    "passage": f"SELECT to_jsonb(passage) - {_UNLIKE} FROM passage WHERE asset_id = :id",
    "asset_word": "SELECT word FROM asset_word WHERE asset_id = :id",
    "embedding": "SELECT track, number, CAST(embedding AS text) FROM embedding_384 "
    "JOIN passage ON passage.id = passage_id WHERE asset_id = :id",
    "mention": "SELECT name, entity.kind, key, modality, number, start_ms, end_ms, span_start, "
    "span_end, confidence, is_inferred FROM mention JOIN entity ON entity.id = entity_id "
    "WHERE asset_id = :id",
    "relation_evidence": "SELECT to_jsonb(relation_evidence) - "
    "'{asset_id,subject_id,object_id,passage_id}'::text[] FROM relation_evidence "
    "WHERE asset_id = :id",
    "scene": f"SELECT to_jsonb(scene) - {_UNLIKE} FROM scene WHERE asset_id = :id",
    "scene_object": f"SELECT to_jsonb(scene_object) - {_UNLIKE} FROM scene_object "
    "WHERE asset_id = :id",
    "scene_relation": f"SELECT to_jsonb(scene_relation) - {_UNLIKE} FROM scene_relation "
    "WHERE asset_id = :id",
}


def read_all_rows(stack: Stack, asset_id: str) -> dict[str, list[str]]:
    """Return all rows about a video by table, without ids and times of day."""
    with stack.database.begin() as connection:
        return {
            table: sorted(
                str(tuple(row)) for row in connection.execute(text(query), {"id": asset_id})
            )
            for table, query in _TABLES.items()
        }
