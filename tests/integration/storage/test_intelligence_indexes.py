"""Every listed query of intelligence finds its rows by an index, with 20,000 passages stored.

The statements are those that the functions really send; see ``plans.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from tests.integration.storage.intelligence_rows import (
    MODEL,
    activate,
    begin_model,
    forget_models,
    make_findings,
    make_passages,
    make_vector,
    mention,
    relation,
)
from tests.integration.storage.plans import (
    RollBack,
    explain,
    list_members,
    scans_whole_tables,
)

from cinemill.core.findings.finding import FindingKind
from cinemill.core.knowledge.gazetteer import KnownName
from cinemill.core.knowledge.graph import EntityKind, Modality
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Database
from cinemill.storage.findings import sets
from cinemill.storage.findings.ingestions import was_ingested
from cinemill.storage.jobs import job_changes
from cinemill.storage.knowledge import entities, merges, scenes
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence
from cinemill.storage.knowledge.labels import find_mentioning_assets, find_naming_assets
from cinemill.storage.knowledge.mentions import count_mentions
from cinemill.storage.knowledge.names import entity_id
from cinemill.storage.media import assets
from cinemill.storage.retrieval import conversations, models, passages, search, vectors
from cinemill.storage.retrieval.filters import compose_conditions
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.search import find_candidates

ASSETS = 2000
PASSAGES_OF_ASSET = 10
SCOPE = SearchScope("owner-7")
MOST_PASSAGES = SearchScope("owner-8")
COLLECTION = SearchScope("owner-7", ("collection-1",))
SPEECH = PassageTrack.SPEECH
CONVERSATION = UUID(int=77)
PERSON = str(entity_id("owner-7", EntityKind.PERSON, "person-7"))
OTHER = str(entity_id("owner-7", EntityKind.PERSON, "person-57"))

_FILL = f"""
INSERT INTO asset (id, owner, sha256, size_bytes, filename, collection)
SELECT 'asset-' || n, CASE n % 2 WHEN 0 THEN 'owner-8' ELSE 'owner-' || n % 50 END, 'sha-' || n, 1,
       'film.mp4', 'collection-' || n % 3
FROM generate_series(1, {ASSETS}) AS n;
INSERT INTO passage (id, asset_id, owner, collection, track, number, start_ms, end_ms, text,
                     language, speaker)
SELECT md5(asset.id || '/' || n)::uuid, asset.id, owner, collection, 'speech', n, n * 10000,
       n * 10000 + 10000, 'people say word' || abs(hashtext(asset.id || n)) % 5000 || ' often',
       'en', CASE n WHEN 3 THEN 'speaker-' || right(asset.id, 2) ELSE '' END
FROM asset CROSS JOIN generate_series(0, {PASSAGES_OF_ASSET - 1}) AS n;
INSERT INTO word (owner, word) SELECT DISTINCT owner, 'letters' || chr(97 + n % 26)
    || chr(97 + n / 26 % 26) || chr(97 + n / 676) FROM asset CROSS JOIN generate_series(1, 300) AS n
    WHERE asset.id < 'asset-11';
INSERT INTO asset_word (asset_id, owner, word) SELECT asset.id, asset.owner, word.word
FROM asset JOIN word ON word.owner = asset.owner AND abs(hashtext(asset.id || word)) % 50 = 0;
INSERT INTO finding_set (id, asset_id, kind, provider, model, version, params_digest, state)
SELECT md5(id || kind)::uuid, id, kind, 'local', 'm', 1, '', 'active'
FROM asset CROSS JOIN unnest('{{object,shot,text,tag,face,sound,keyframe}}'::text[]) AS kind;
INSERT INTO finding (set_id, part, number, start_ms, end_ms, label, label_key)
SELECT id, 0, n, n * 1000, n * 1000 + 40, 'label-' || abs(hashtext(id::text || n)) % 2000,
       'label-' || abs(hashtext(id::text || n)) % 2000
