"""Vectors in Qdrant are those of PostgreSQL, whatever is killed, deleted or away meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient
from sqlalchemy import text
from tests.integration.storage.intelligence_rows import (
    DIMENSION,
    activate,
    begin_model,
    fill,
    make_vector,
    register,
    tell,
    without_models,
)
from tests.integration.storage.rows import change
from tests.qdrant_servers import (
    NO_INDEXES,
    Request,
    open_closed,
    open_local,
    project,
    run_double,
)
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.storage.database import Database, migrate
from cinemill.storage.media.assets import delete_asset, set_collection
from cinemill.storage.projection import filling, nearest, rows, server
from cinemill.storage.projection.filling import (
    apply_changes,
    drop_unused,
    fill_projection,
    prepare_projection,
)
from cinemill.storage.projection.health import HealthState, examine_projections, lacks_points
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.projection.points import Point
from cinemill.storage.projection.rows import (
    BEFORE_ALL,
    Projection,
    ProjectionReplaced,
    begin_projection,
    find_ready,
    give_up_projections,
    list_changes,
    list_projections,
    list_unused,
    switch_projection,
)
from cinemill.storage.projection.server import QdrantServer, QdrantUnavailable, open_server
from cinemill.storage.retrieval import models, search
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.search import find_candidates
from cinemill.storage.retrieval.vectors import save_vectors

pytestmark = pytest.mark.filterwarnings(NO_INDEXES)

TEXTS = [f"passage number {number}" for number in range(10)]
ANN = SearchScope("ann")
FILL = """
import sys, time
from pathlib import Path
from tests.qdrant_servers import open_local
from cinemill.storage.database import Database
from cinemill.storage.projection import filling
from cinemill.storage.projection.rows import list_projections
from cinemill.storage.retrieval.models import get_model

def wait(place):
    print("page", flush=True)
    time.sleep(600)

filling.BATCH_SIZE = 3
database = Database(sys.argv[1])
with database.begin() as connection:
    model = get_model(connection, int(sys.argv[2]))
    (begun,) = list_projections(connection, model.id)
server = open_local(Path(sys.argv[3]))
begun = filling.prepare_projection(database, server, begun, model)
filling.fill_projection(database, server, begun, model, on_page=wait)
"""


@dataclass(frozen=True)
class Library:
    database: Database
    model: EmbeddingModel
    server: QdrantServer

    def tell(self, asset_id: str, texts: Sequence[str]) -> list[str]:
        """Store passages of a video with their vectors; return their ids."""
        register(self.database, asset_id)
        ids = tell(self.database, asset_id, texts)
        fill(self.database, self.model)
        return ids

    def delete(self, asset_id: str) -> None:
        with self.database.begin() as connection:
            delete_asset(connection, asset_id)

    def find(self, words: str, scope: SearchScope = ANN, *, limit: int = 1) -> list[str]:
        """Return the texts that are nearest, as Qdrant proposes them, in order."""
        index = ProjectedIndex(self.server)
        query = CandidateQuery(
            scope, vector=make_vector(words).tolist(), model_id=self.model.id, limit=limit
        )
        with self.database.begin() as connection:
            found = find_candidates(connection, query, index)
        assert index.failure == ""
        return [one.text for one in sorted(found, key=lambda one: -(one.scores.vector or 0))]

    def count_changes(self) -> int:
        with self.database.begin() as connection:
            return len(list_changes(connection, self.model.id, limit=1000))

    def find_ready(self) -> Projection | None:
        with self.database.begin() as connection:
            return find_ready(connection, self.model.id)

    def list_points(self, projection: Projection) -> set[str]:
        """Return the passages of all points, of this owner."""
        found = self.server.find_nearest(
            projection.collection, [1.0] * DIMENSION, ANN, SearchFilters(), limit=1000
        )
        return {one.passage_id for one in found}


@pytest.fixture(autouse=True)
def _many_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qdrant is asked where there are many more passages than a test can store."""
    monkeypatch.setattr(search, "FEW_ROWS", -1)


