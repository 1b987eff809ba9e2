"""Findings, knowledge, passages, embeddings and conversations.

No weight or count is stored: they are counted from rows that belong to one asset each, so that
deleting an asset leaves exactly what the others say. What several assets share (entities, words) is
removed by triggers with the last row that refers to it.
"""

from __future__ import annotations

from alembic import op

from cinemill.storage.extensions import require_extensions

revision = "0012"
down_revision = "0011"

FINDINGS = """
ALTER TABLE asset ADD COLUMN collection text NOT NULL DEFAULT '';
CREATE TABLE finding_set (
    id uuid PRIMARY KEY,
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    kind text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    revision text NOT NULL DEFAULT '',
    version integer NOT NULL,
    params_digest text NOT NULL,
    state text NOT NULL DEFAULT 'filling',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT finding_set_state_check CHECK (state IN ('filling', 'active'))
);
CREATE INDEX finding_set_asset_idx ON finding_set (asset_id, kind);
CREATE UNIQUE INDEX finding_set_active_idx ON finding_set (asset_id, kind) WHERE state = 'active';
CREATE TABLE finding (
    set_id uuid NOT NULL REFERENCES finding_set (id) ON DELETE CASCADE,
    part integer NOT NULL,
    number integer NOT NULL,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    label text NOT NULL,
    -- In lower case and short enough for an index, which a text in the picture may not be.
    label_key text NOT NULL,
    confidence double precision,
    box_left double precision,
    box_top double precision,
    box_width double precision,
    box_height double precision,
    track integer,
    details jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (set_id, part, number),
    CONSTRAINT finding_times_check CHECK (start_ms >= 0 AND end_ms > start_ms),
    CONSTRAINT finding_confidence_check CHECK (confidence BETWEEN 0 AND 1)
);
CREATE INDEX finding_time_idx ON finding (set_id, start_ms, part, number);
CREATE INDEX finding_label_idx ON finding (label_key, set_id, start_ms);
"""

