"""Talks of two subjects are divided by the real model and compared with where they were joined."""

from __future__ import annotations

from pathlib import Path

from tests.subjects import MONEY, ROSES

from cinemill.capabilities.search.evaluation.making.talks import join_talks
from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueSentence, TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import Picture, Split
from cinemill.capabilities.search.evaluation.running.chapters import (
    UNDIVIDED,
    evaluate_chapters,
    make_talk_passages,
)
from cinemill.capabilities.search.evaluation.running.library import open_library
from cinemill.inference.models.catalog import find_card
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval.models import list_models

from .library import TEXT_MODEL

SCENE_MS = 10_000


def make_scene(number: int, family: str, text: str) -> TrueScene:
    start_ms, end_ms = number * SCENE_MS, (number + 1) * SCENE_MS
    sentence = TrueSentence(start_ms + 200, end_ms - 200, text)
    return TrueScene(number, family, start_ms, end_ms, Picture("red"), "", "en", (sentence,), 0)


def test_talks_are_divided_where_they_were_joined(unindexed: Database, models_dir: Path) -> None:
    said = [("roses", text) for text in ROSES] + [("money", text) for text in MONEY]
    scenes = tuple(make_scene(number, *one) for number, one in enumerate(said))
    video = TrueVideo("v1", Split.TUNE, 12, 12 * SCENE_MS * len(said) // 1000, scenes)
    talks = join_talks([video], None, number=2, chapters=2)
    single = join_talks([video], None, number=2, chapters=1, name="single")
    owners = {one.owner for one in assets.list_assets(unindexed)}
    card = find_card(TEXT_MODEL, models_dir)
    with open_library(
        unindexed,
        open_text_embedder(TEXT_MODEL, models_dir),
        make_talk_passages([*talks, *single]),
        owner="evaluation",
        name=card.name,
        revision=card.revision,
    ) as library:
        found = evaluate_chapters(library, talks, single)
    assert found.talks == 2
    for way in ("meaning", "words"):
        assert (found.figures[way].pk, found.figures[way].f1) == (0, 1), way
        assert found.needless[way] == 0
    assert found.figures[UNDIVIDED].recall == 0
    assert found.to_json().keys() == {"talks", "passages", "figures", "needless_boundaries"}
    assert {one.owner for one in assets.list_assets(unindexed)} == owners
    with unindexed.begin() as connection:
        assert list_models(connection) == []
