"""The text embedding model, with its real weights."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.model_files import fetch_models

from cinemill.capabilities.search.answers.checks import LEAST_SIMILARITY
from cinemill.capabilities.search.language.similarity import (
    MOST_COMPARED,
    MOST_KEPT,
    EmbeddedWords,
)
from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ModelOutput
from cinemill.inference.models.language.embedding import MINILM_INT8
from cinemill.inference.text.onnx_embedder import (
    MOST_BATCH_TOKENS,
    MOST_CHARACTERS,
    OnnxTextEmbedder,
    open_text_embedder,
)
from cinemill.inference.text.protocol import EmbeddingInvalid, TextEmbedder, Vectors, check_vectors

NAME = MINILM_INT8.name


@pytest.fixture(scope="module")
def folder() -> Path:
    return fetch_models(NAME)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> TextEmbedder:
    return open_text_embedder(NAME, folder)


def test_texts_of_one_meaning_are_near_each_other(embedder: TextEmbedder) -> None:
    vectors = embedder.embed(
        [
            "The negotiations took two years.",
            "They talked for two years about the deal.",
            "A dog runs over the field.",
        ]
    )
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.6
    assert cosines[0, 2] < 0.2


def test_vector_of_a_text_does_not_depend_on_its_batch(embedder: TextEmbedder) -> None:
    texts = ["short", "", "a text of a few words " * 4, "long " * 400, "half \ud800 of a pair"]
    together = embedder.embed(texts * 20)[: len(texts)]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_no_text_has_no_vectors(embedder: TextEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_only_the_beginning_of_a_long_text_is_read(embedder: TextEmbedder) -> None:
    begin = "The garden was opened in March. " * 60
    assert len(begin) > 256 * 4
    one, other = embedder.embed([begin, begin + "Something else. " * 1000])
    assert float(one @ other) > 0.9999
    embedder.embed(["x" * (100 * MOST_CHARACTERS)])
    # All of 256 tokens are: this is about 200.
    most = "The garden was opened in March. " * 28
    one, other = embedder.embed([most, most + "Penguins live in cold water."])
    assert float(one @ other) < 0.999


def test_batches_are_bounded_by_tokens(folder: Path) -> None:
    embedder = OnnxTextEmbedder(MINILM_INT8, folder / NAME, threads=1)
    shapes: list[tuple[int, ...]] = []
    run = embedder._session.run

    class Recorder:
        def run(self, outputs: object, inputs: dict[str, np.ndarray]) -> object:
            shapes.append(inputs["input_ids"].shape)
            return run(outputs, inputs)

    embedder._session = Recorder()
    embedder.embed(["word " * 300] * 20 + ["word"] * 100)
    assert max(rows * columns for rows, columns in shapes) <= MOST_BATCH_TOKENS
    assert sum(rows for rows, _ in shapes) == 120
    assert len(shapes) < 10


def test_model_is_used_by_several_threads(embedder: TextEmbedder) -> None:
    texts = [f"text number {number}" for number in range(40)]
    expected = embedder.embed(texts)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: embedder.embed([text])[0], texts))
    assert (np.stack(found) * expected).sum(axis=1).min() > 0.9999


def test_model_is_loaded_once_in_a_process(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: id(open_text_embedder(NAME, folder)), range(8)))
    assert len(found) == 1


@pytest.mark.parametrize("name", ["nonsense", "centerface", "../../etc/passwd", ""])
def test_unknown_model_is_missing(folder: Path, name: str) -> None:
    with pytest.raises(ToolMissing) as missing:
        open_text_embedder(name, folder)
    assert missing.value.code == "model_unknown"
    assert "minilm-l6-v2-int8" in missing.value.hint


def test_model_that_was_not_fetched_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as missing:
        open_text_embedder(NAME, tmp_path)
    assert missing.value.code == "model_missing"


def test_model_of_another_dimension_is_refused(folder: Path) -> None:
    card = replace(MINILM_INT8, outputs=(ModelOutput("last_hidden_state", 512),))
    embedder = OnnxTextEmbedder(card, folder / NAME, threads=1)
    with pytest.raises(EmbeddingInvalid) as refused:
        embedder.embed(["a text"])
    assert refused.value.code == "embedding_invalid"
    renamed = replace(MINILM_INT8, outputs=(ModelOutput("pooled", 384),))
    with pytest.raises(ToolMissing) as unusable:
        OnnxTextEmbedder(renamed, folder / NAME, threads=1)
    assert unusable.value.code == "model_unusable"


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((2, 3), np.float32),
        np.full((2, 3), np.nan, np.float32),
        np.eye(2, 4, dtype=np.float32),
        np.eye(1, 3, dtype=np.float32),
    ],
    ids=["zero", "nan", "dimension", "count"],
)
def test_vectors_that_are_not_as_promised_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(EmbeddingInvalid):
        check_vectors(vectors, count=2, dimension=3, model_id="toy")


@pytest.mark.parametrize(
    ("word", "words", "is_same"),
    [
        ("purchased", ["bought", "sold"], True),
        ("begins", ["starts"], True),
        ("physician", ["doctor"], True),
        ("sold", ["bought"], False),
        ("closed", ["opened"], False),
        ("mallory", ["alice"], False),
        ("evening", ["morning"], False),
        ("south", ["north"], False),
    ],
)
def test_words_of_one_meaning_count_as_the_same_and_opposites_do_not(
    embedder: TextEmbedder, word: str, words: list[str], is_same: bool
) -> None:
    assert (EmbeddedWords(embedder)(word, words) >= LEAST_SIMILARITY) == is_same


def test_vectors_of_words_are_kept(embedder: TextEmbedder) -> None:
    asked: list[int] = []

    class Counter:
        model_id, dimension = embedder.model_id, embedder.dimension

        def embed(self, texts: Sequence[str]) -> Vectors:
            asked.append(len(texts))
            return embedder.embed(texts)

    compare = EmbeddedWords(Counter())
    first = compare("garden", ["rose", "park", "park"])
    assert compare("garden", ["park", "rose"]) == first
    assert compare("garden", []) == 0
    assert asked == [3]
    compare("park", [f"w{number}" for number in range(MOST_KEPT + 10)])
    assert asked == [3, MOST_COMPARED]