KNOWLEDGE = """
CREATE TABLE entity (
    id uuid PRIMARY KEY,
    owner text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    merged_into uuid REFERENCES entity (id) ON DELETE SET NULL,
    -- The end of the chain of merged_into; a trigger follows every change.
    canonical_id uuid NOT NULL,
    CONSTRAINT entity_owner_kind_key UNIQUE (owner, kind, key),
    CONSTRAINT entity_merged_check CHECK (merged_into <> id)
);
CREATE INDEX entity_canonical_idx ON entity (canonical_id);
CREATE INDEX entity_merged_into_idx ON entity (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX entity_key_trigram_idx ON entity USING gin (key gin_trgm_ops);
-- Created before passages: then an asset's mentions go first when it is deleted, and the passages'
-- foreign keys find no row to change that is about to go anyway.
CREATE TABLE mention (
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    modality text NOT NULL,
    number integer NOT NULL,
    entity_id uuid NOT NULL REFERENCES entity (id),
    passage_id uuid,
    name text NOT NULL,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    span_start integer,
    span_end integer,
    confidence double precision,
    is_inferred boolean NOT NULL DEFAULT false,
    PRIMARY KEY (asset_id, modality, number),
    CONSTRAINT mention_modality_check CHECK (modality IN ('speech', 'text', 'picture'))
);
CREATE INDEX mention_entity_idx ON mention (entity_id, passage_id);
CREATE INDEX mention_passage_idx ON mention (passage_id, entity_id);
CREATE TABLE relation_evidence (
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    modality text NOT NULL,
    number integer NOT NULL,
    subject_id uuid NOT NULL REFERENCES entity (id),
    predicate text NOT NULL,
    object_id uuid NOT NULL REFERENCES entity (id),
    subject_name text NOT NULL,
    object_name text NOT NULL,
    kind text NOT NULL,
    passage_id uuid,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    span_start integer,
    span_end integer,
    is_negated boolean NOT NULL DEFAULT false,
    is_possible boolean NOT NULL DEFAULT false,
    according_to text NOT NULL DEFAULT '',
    confidence double precision,
    PRIMARY KEY (asset_id, modality, number),
    CONSTRAINT relation_evidence_modality_check CHECK (modality IN ('speech', 'text', 'picture')),
    CONSTRAINT relation_evidence_kind_check
        CHECK (kind IN ('stated', 'inferred', 'co-occurrence', 'spatial'))
);
CREATE INDEX relation_evidence_subject_idx ON relation_evidence (subject_id);
CREATE INDEX relation_evidence_object_idx ON relation_evidence (object_id);
CREATE INDEX relation_evidence_passage_idx ON relation_evidence (passage_id);
CREATE TABLE merge_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    source_id uuid NOT NULL REFERENCES entity (id) ON DELETE CASCADE,
    target_id uuid NOT NULL REFERENCES entity (id) ON DELETE CASCADE,
    reason text NOT NULL,
    score double precision,
    decided_by text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_at timestamptz,
    undone_by text,
    CONSTRAINT merge_log_undone_check CHECK ((undone_at IS NULL) = (undone_by IS NULL))
);
CREATE UNIQUE INDEX merge_log_applied_idx ON merge_log (source_id) WHERE undone_at IS NULL;
CREATE INDEX merge_log_owner_idx ON merge_log (owner, id);
CREATE INDEX merge_log_source_idx ON merge_log (source_id);
CREATE INDEX merge_log_target_idx ON merge_log (target_id);
CREATE TABLE scene (
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    shot integer NOT NULL,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    PRIMARY KEY (asset_id, shot)
);
CREATE TABLE scene_object (
    asset_id text NOT NULL,
    shot integer NOT NULL,
    number integer NOT NULL,
    label text NOT NULL,
    track integer,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    confidence double precision,
    PRIMARY KEY (asset_id, shot, number),
    CONSTRAINT scene_object_scene_fkey FOREIGN KEY (asset_id, shot)
        REFERENCES scene (asset_id, shot) ON DELETE CASCADE
);
CREATE INDEX scene_object_label_idx ON scene_object (label, asset_id, shot);
CREATE TABLE scene_relation (
    asset_id text NOT NULL,
    shot integer NOT NULL,
    subject integer NOT NULL,
    predicate text NOT NULL,
    object integer NOT NULL,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    confidence double precision,
    PRIMARY KEY (asset_id, shot, subject, predicate, object, start_ms),
    CONSTRAINT scene_relation_subject_fkey FOREIGN KEY (asset_id, shot, subject)
        REFERENCES scene_object (asset_id, shot, number) ON DELETE CASCADE,
    CONSTRAINT scene_relation_object_fkey FOREIGN KEY (asset_id, shot, object)
        REFERENCES scene_object (asset_id, shot, number) ON DELETE CASCADE
);
CREATE INDEX scene_relation_object_idx ON scene_relation (asset_id, shot, object);
"""