@pytest.fixture
def library(database: Database) -> Iterator[Library]:
    with without_models(database):
        register(database, "film")
        tell(database, "film", TEXTS)
        model = begin_model(database)
        fill(database, model)
        yield Library(database, activate(database, model), open_local())
    change(database, "DELETE FROM vector_projection")


@pytest.fixture
def projected(library: Library) -> tuple[Library, Projection]:
    return library, project(library.database, library.server, library.model)


Projected = tuple[Library, Projection]


def begin(library: Library, job_id: str = "") -> Projection:
    with library.database.begin() as connection:
        begun = begin_projection(connection, library.model, job_id)
    return prepare_projection(library.database, library.server, begun, library.model)


def test_no_change_is_noted_before_a_projection_is_begun(library: Library) -> None:
    library.tell("second", ["said before"])
    with library.database.begin() as connection:
        set_collection(connection, "second", "daily")
    library.delete("second")
    assert library.count_changes() == 0


def test_new_passage_is_found_before_and_after_qdrant_has_it(projected: Projected) -> None:
    library, projection = projected
    (new,) = library.tell("second", ["said meanwhile"])
    assert library.count_changes() == 1
    assert new not in library.list_points(projection)
    assert library.find("said meanwhile") == ["said meanwhile"]
    assert apply_changes(library.database, library.server, library.model) == 1
    assert library.count_changes() == 0
    assert new in library.list_points(projection)
    assert library.find("said meanwhile") == ["said meanwhile"]


def test_deleted_video_is_not_found_and_hides_nothing(projected: Projected) -> None:
    library, projection = projected
    doomed = library.tell("doomed", [f"nearly the same {number}" for number in range(6)])
    vector = make_vector("asked for")
    with library.database.begin() as connection:
        save_vectors(connection, library.model, dict.fromkeys(doomed, vector))
    apply_changes(library.database, library.server, library.model)
    assert {*library.find("asked for", limit=6)} <= {f"nearly the same {n}" for n in range(6)}
    library.delete("doomed")
    # Qdrant still has the six that are nearest, and the three asked for are the next ones.
    assert {*doomed} <= library.list_points(projection)
    found = library.find("asked for", limit=3)
    assert len(found) == 3
    assert {*found} < {*TEXTS}
    assert apply_changes(library.database, library.server, library.model) == 6
    assert library.server.count(projection.collection) == len(TEXTS)
    assert library.find("asked for", limit=3) == found


def test_deletion_reaches_qdrant_once_it_is_there_again(projected: Projected) -> None:
    library, projection = projected
    library.delete("film")
    for _ in range(2):
        with open_closed() as gone, pytest.raises(QdrantUnavailable):
            apply_changes(library.database, gone, library.model)
        assert library.count_changes() == len(TEXTS)
    assert apply_changes(library.database, library.server, library.model) == len(TEXTS)
    assert library.server.count(projection.collection) == 0


def test_moved_video_is_found_in_its_new_collection_only(projected: Projected) -> None:
    library, projection = projected
    moved, before = SearchScope("ann", ("moved",)), SearchScope("ann", ("",))
    with library.database.begin() as connection:
        set_collection(connection, "film", "moved")
    for _ in range(2):
        assert library.find(TEXTS[3], moved) == [TEXTS[3]]
        assert library.find(TEXTS[3], before) == []
        apply_changes(library.database, library.server, library.model)
    nearest = library.server.find_nearest(
        projection.collection, [1.0] * DIMENSION, moved, SearchFilters(), limit=99
    )
    assert len(nearest) == len(TEXTS)


