"""A library of many passages for measurements.

Passages are made of words with the frequencies of a language. Their vectors lie around topics, as
those of real texts do: evenly spread ones have no neighbours worth finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemill.core.knowledge.graph import EntityKind, Mention, Modality, Relation, RelationKind
from cinemill.core.retrieval.hits import SearchScope
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.storage.database import Database
from cinemill.storage.knowledge.evidence import PassageEvidence, save_evidence
from cinemill.storage.media import assets
from cinemill.storage.retrieval import vectors
from cinemill.storage.retrieval.models import EmbeddingModel
from cinemill.storage.retrieval.passages import save_passages

PASSAGES_OF_ASSET = 360  # an hour
DIMENSION = 384
TOPICS = 2000
WORDS = 60_000
WORDS_OF_PASSAGE = 25
ENTITIES = 3000
STOP_WORDS = tuple("the of and to in a is that for it with as was on by at be this from or".split())  # noqa: SIM905 - a sentence of them
SHARES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
"""Of the passages that a filter keeps: those of the speakers up to the one of this number."""

_STRENGTHS = np.arange(1.0, DIMENSION + 1) ** -0.55
NOISE = np.asarray(_STRENGTHS / np.linalg.norm(_STRENGTHS), np.float32)
"""The strength of the noise in each direction."""


@dataclass(frozen=True, slots=True)
class Library:
    """A database full of passages, and what they are made of."""

    database: Database
    scope: SearchScope
    model: EmbeddingModel
    topics: NDArray[np.float32]
    words: Sequence[str]
    weights: NDArray[np.float64]


def make_library(database: Database, scope: SearchScope, model: EmbeddingModel) -> Library:
    """Return a library whose passages are still to be added."""
    random = np.random.default_rng(0)
    topics = normalize(random.standard_normal((TOPICS, DIMENSION), dtype=np.float32))
    # Zipf's law, the first ranks flattened: the commonest word is in two passages of five.
    weights = 1.0 / np.arange(3, WORDS + 3)
    words = [*STOP_WORDS, *(_make_word(n) for n in range(WORDS - len(STOP_WORDS)))]
    return Library(database, scope, model, topics, words, weights / weights.sum())


def fill_library(library: Library, passages: int) -> None:
    """Store so many passages, each hour of them as a video."""
    for first in range(0, passages, PASSAGES_OF_ASSET):
        _insert_asset(library, first, min(PASSAGES_OF_ASSET, passages - first))


def _insert_asset(library: Library, first: int, count: int) -> None:
    """Store an hour of video with its passages, vectors, mentions and relations."""
    random = np.random.default_rng(first + 1)
    asset_id = f"asset-{first // PASSAGES_OF_ASSET}"
    chosen = random.choice(WORDS, (count, WORDS_OF_PASSAGE), p=library.weights)
    drawn = random.random(count)
    passages = [
        Passage(
            number,
            PassageTrack.SPEECH,
            number * 10_000,
            number * 10_000 + 10_000,
            " ".join(library.words[one] for one in chosen[number]),
            "en",
            next((f"speaker {share}" for share in SHARES if drawn[number] < share), ""),
        )
        for number in range(count)
    ]
    near = library.topics[random.integers(0, TOPICS, count)]
    found = spread(random, near)
    people = random.integers(0, ENTITIES, (count, 2))
    with library.database.begin() as connection:
        assets.register_asset(
            connection,
            owner=library.scope.owner,
            sha256=f"{first:064d}",
            size_bytes=1,
            filename=f"{first}.mp4",
            asset_id=asset_id,
        )
        ids = save_passages(connection, asset_id, PassageTrack.SPEECH, passages)
        vectors.save_vectors(connection, library.model, dict(zip(ids, found, strict=True)))
        evidence = [
            _make_evidence(*row) for row in zip(ids, passages, people.tolist(), strict=True)
        ]
        save_evidence(connection, asset_id, Modality.SPEECH, evidence)


def _make_evidence(identity: str, passage: Passage, people: Sequence[int]) -> PassageEvidence:
    names = [f"Person {number}" for number in people]
    times = (passage.start_ms, passage.end_ms)
    mentions = [Mention(name, EntityKind.PERSON, Modality.SPEECH, *times) for name in names]
    relation = Relation(names[0], "meet", names[1], RelationKind.STATED, *times)
    return PassageEvidence(identity, mentions, [relation])


def spread(random: np.random.Generator, centers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length one whose cosine to their centers is about 0.7.

    They differ more in some directions than in others, as texts do: with noise of one strength in
    all 384, no vector is nearer than the rest. MiniLM's vectors of 20,000 paragraphs have an
    intrinsic dimension of 21 (maximum likelihood over 50 neighbors, Levina and Bickel, 2004); this
    noise has 22 and even noise 67.
    """
    noise = random.standard_normal(centers.shape, dtype=np.float32) * NOISE
    return normalize(centers + noise)


def normalize(rows: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


def _make_word(number: int) -> str:
    """Return a word of its own for each number, from syllables."""
    syllables = "bakedofigulamenopirosutavexyzachishothaquobrilamponesk"
    word = ""
    while number or not word:
        number, rest = divmod(number, 27)
        word += syllables[rest * 2 : rest * 2 + 2]
    return f"{word}r"