PASSAGES = """
CREATE TABLE passage (
    id uuid PRIMARY KEY,
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    owner text NOT NULL,
    collection text NOT NULL DEFAULT '',
    track text NOT NULL,
    number integer NOT NULL,
    start_ms bigint NOT NULL,
    end_ms bigint NOT NULL,
    text text NOT NULL,
    language text NOT NULL DEFAULT '',
    speaker text NOT NULL DEFAULT '',
    -- Words as they are, for names, phrases and every language; and stems where English is likely.
    words tsvector GENERATED ALWAYS AS (
        to_tsvector('simple'::regconfig, text) || CASE WHEN language IN ('', 'en')
            THEN to_tsvector('english'::regconfig, text) ELSE ''::tsvector END) STORED,
    CONSTRAINT passage_asset_track_number_key UNIQUE (asset_id, track, number),
    CONSTRAINT passage_track_check CHECK (track IN ('speech', 'text', 'picture')),
    CONSTRAINT passage_times_check CHECK (start_ms >= 0 AND end_ms > start_ms),
    CONSTRAINT passage_text_check CHECK (length(text) <= 20000)
);
CREATE INDEX passage_owner_idx ON passage (owner, collection);
CREATE INDEX passage_speaker_idx ON passage (owner, speaker) WHERE speaker <> '';
CREATE INDEX passage_words_idx ON passage USING gin (words);
ALTER TABLE mention ADD CONSTRAINT mention_passage_id_fkey
    FOREIGN KEY (passage_id) REFERENCES passage (id) ON DELETE SET NULL;
ALTER TABLE relation_evidence ADD CONSTRAINT relation_evidence_passage_id_fkey
    FOREIGN KEY (passage_id) REFERENCES passage (id) ON DELETE SET NULL;
-- The words that an owner's passages contain: similar ones are found here, in a table far smaller
-- than that of passages. Whoever adds a row of asset_word only shares the lock of its word.
CREATE TABLE word (
    owner text NOT NULL,
    word text NOT NULL,
    PRIMARY KEY (owner, word)
);
CREATE INDEX word_trigram_idx ON word USING gin (word gin_trgm_ops);
CREATE TABLE asset_word (
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    owner text NOT NULL,
    word text NOT NULL,
    PRIMARY KEY (asset_id, word),
    CONSTRAINT asset_word_word_fkey FOREIGN KEY (owner, word) REFERENCES word (owner, word)
);
CREATE INDEX asset_word_word_idx ON asset_word (owner, word);
CREATE FUNCTION copy_collection_to_passages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE passage SET collection = NEW.collection WHERE asset_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER asset_collection_to_passages AFTER UPDATE OF collection ON asset
    FOR EACH ROW WHEN (OLD.collection <> NEW.collection)
    EXECUTE FUNCTION copy_collection_to_passages();
"""

EMBEDDINGS = """
CREATE TABLE embedding_model (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space text NOT NULL,
    name text NOT NULL,
    revision text NOT NULL DEFAULT '',
    dimension integer NOT NULL,
    tracks text[] NOT NULL,
    state text NOT NULL DEFAULT 'filling',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT embedding_model_name_key UNIQUE (space, name, revision),
    -- HNSW indexes halfvec up to 4,000 numbers.
    CONSTRAINT embedding_model_dimension_check CHECK (dimension BETWEEN 1 AND 4000),
    CONSTRAINT embedding_model_state_check CHECK (state IN ('filling', 'active', 'retired'))
);
CREATE UNIQUE INDEX embedding_model_active_idx ON embedding_model (space) WHERE state = 'active';
CREATE FUNCTION create_embedding_partition(model integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    size integer;
BEGIN
    SELECT dimension INTO STRICT size FROM embedding_model WHERE id = model;
    EXECUTE format('CREATE TABLE IF NOT EXISTS embedding_%s (
        model_id integer NOT NULL REFERENCES embedding_model (id),
        passage_id uuid NOT NULL REFERENCES passage (id) ON DELETE CASCADE,
        embedding halfvec(%s) NOT NULL,
        PRIMARY KEY (passage_id, model_id)) PARTITION BY LIST (model_id)', size, size);
    EXECUTE format('CREATE TABLE embedding_%s_%s PARTITION OF embedding_%s FOR VALUES IN (%s)',
        size, model, size, model);
END $$;
"""

CONVERSATIONS = """
CREATE TABLE conversation (
    id uuid PRIMARY KEY,
    owner text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX conversation_owner_idx ON conversation (owner, used_at DESC, id DESC);
CREATE INDEX conversation_used_at_idx ON conversation (used_at);
CREATE TABLE conversation_turn (
    conversation_id uuid NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    number integer NOT NULL,
    question text NOT NULL,
    standalone_question text NOT NULL,
    answer text NOT NULL,
    context jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (conversation_id, number)
);
CREATE TABLE turn_asset (
    conversation_id uuid NOT NULL,
    number integer NOT NULL,
    asset_id text NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, number, asset_id),
    CONSTRAINT turn_asset_turn_fkey FOREIGN KEY (conversation_id, number)
        REFERENCES conversation_turn (conversation_id, number) ON DELETE CASCADE
);
CREATE INDEX turn_asset_asset_idx ON turn_asset (asset_id);
"""