def test_changes_of_a_moved_video_are_noted_in_the_order_of_ids(projected: Projected) -> None:
    """As those of vectors are: else the two transactions could wait for each other."""
    library, _ = projected
    noted = text("SELECT passage_id FROM vector_change ORDER BY version")
    stored = text("SELECT id FROM passage ORDER BY ctid")
    # A row that changes is stored behind the others.
    change(library.database, "UPDATE passage SET language = 'de' WHERE number < 5")
    assert library.count_changes() == 0
    with library.database.begin() as connection:
        ids = connection.execute(stored).scalars().all()
        assert [*ids] != sorted(ids)
        # As with many passages, these few are not found by an index, whose order is another one.
        for setting in ("enable_indexscan", "enable_indexonlyscan"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = off")
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        for collection in ("first", "second"):
            set_collection(connection, "film", collection)
            assert connection.execute(noted).scalars().all() == sorted(ids)
        set_collection(connection, "film", "second")
        assert connection.execute(noted).scalars().all() == sorted(ids)


def test_passage_that_changes_while_it_is_brought_is_brought_again(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, projection = projected
    (new,) = library.tell("second", ["said meanwhile"])
    save = library.server.save

    def change_meanwhile(collection: str, points: Sequence[Point]) -> None:
        save(collection, points)
        with library.database.begin() as connection:
            save_vectors(connection, library.model, {new: make_vector("another one")})

    with monkeypatch.context() as patch:
        patch.setattr(library.server, "save", change_meanwhile)
        apply_changes(library.database, library.server, library.model)
    assert library.count_changes() == 1
    apply_changes(library.database, library.server, library.model)
    assert library.count_changes() == 0
    (found,) = library.server.find_nearest(
        projection.collection, make_vector("another one").tolist(), ANN, SearchFilters(), limit=1
    )
    assert found.passage_id == new
    assert found.score > 0.999


def test_what_was_interrupted_between_the_two_stores_is_done_again(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, projection = projected
    ids = library.tell("second", [f"said meanwhile {number}" for number in range(7)])
    monkeypatch.setattr(filling, "BATCH_SIZE", 3)

    def forget_nothing(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(filling, "forget_changes", forget_nothing)
        with pytest.raises(KeyboardInterrupt):
            apply_changes(library.database, library.server, library.model)
    assert library.count_changes() == 7
    assert len(library.list_points(projection) & {*ids}) == 3
    assert apply_changes(library.database, library.server, library.model) == 7
    assert library.list_points(projection) >= {*ids}
    assert library.server.count(projection.collection) == len(TEXTS) + 7


def test_filling_that_is_killed_goes_on_where_it_was(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own, with a store on disk, gets SIGKILL after its first page."""
    database, model = library.database, library.model
    with database.begin() as connection:
        begin_projection(connection, model)
    command = [sys.executable, "-W", NO_INDEXES.rsplit(":", 1)[0], "-c", FILL]
    arguments = [database.url, str(model.id), str(tmp_path)]
    with subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "."},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "page\n"
        process.send_signal(signal.SIGKILL)
    with database.begin() as connection:
        (left,) = list_projections(connection, model.id)
        assert find_ready(connection, model.id) is None
    assert left.filled_to != BEFORE_ALL
    monkeypatch.setattr(filling, "BATCH_SIZE", 3)
    pages: list[float] = []
    with closing(QdrantClient(path=str(tmp_path))) as client:
        server = QdrantServer(lambda _seconds: client)
        assert server.count(left.collection) == 3
        left = prepare_projection(database, server, left, model)
        fill_projection(database, server, left, model, on_page=pages.append)
        assert server.count(left.collection) == len(TEXTS)
    assert len(pages) == 3  # of four


def test_collection_that_is_half_made_is_asked_by_nobody(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, old = projected
    monkeypatch.setattr(filling, "BATCH_SIZE", 3)
    new = begin(library)

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_projection(library.database, library.server, new, library.model, on_page=stop)
    assert library.server.count(new.collection) == 3
    ready = library.find_ready()
    assert ready is not None
    assert ready.id == old.id
    assert {*library.find(TEXTS[0], limit=10)} == {*TEXTS}
    # What changes meanwhile reaches both.
    library.tell("second", ["said meanwhile"])
    apply_changes(library.database, library.server, library.model)
    assert library.server.count(old.collection) == len(TEXTS) + 1
    with library.database.begin() as connection:
        (_, left) = list_projections(connection, library.model.id)
    fill_projection(library.database, library.server, left, library.model)
    assert library.server.count(new.collection) == len(TEXTS) + 1
    with library.database.begin() as connection:
        switch_projection(connection, left)
        assert [one.id for one in list_unused(connection)] == [old.id]
    assert library.find("said meanwhile") == ["said meanwhile"]
    assert drop_unused(library.database, library.server) == 1
    assert not library.server.exists(old.collection)
    assert library.server.exists(new.collection)


def test_collection_that_was_lost_is_filled_from_the_start(library: Library) -> None:
    begun = begin(library)
    fill_projection(library.database, library.server, begun, library.model)
    with library.database.begin() as connection:
        (begun,) = list_projections(connection, library.model.id)
    assert begun.filled_to != BEFORE_ALL
    library.server.drop(begun.collection)
    again = prepare_projection(library.database, library.server, begun, library.model)
    assert again.filled_to == BEFORE_ALL
    fill_projection(library.database, library.server, again, library.model)
    assert library.server.count(begun.collection) == len(TEXTS)


def test_another_projection_takes_the_place_of_one_that_is_being_filled(library: Library) -> None:
    first = begin(library)
    second = begin(library, "a job")
    with library.database.begin() as connection:
        assert list_projections(connection, library.model.id) == [second]
        assert [one.collection for one in list_unused(connection)] == [first.collection]


def test_video_may_be_deleted_while_the_stores_are_compared(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, projection = projected
    find_sample = filling._find_sample

    def delete_meanwhile(*given: Any) -> Any:
        sample = find_sample(*given)
        library.delete("film")
        return sample

    monkeypatch.setattr(filling, "_find_sample", delete_meanwhile)
    found = filling.compare(library.database, library.server, projection, library.model)
    assert (found.vectors, found.recall) == (len(TEXTS), 1.0)


def test_model_may_be_dropped_while_its_collection_is_examined(projected: Projected) -> None:
    library, projection = projected
    dropped = replace(library.model, id=2**31 - 1)
    assert not lacks_points(library.database, library.server, dropped, projection)


def test_collection_of_a_model_that_was_dropped_is_dropped(projected: Projected) -> None:
    library, old = projected
    model = begin_model(library.database, "new")
    fill(library.database, model)
    activate(library.database, model)
    with library.database.begin() as connection:
        models.drop_retired(connection)
        (unused,) = list_unused(connection)
    assert (unused.collection, unused.model_id) == (old.collection, None)
    assert drop_unused(library.database, library.server) == 1
    assert not library.server.exists(old.collection)
    assert drop_unused(library.database, library.server) == 0


def test_postgresql_searches_alone_while_too_much_has_changed(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, _ = projected
    monkeypatch.setattr(nearest, "MOST_CHANGES", 2)
    library.tell("second", ["one", "two", "three"])
    query = CandidateQuery(ANN, vector=make_vector("two").tolist(), model_id=library.model.id)
    with library.database.begin() as connection:
        assert ProjectedIndex(library.server).propose(connection, library.model, query) is None
    assert library.find("two") == ["two"]


def test_projection_that_nobody_keeps_up_to_date_is_given_up(projected: Projected) -> None:
    library, old = projected
    library.tell("second", ["one", "two", "three"])
    assert give_up_projections(library.database, most_noted=3) == []
    assert give_up_projections(library.database, most_noted=2) == [library.model.name]
    with library.database.begin() as connection:
        assert [one.id for one in list_unused(connection)] == [old.id]
    library.tell("third", ["four"])
    assert library.count_changes() == 0
    again = project(library.database, library.server, library.model)
    assert library.server.count(again.collection) == len(TEXTS) + 4


def test_giving_up_waits_for_no_change_that_is_being_written(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, _ = projected
    monkeypatch.setattr(rows, "FORGOTTEN_AT_ONCE", 2)
    library.tell("second", ["one", "two", "three", "four", "five"])
    with library.database.begin() as writing:
        writing.execute(text("SELECT FROM vector_change ORDER BY passage_id LIMIT 1 FOR UPDATE"))
        assert give_up_projections(library.database, most_noted=4) == [library.model.name]
        assert library.count_changes() == 1
        assert library.find_ready() is None
    library.tell("third", ["six"])
    assert library.count_changes() == 1
    assert give_up_projections(library.database, most_noted=0) == [library.model.name]
    assert library.count_changes() == 0


def test_projection_that_was_given_up_meanwhile_is_not_switched_to(projected: Projected) -> None:
    library, old = projected
    first = begin(library)
    second = begin(library)
    with library.database.begin() as connection, pytest.raises(ProjectionReplaced):
        switch_projection(connection, first)
    ready = library.find_ready()
    assert ready is not None
    assert ready.id == old.id
    with library.database.begin() as connection:
        switch_projection(connection, second)
    ready = library.find_ready()
    assert ready is not None
    assert ready.id == second.id


def test_collection_of_a_dropped_model_is_not_switched_to(projected: Projected) -> None:
    library, _ = projected
    begun = begin(library)
    change(library.database, f"UPDATE vector_projection SET model_id = NULL WHERE id = {begun.id}")
    with library.database.begin() as connection, pytest.raises(ProjectionReplaced):
        switch_projection(connection, begun)
    assert library.find_ready() is not None


def test_search_asks_the_collection_that_took_the_place_of_one_that_is_gone(
    projected: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, old = projected
    replies: list[int] = []

    def reply(request: Request) -> tuple[int, bytes]:
        found = new.collection in request.path
        replies.append(200 if found else 404)
        return replies[-1], json.dumps({"result": {"points": []}, "status": "ok"}).encode()

    new = begin(library)
    monkeypatch.setattr(server, "SEARCH_SECONDS", int(PATIENCE_SECONDS))
    with run_double(reply) as double:
        opened = open_server(double.url, None)
        assert opened is not None
        index = ProjectedIndex(opened)
        query = CandidateQuery(ANN, vector=make_vector("one").tolist(), model_id=library.model.id)
        with library.database.begin() as connection:
            # Nothing took its place: PostgreSQL searches, and says why.
            assert index.propose(connection, library.model, query) is None
        assert index.failure != ""
        switched = iter([old, new, new])
        monkeypatch.setattr(nearest, "find_ready", lambda *_: next(switched))
        index = ProjectedIndex(opened)
        with library.database.begin() as connection:
            assert index.propose(connection, library.model, query) == []
            assert index.propose(connection, library.model, query) == []
        assert index.failure == ""
    assert replies == [404, 404, 200, 200]


def test_tracks_that_a_model_no_longer_has_leave_qdrant(projected: Projected) -> None:
    library, projection = projected
    with library.database.begin() as connection:
        models.register_model(
            connection, space="text", name="tiny", revision="r1", dimension=DIMENSION, tracks=[]
        )
    apply_changes(library.database, library.server, library.model)
    assert library.server.count(projection.collection) == 0


def test_health_says_what_qdrant_lacks(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    database, server = library.database, library.server
    found = examine_projections(database, server)
    assert (found.state, library.model.name in found.message) == (HealthState.FILLING, True)
    project(database, server, library.model)
    assert examine_projections(database, server).state is HealthState.OK
    library.tell("second", ["one", "two"])
    assert examine_projections(database, server).state is HealthState.OK
    monkeypatch.setattr("cinemill.storage.projection.health.MOST_CHANGES", 1)
    assert examine_projections(database, server).state is HealthState.BEHIND
    with open_closed() as gone:
        assert examine_projections(database, gone).state is HealthState.UNAVAILABLE


def test_health_says_that_qdrant_lost_points(projected: Projected) -> None:
    library, projection = projected
    change(library.database, f"ANALYZE {library.model.partition}")
    points = sorted(library.list_points(projection))
    library.server.delete(projection.collection, points[:1])
    assert examine_projections(library.database, library.server).state is HealthState.OK
    library.server.delete(projection.collection, points[1:2])
    found = examine_projections(library.database, library.server)
    assert (found.state, "has lost some" in found.message) == (HealthState.BEHIND, True)


def test_two_installations_never_share_a_collection(library: Library, empty_url: str) -> None:
    """The other one has a model with the same id and name, and a projection with the same id."""
    with library.database.begin() as connection:
        ours = begin_projection(connection, library.model)
    migrate(empty_url)
    with closing(Database(empty_url)) as other:
        for table, row in (("embedding_model", library.model), ("vector_projection", ours)):
            change(other, f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {row.id}")
        model = begin_model(other)
        with other.begin() as connection:
            theirs = begin_projection(connection, model)
    assert (model.id, model.name, theirs.id) == (library.model.id, library.model.name, ours.id)
    assert theirs.collection != ours.collection
