"""Captions that a person edits where a language model finds entities, against a real server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.steps.conftest import make_run
from tests.integration.steps.test_model_entities import (
    address,
    read_passages,
    reply_well,
)
from tests.integration.storage.intelligence_rows import register, tell
from tests.model_files import fetch_models
from tests.model_servers import ModelServer, reply_json, serve_replies

from cinemill.capabilities import knowledge
from cinemill.capabilities.captions.edit_store import CaptionStore, correct_captions
from cinemill.core.text.segmentation import Cue
from cinemill.jobs.step import StepContext
from cinemill.steps.ingestion.kinds import APPLY_CAPTION_EDITS, EXTRACT_RELATIONS
from cinemill.steps.resources import StepResources
from cinemill.storage.media.assets import get_asset

WORDS = ("Marie Curie left Warsaw.", "It rained for weeks.", "Nobody came at noon.")


@dataclass(frozen=True, slots=True)
class Editor:
    """A person who edits the captions of a video that was ingested."""

    resources: StepResources
    folder: Path

    def save(self, words: Sequence[str]) -> None:
        """Save captions, half a minute apart."""
        cues = [
            Cue(number * 30_000, number * 30_000 + 9_000, (line,), ())
            for number, line in enumerate(words)
        ]
        having = self.resources
        store = CaptionStore(having.database, having.files, self.folder, having.service)
        correct_captions(store, get_asset(having.database, "talk"), "en", cues, self._version)

    @property
    def _version(self) -> str | None:
        known = self.read("SELECT count(*) FROM artifact WHERE asset_id = 'talk'")
        return None if known == {0} else "*"

    def run(self, server: ModelServer, kind: str) -> list[str]:
        """Run a step as the job does that follows an edit; return the kinds of steps it adds."""
        having = replace(
            self.resources,
            entity_model=address(server),
            models_dir=fetch_models("en-core-web-sm"),
        )
        run = make_run(APPLY_CAPTION_EDITS, step_kind=kind, asset_id="talk")
        context = StepContext(run, self.folder, lambda *_: None, lambda: None, 4 << 30)
        outcome = knowledge.CAPABILITY.build_handlers(having)[kind](context)
        with having.database.begin() as connection:
            outcome.write(connection)
        return [one.kind for one in outcome.steps]

    def apply(self, server: ModelServer, words: Sequence[str]) -> None:
        """Edit, and let searches know it; the model is asked in the step that follows."""
        self.save(words)
        asked = len(server.requests)
        assert self.run(server, APPLY_CAPTION_EDITS) == [EXTRACT_RELATIONS]
        assert len(server.requests) == asked

    def read(self, query: str) -> set[object]:
        with self.resources.database.begin() as connection:
            return set(connection.execute(text(query)).scalars())

    @property
    def names(self) -> set[object]:
        """Names in the graph, also of entities whose passage is gone."""
        relations = "SELECT subject_name FROM relation_evidence"
        assert self.read(f"{relations} WHERE passage_id IS NULL") == set()
        return self.read(f"SELECT name FROM mention UNION {relations}")


@pytest.fixture
def editor(resources: StepResources, tmp_path: Path) -> Editor:
    register(resources.database, "talk")
    tell(resources.database, "talk", ["What a model heard."])
    editor = Editor(resources, tmp_path)
    editor.save(WORDS)
    with serve_replies(reply_well) as server:
        editor.run(server, APPLY_CAPTION_EDITS)
        editor.run(server, EXTRACT_RELATIONS)
    assert len(server.requests) == 1
    assert editor.names == {"Marie Curie", "Warsaw"}
    return editor


def test_only_what_was_edited_is_asked_about(editor: Editor) -> None:
    with serve_replies(reply_well) as server:
        editor.apply(server, [*WORDS[:2], "Pierre came at noon."])
        assert editor.names == {"Marie Curie", "Warsaw"}
        editor.run(server, EXTRACT_RELATIONS)
    (request,) = server.requests
    assert [*read_passages(request).values()] == ["Pierre came at noon."]
    assert editor.names == {"Marie Curie", "Warsaw", "Pierre"}


def test_former_words_are_known_no_more_where_the_model_refuses(editor: Editor) -> None:
    with serve_replies(reply_json({}, 401)) as server:
        editor.apply(server, ["A chemist left the town.", *WORDS[1:]])
        assert editor.names == set()
        editor.run(server, EXTRACT_RELATIONS)
    assert editor.names == set()
    assert editor.read("SELECT count(*) FROM entity") == {0}
    assert editor.read("SELECT code FROM finding_gap") == {"language_model_refused"}


def test_words_that_come_back_are_known_again(editor: Editor) -> None:
    """The last edit undoes the one before, about which the model was never asked."""
    with serve_replies(reply_well) as server:
        editor.apply(server, ["A chemist left the town.", *WORDS[1:]])
        editor.apply(server, WORDS)
        editor.run(server, EXTRACT_RELATIONS)
    assert editor.names == {"Marie Curie", "Warsaw"}
    assert server.requests == []