ORPHANS = """
CREATE FUNCTION refresh_canonical_entity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    root uuid;
BEGIN
    WITH RECURSIVE above AS (
        SELECT NEW.id AS id, NEW.merged_into AS parent
        UNION ALL SELECT entity.id, entity.merged_into FROM above
        JOIN entity ON entity.id = above.parent
    )
    SELECT id INTO root FROM above WHERE parent IS NULL;
    WITH RECURSIVE below AS (
        SELECT NEW.id AS id
        UNION ALL SELECT entity.id FROM below JOIN entity ON entity.merged_into = below.id
    )
    UPDATE entity SET canonical_id = root FROM below
    WHERE entity.id = below.id AND entity.canonical_id <> root;
    RETURN NULL;
END $$;
CREATE TRIGGER entity_refreshes_canonical AFTER UPDATE OF merged_into ON entity
    FOR EACH ROW WHEN (OLD.merged_into IS DISTINCT FROM NEW.merged_into)
    EXECUTE FUNCTION refresh_canonical_entity();
-- Locked first and looked at again afterwards: whoever refers to one at this moment either waits
-- for its removal and creates it again, or is waited for and keeps it.
CREATE FUNCTION remove_orphan_entities(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    orphans uuid[];
BEGIN
    SELECT array_agg(id) INTO orphans FROM (
        SELECT entity.id FROM entity WHERE entity.id = ANY (ids)
            AND NOT EXISTS (SELECT FROM mention WHERE entity_id = entity.id)
            AND NOT EXISTS (SELECT FROM relation_evidence WHERE subject_id = entity.id)
            AND NOT EXISTS (SELECT FROM relation_evidence WHERE object_id = entity.id)
        ORDER BY entity.id FOR UPDATE OF entity) AS found;
    DELETE FROM entity WHERE entity.id = ANY (orphans)
        AND NOT EXISTS (SELECT FROM mention WHERE entity_id = entity.id)
        AND NOT EXISTS (SELECT FROM relation_evidence WHERE subject_id = entity.id)
        AND NOT EXISTS (SELECT FROM relation_evidence WHERE object_id = entity.id);
END $$;
CREATE FUNCTION remove_entities_of_mentions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM remove_orphan_entities(ARRAY(SELECT DISTINCT entity_id FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER mention_delete_removes_entities AFTER DELETE ON mention
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION remove_entities_of_mentions();
CREATE FUNCTION remove_entities_of_relations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM remove_orphan_entities(
        ARRAY(SELECT subject_id FROM gone UNION SELECT object_id FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER relation_delete_removes_entities AFTER DELETE ON relation_evidence
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION remove_entities_of_relations();
CREATE FUNCTION remove_orphan_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM word JOIN (SELECT DISTINCT owner, word FROM gone) AS lost USING (owner, word)
        WHERE NOT EXISTS (SELECT FROM asset_word AS kept
                          WHERE kept.owner = word.owner AND kept.word = word.word)
        ORDER BY word.owner, word.word FOR UPDATE OF word;
    DELETE FROM word USING (SELECT DISTINCT owner, word FROM gone) AS lost
        WHERE word.owner = lost.owner AND word.word = lost.word
            AND NOT EXISTS (SELECT FROM asset_word AS kept
                            WHERE kept.owner = word.owner AND kept.word = word.word);
    RETURN NULL;
END $$;
CREATE TRIGGER asset_word_removes_words AFTER DELETE ON asset_word
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remove_orphan_words();
-- An answer repeats what its videos say.
CREATE FUNCTION remove_turn_of_asset() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    turn record;
BEGIN
    -- One at a time, each by its key: how many there are is not known when this is planned.
    FOR turn IN SELECT DISTINCT conversation_id, number FROM gone LOOP
        DELETE FROM conversation_turn
        WHERE conversation_id = turn.conversation_id AND number = turn.number;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER turn_asset_removes_turn AFTER DELETE ON turn_asset
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remove_turn_of_asset();
"""


def upgrade() -> None:
    require_extensions(op.get_bind())
    for statements in (FINDINGS, KNOWLEDGE, PASSAGES, EMBEDDINGS, CONVERSATIONS, ORPHANS):
        op.execute(statements)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
