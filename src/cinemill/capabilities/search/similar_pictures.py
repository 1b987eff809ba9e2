"""Moments that look like another one, like a picture that somebody sent, or as words say.

Functions of one process over what the database holds, and over the ``index`` that proposes the
nearest moments of a large library. The model of pictures is loaded by the first
search that needs it: one from a moment of a video needs none, for its vector is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.core.retrieval.hits import Candidate, SearchFilters, SearchScope
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.core.retrieval.queries import CandidateQuery
from cinemill.core.retrieval.similar import DEFAULT_MOMENTS, MOST_MOMENTS, SimilarMoment
from cinemill.core.retrieval.spaces import Space
from cinemill.errors import InputRejected, NotFound, ToolMissing
from cinemill.storage.database import Connection, Database
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.retrieval.models import EmbeddingModel, find_active_model
from cinemill.storage.retrieval.moments import find_shown_passage
from cinemill.storage.retrieval.search import find_candidates
from cinemill.storage.retrieval.vectors import get_vector

if TYPE_CHECKING:
    from cinemill.core.frames import Pixels

NO_FILTERS = SearchFilters()


class PicturesNotIndexed(NotFound):
    """No video's pictures can be searched yet."""

    code = "pictures_not_indexed"
    http_status = 409
    hint = "Process a video with the profile 'full'."


class QueryEmpty(InputRejected):
    """There are no words to search for."""

    code = "query_empty"
    hint = "Say what the picture shows."


def find_similar_moments(
    database: Database,
    scope: SearchScope,
    asset_id: str,
    time_ms: int,
    *,
    space: Space = Space.PICTURE,
    filters: SearchFilters = NO_FILTERS,
    limit: int = DEFAULT_MOMENTS,
    index: ProjectedIndex | None = None,
) -> list[SimilarMoment]:
    """Return the moments that are most like the one of a video at a time, itself left out.

    ``space`` is Space.PICTURE for what is shown, or Space.MOMENT for that together with what is
    said and written meanwhile. The video must be the owner's; what is found is in the scope.

    Raises NotFound (``keyframe_not_found``) where the video has no key frame that was embedded,
    PicturesNotIndexed (``pictures_not_indexed``), ValueError for another space or a limit that is
    not 1 to ``MOST_MOMENTS``.
    """
    _check(limit, space)
    with database.begin() as connection:
        model = _require_model(connection, space)
        passage_id = find_shown_passage(connection, scope.owner, asset_id, time_ms)
        if passage_id is None:
            raise _no_keyframe(asset_id)
        try:
            vector = get_vector(connection, model, scope.owner, passage_id)
        except NotFound as missing:
            raise _no_keyframe(asset_id) from missing
        found = _search(connection, scope, filters, model, vector.tolist(), limit + 1, index)
    return [one for one in found if one.passage_id != passage_id][:limit]


def find_similar_pictures(
    database: Database,
    scope: SearchScope,
    picture: Pixels,
    *,
    models_dir: Path,
    filters: SearchFilters = NO_FILTERS,
    limit: int = DEFAULT_MOMENTS,
    index: ProjectedIndex | None = None,
) -> list[SimilarMoment]:
    """Return the moments that look most like a picture (height × width × RGB, of any size).

    Raises PicturesNotIndexed (``pictures_not_indexed``); ToolMissing (``model_missing`` and others)
    where the model that the index was made with is not on this machine, or is another revision
    (``model_changed``); ValueError for a limit that is not 1 to ``MOST_MOMENTS``.
    """
    from cinemill.inference.vision.embedder import open_picture_embedder

    _check(limit, Space.PICTURE)
    model = _find_model(database, Space.PICTURE)
    embedder = open_picture_embedder(model.name, models_dir)
    _check_revision(model, embedder.card.revision)
    (vector,) = embedder.embed([picture])
    with database.begin() as connection:
        return _search(connection, scope, filters, model, vector.tolist(), limit, index)


def find_pictures_by_words(
    database: Database,
    scope: SearchScope,
    words: str,
    *,
    models_dir: Path,
    filters: SearchFilters = NO_FILTERS,
    limit: int = DEFAULT_MOMENTS,
    index: ProjectedIndex | None = None,
) -> list[SimilarMoment]:
    """Return the moments that show most what words say, by the text tower of the picture model.

    Raises QueryEmpty (``query_empty``), PicturesNotIndexed (``pictures_not_indexed``), ToolMissing
    (``text_tower_missing`` where the picture model has none, or it is not on this machine),
    ValueError for a limit that is not 1 to ``MOST_MOMENTS``.
    """
    from cinemill.inference.text.text_tower import open_text_tower

    _check(limit, Space.PICTURE)
    if not words.strip():
        raise QueryEmpty("There are no words to search for.")
    model = _find_model(database, Space.PICTURE)
    tower = open_text_tower(model.name, models_dir)
    if tower.dimension != model.dimension:
        raise ToolMissing(
            f"The text tower of {model.name} gives {tower.dimension} numbers, and the index of "
            f"pictures has {model.dimension}.",
            code="model_changed",
            hint="Process a video with the profile 'full', which makes the index again.",
        )
    (vector,) = tower.embed([words])
    with database.begin() as connection:
        return _search(connection, scope, filters, model, vector.tolist(), limit, index)


def _check(limit: int, space: Space) -> None:
    if not 1 <= limit <= MOST_MOMENTS:
        raise ValueError(f"limit must be 1 to {MOST_MOMENTS}")
    if space is Space.TEXT:
        raise ValueError("texts have no pictures")


def _find_model(database: Database, space: Space) -> EmbeddingModel:
    with database.begin() as connection:
        return _require_model(connection, space)


def _require_model(connection: Connection, space: Space) -> EmbeddingModel:
    model = find_active_model(connection, space)
    if model is None:
        raise PicturesNotIndexed("No video's pictures have been indexed yet.")
    return model


def _check_revision(model: EmbeddingModel, revision: str) -> None:
    if revision != model.revision:
        raise ToolMissing(
            f"The model {model.name} on this machine is another than the index was made with.",
            code="model_changed",
            hint="Process a video with the profile 'full', which makes the index again.",
        )


def _search(
    connection: Connection,
    scope: SearchScope,
    filters: SearchFilters,
    model: EmbeddingModel,
    vector: Sequence[float],
    limit: int,
    index: ProjectedIndex | None,
) -> list[SimilarMoment]:
    query = CandidateQuery(
        scope,
        replace(filters, tracks=(PassageTrack.KEYFRAME,)),
        vector=vector,
        model_id=model.id,
        limit=limit,
    )
    moments = [_read(one) for one in find_candidates(connection, query, index)]
    return sorted(moments, key=lambda one: (-one.score, one.asset_id, one.start_ms))


def _read(found: Candidate) -> SimilarMoment:
    return SimilarMoment(
        asset_id=found.asset_id,
        passage_id=found.passage_id,
        start_ms=found.start_ms,
        end_ms=found.end_ms,
        frame_ms=found.start_ms if found.frame_ms is None else found.frame_ms,
        score=found.scores.vector or 0.0,
    )


def _no_keyframe(asset_id: str) -> NotFound:
    return NotFound(
        f"The video {asset_id} has no key frame that can be compared.",
        code="keyframe_not_found",
        hint="Process it with the profile 'full', and wait until its job has ended.",
    )