FROM finding_set CROSS JOIN generate_series(0, 9) AS n WHERE kind IN ('object', 'shot');
INSERT INTO scene (asset_id, shot, start_ms, end_ms)
SELECT id, n, 0, 900 FROM asset CROSS JOIN generate_series(0, 3) AS n;
INSERT INTO scene_object (asset_id, shot, number, label, start_ms, end_ms)
SELECT asset_id, shot, n, 'label-' || abs(hashtext(asset_id || shot || n)) % 2000, 0, 900
FROM scene CROSS JOIN generate_series(0, 2) AS n;
INSERT INTO scene_relation (asset_id, shot, subject, predicate, object, start_ms, end_ms)
SELECT asset_id, shot, 0, 'left of', 1, 0, 900 FROM scene;
INSERT INTO conversation (id, owner, used_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'owner-' || n % 50, now() - n * interval '1 minute'
FROM generate_series(1, 5000) AS n;
INSERT INTO conversation_turn (conversation_id, number, question, standalone_question, answer)
SELECT id, n, '', '', '' FROM conversation CROSS JOIN generate_series(1, 4) AS n;
INSERT INTO turn_asset (conversation_id, number, asset_id)
SELECT conversation_id, number, 'asset-' || 1 + abs(hashtext(conversation_id::text)) % {ASSETS}
FROM conversation_turn;
INSERT INTO job (id, kind, owner, state, priority, request_digest, result)
SELECT 'job-' || n, 'hybrid_search', 'owner-7', 'completed', 5, '', '{{}}'
FROM generate_series(1, 5000) AS n;
INSERT INTO step (id, job_id, position, name, kind, queue, state, max_failures, max_crashes, result)
SELECT 'step of ' || id, id, 0, 'search', kind, 'runtime', 'succeeded', 1, 1, '{{}}' FROM job;
INSERT INTO job_quotation (job_id, asset_id)
SELECT id, 'asset-' || 1 + abs(hashtext(id)) % {ASSETS} FROM job
"""

_FILL_GRAPH = """
INSERT INTO mention (asset_id, modality, number, entity_id, passage_id, name, start_ms, end_ms)
SELECT passage.asset_id, 'speech', passage.number, entity.id, passage.id, 'Name', start_ms, end_ms
FROM passage JOIN entity ON entity.owner = passage.owner
    AND entity.key = 'person-' || abs(hashtext(passage.id::text)) % 60 * 50
        + substr(passage.owner, 7)::int;
INSERT INTO relation_evidence (asset_id, modality, number, subject_id, predicate, object_id,
                               subject_name, object_name, kind, start_ms, end_ms)
SELECT mention.asset_id, 'speech', mention.number, mention.entity_id, 'meet', other.id, '', '',
       'stated', 0, 900
FROM mention JOIN entity AS one ON one.id = mention.entity_id JOIN entity AS other
    ON other.owner = one.owner AND other.key = 'person-'
        || abs(hashtext(mention.passage_id::text || 'x')) % 60 * 50 + substr(one.owner, 7)::int
"""


@pytest.fixture(scope="module")
def model(filled: Database) -> EmbeddingModel:
    with filled.begin() as connection:
        found = models.find_active_model(connection, "text")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def filled(migrated: Database) -> Iterator[Database]:
    empty(migrated)
    model = begin_model(migrated)
    with migrated.begin() as connection:
        run(connection, _FILL)
        people = [f"person-{number}" for number in range(3000)]
        connection.execute(
            text(
                """
                INSERT INTO entity (id, owner, kind, key, canonical_id)
                SELECT id, owner, 'person', key, id
                FROM unnest(CAST(:ids AS uuid[]), CAST(:owners AS text[]), CAST(:keys AS text[]))
                    AS new (id, owner, key)
                """
            ),
            {
                "ids": [
                    entity_id(f"owner-{n % 50}", EntityKind.PERSON, key)
                    for n, key in enumerate(people)
                ],
                "owners": [f"owner-{n % 50}" for n in range(3000)],
                "keys": people,
            },
        )
        run(connection, _FILL_GRAPH)
        run(
            connection,
            f"""
            INSERT INTO {model.partition} (model_id, passage_id, embedding)
            SELECT {model.id}, id, (SELECT array_agg(random() + 0.001) FROM generate_series(1, 8)
                WHERE passage.id IS NOT NULL)::real[]::halfvec FROM passage
            """,
        )
    activate(migrated, model)
    with migrated.begin() as connection:
        for source, target in ((1057, 7), (1107, 7)):
            merges.merge_entities(
                connection,
                "owner-7",
                str(entity_id("owner-7", EntityKind.PERSON, f"person-{source}")),
                str(entity_id("owner-7", EntityKind.PERSON, f"person-{target}")),
                reason="",
                decided_by="",
            )
        # Of all rows: with a sample, the plan would be a matter of luck.
        connection.execute(text("SET LOCAL default_statistics_target = 1000"))
        connection.execute(text("ANALYZE"))
    yield migrated
    empty(migrated)


def empty(database: Database) -> None:
    forget_models(database)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE asset, job, analyses, conversation, word CASCADE"))
        connection.execute(text("TRUNCATE entity CASCADE"))


def run(connection: Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        connection.exec_driver_sql(statement.replace("%", "%%"))


SMALL = {"embedding_model", "merge_log"}
"""A row for each model, and one for each decision of a person."""


def assert_by_index(database: Database, ask: Callable[[Connection], object]) -> list[Any]:
    plans = explain(database, ask)
    for plan in plans:
        scanned = {name for name in scans_whole_tables(plan) if not name.startswith("pg_")}
        assert scanned <= SMALL, plan
    return plans


def find(**query: Any) -> Callable[[Connection], object]:
    scope = query.pop("scope", SCOPE)
    return lambda connection: find_candidates(connection, CandidateQuery(scope, **query))


BY_INDEX: dict[str, Callable[[Connection], object]] = {
    "passages": lambda c: passages.list_passages(c, "asset-7", SPEECH, first=3, limit=4),
    "ids of passages": lambda c: passages.list_passage_ids(c, "asset-7", (SPEECH,)),
    "known to searches": lambda c: was_ingested(c, "asset-7"),
    "unknown words": lambda c: passages.find_unknown_words(c, "owner-7", ["Zareef", "people"]),
    "saved passages": lambda c: passages.save_passages(
        c, "asset-7", SPEECH, make_passages(["new words"])
    ),
    "active set": lambda c: sets.find_active(c, "asset-7", FindingKind.OBJECT),
    "sets": lambda c: sets.list_sets(c, "asset-7"),
    "opened set": lambda c: sets.open_set(c, "asset-7", FindingKind.OBJECT, MODEL, ""),
    "entity": lambda c: entities.get_entity(c, "owner-7", PERSON),
    "entities by name": lambda c: entities.find_entities(c, "owner-7", ["person-7", "nobody"]),
    "similar entities": lambda c: entities.find_similar_entities(c, "owner-7", "person-77"),
    "mentions of names": lambda c: count_mentions(
        c, "owner-7", [KnownName("person-7", EntityKind.PERSON)]
    ),
    "moments": lambda c: entities.list_moments(c, COLLECTION, PERSON),
    "relations": lambda c: entities.list_relations(c, COLLECTION, PERSON),
    "co-occurrences": lambda c: entities.list_co_occurrences(c, COLLECTION, PERSON),
    "assets of a name": lambda c: find_naming_assets(c, "owner-7", {PERSON: "Name"}),
    "assets of an entity": lambda c: find_mentioning_assets(c, "owner-7", [PERSON, OTHER]),
    "locked assets": lambda c: merges.lock_mentioning_assets(c, "owner-7", [PERSON, OTHER]),
    "quotations": lambda c: job_changes.record_quotations(c, "job-7", ["asset-7", "asset-57"]),
    "merges": lambda c: merges.list_merges(c, "owner-7"),
    "many entities": lambda c: entities.has_more_entities(c, "owner-7", 50),
    "merge": lambda c: merges.merge_entities(c, "owner-7", OTHER, PERSON, reason="", decided_by=""),
    "scenes": lambda c: scenes.list_scenes(c, "asset-7"),
    "found scenes": lambda c: scenes.find_scenes(
        c, COLLECTION, "label-7", predicate="left of", other="label-8"
    ),
    "saved evidence": lambda c: save_evidence(
        c,
        "asset-7",
        Modality.SPEECH,
        [PassageEvidence(None, [mention("New")], [relation("New", "is", "old")])],
    ),
    "turns": lambda c: conversations.list_turns(c, str(CONVERSATION), "owner-27"),
    "added turn": lambda c: conversations.add_turn(
        c, str(CONVERSATION), "owner-27", conversations.Turn("", "", ""), asset_ids=["asset-7"]
    ),
    "conversations": lambda c: conversations.list_conversations(c, "owner-7"),
    "unused conversations": lambda c: conversations.delete_unused(c, older_than_days=3.45, limit=5),
    "active model": lambda c: models.find_active_model(c, "text"),
    "words": find(text="where does word77 say often"),
    "words of a collection": find(text="word77", scope=COLLECTION),
    "phrase": find(text='"say word77"'),
    "similar words": find(unknown_words=["lettersabx"]),
    "graph": find(entity_ids=[PERSON], hops=2),
    "graph of a collection": find(entity_ids=[PERSON], hops=2, scope=COLLECTION),
    "label": find(text="word77", filters=SearchFilters(labels=("label-7",))),
    "entity filter": find(text="word77", filters=SearchFilters(entity_ids=(PERSON,))),
    "speaker": find(text="people", filters=SearchFilters(speakers=("speaker-57",))),
    "asset": find(text="people", filters=SearchFilters(asset_ids=("asset-7", "asset-57"))),
}


@pytest.mark.parametrize("name", BY_INDEX)
def test_queries_of_intelligence_use_indexes(filled: Database, name: str) -> None:
    assert_by_index(filled, BY_INDEX[name])


def test_findings_are_read_in_index_order(filled: Database) -> None:
    with filled.begin() as connection:
        found = sets.find_active(connection, "asset-7", FindingKind.OBJECT)
    assert found is not None
    assert_by_index(filled, lambda c: sets.list_findings(c, found.id, after=(3000, 0, 3)))
    assert_by_index(filled, lambda c: sets.list_findings(c, found.id, from_ms=3000, to_ms=5000))
    assert_by_index(filled, lambda c: sets.save_part(c, found.id, 0, make_findings()))
    assert_by_index(filled, lambda c: sets.activate_set(c, found.id))


def test_missing_vectors_are_listed_by_index(
    filled: Database, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In proportion to the table, which has a million rows where this matters.
    monkeypatch.setattr(vectors, "SCANNED_AT_ONCE", 64)
    assert_by_index(filled, lambda c: vectors.list_missing(c, model, after=str(UUID(int=7))))
    with filled.begin() as connection:
        (one,) = passages.list_passages(connection, "asset-7", SPEECH, limit=1)
    assert_by_index(filled, lambda c: vectors.list_missing(c, model, asset_id="asset-7"))
    assert_by_index(filled, lambda c: models.count_missing(c, model, asset_id="asset-7"))
    assert_by_index(filled, lambda c: vectors.get_vector(c, model, "owner-7", one.id))


def test_vectors_within_narrow_filters_are_compared_exactly(
    filled: Database, model: EmbeddingModel
) -> None:
    """The filter's rows by index, and each one's vector by its key."""
    ask = find(
        vector=make_vector("x").tolist(),
        model_id=model.id,
        filters=SearchFilters(asset_ids=("asset-7", "asset-57")),
    )
    plans = assert_by_index(filled, ask)
    assert model.index not in list_members(plans, "Index Name")


def test_findings_of_a_label_are_read_once_whatever_is_searched(
    filled: Database, model: EmbeddingModel
) -> None:
    ask = find(
        text="where does word77 say word78 often",
        unknown_words=["lettersabx"],
        entity_ids=[PERSON],
        vector=make_vector("x").tolist(),
        model_id=model.id,
        filters=SearchFilters(labels=("label-7",)),
    )
    *_, statement = assert_by_index(filled, ask)
    assert list_members(statement, "Relation Name").count("finding") == 1


def test_vectors_within_wide_filters_are_found_by_their_index(
    filled: Database, model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW_ROWS", 300)
    vector = make_vector("x").tolist()

    def ask(connection: Connection) -> None:
        # Twenty thousand vectors of eight numbers are sorted sooner than any index is read.
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        find(vector=vector, model_id=model.id, scope=MOST_PASSAGES)(connection)

    plans = assert_by_index(filled, ask)
    assert model.index in list_members(plans, "Index Name")
    with filled.begin() as connection:
        found = find_candidates(
            connection,
            CandidateQuery(SCOPE, vector=vector, model_id=model.id, limit=50),
        )
    assert len(found) == 50


@pytest.mark.parametrize(
    ("rows_kept", "few_rows", "most_scanned", "limit", "expected"),
    [
        ("one asset", 10, 20_000, 50, False),
        ("all", 10**9, 20_000, 1, False),
        ("all", 100, 20_000, 1, True),
        ("all", 100, 20_000, 50, False),
        ("all", 100, 1, 1, False),  # it gives up before it has found one that fulfils the filters
    ],
)
def test_index_is_chosen_by_the_estimate_of_rows(
    filled: Database,
    model: EmbeddingModel,
    monkeypatch: pytest.MonkeyPatch,
    rows_kept: str,
    few_rows: int,
    most_scanned: int,
    limit: int,
    expected: bool,
) -> None:
    monkeypatch.setattr(search, "FEW_ROWS", few_rows)
    monkeypatch.setattr(search, "MOST_SCANNED", most_scanned)
    narrow = SearchFilters(asset_ids=("asset-7",))
    filters = narrow if rows_kept == "one asset" else SearchFilters()
    conditions = compose_conditions(SCOPE, filters)
    with filled.begin() as connection:
        kept = search.estimate_kept(connection, conditions)
        assert search.is_index_better(connection, model, kept, limit) is expected


TABLES = [
    "finding_set",
    "finding",
    "mention",
    "relation_evidence",
    "entity",
    "scene",
    "scene_object",
    "scene_relation",
    "passage",
    "asset_word",
    "word",
    "turn_asset",
    "conversation_turn",
    "job_quotation",
    "job",
    "step",
]


def test_deletion_of_an_asset_reads_no_table_from_end_to_end(
    filled: Database, model: EmbeddingModel
) -> None:
    """PostgreSQL sends the statements of the cascade itself; it counts how it reads the tables."""
    scans = "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(:names)"
    names = [*TABLES, model.partition]

    def count_scans(connection: Connection) -> dict[str, int]:
        rows = connection.execute(text(scans), {"names": names})
        return {row.relname: row.seq_scan for row in rows}

    with pytest.raises(RollBack), filled.begin() as connection:
        before = count_scans(connection)
        assert assets.delete_asset(connection, "asset-57")
        after = count_scans(connection)
        assert after == {name: before.get(name, 0) for name in after}
        assert len(after) == len(names)
        raise RollBack


def test_plan_without_an_index_would_be_noticed(filled: Database) -> None:
    statement = text("SELECT * FROM passage WHERE text = 'x'")
    with pytest.raises(AssertionError):
        assert_by_index(filled, lambda c: c.execute(statement))
