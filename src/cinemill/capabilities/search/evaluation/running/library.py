"""A corpus as a library in the database: its own owner, whose videos are deleted afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cinemill.capabilities.search.evaluation.metrics.records import Moment
from cinemill.capabilities.search.evaluation.running.video_passages import VideoPassages
from cinemill.core.retrieval.hits import Candidate, Hit, Scores, SearchScope
from cinemill.core.retrieval.passages import Passage
from cinemill.core.retrieval.spaces import EMBEDDED_TRACKS, Space
from cinemill.errors import LockTimeout, NotFound
from cinemill.inference.text.protocol import TextEmbedder
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.retrieval.models import (
    EmbeddingModel,
    drop_if_empty,
    find_model,
    register_model,
)
from cinemill.storage.retrieval.passages import refresh_statistics, save_passages
from cinemill.storage.retrieval.vectors import save_vectors


@dataclass(frozen=True, slots=True)
class CorpusLibrary:
    """A corpus that is stored and embedded. Also reads passages, as an answer's context does."""

    database: Database
    scope: SearchScope
    embedder: TextEmbedder
    model: EmbeddingModel
    passages: Mapping[str, Candidate]
    """Without scores, by id."""
    names: Mapping[str, str]
    """Names of videos, by the id of their asset."""

    def locate(self, found: Candidate | Hit) -> Moment:
        """Return the moment of a passage or a hit, with its video's name."""
        return Moment(self.names[found.asset_id], found.start_ms, found.end_ms)

    def read_passages(self, scope: SearchScope, passage_ids: Collection[str]) -> list[Candidate]:
        """Return these passages; see ``context.PassageReader``."""
        self._require(scope)
        return [self.passages[one] for one in passage_ids if one in self.passages]

    def read_neighbours(
        self, scope: SearchScope, passages: Sequence[Candidate], distance: int
    ) -> list[Candidate]:
        """Return the passages next to these; see ``context.PassageReader``."""
        self._require(scope)
        wanted = {
            (one.asset_id, one.track, number)
            for one in passages
            for number in range(one.number - distance, one.number + distance + 1)
        }
        return [
            one for one in self.passages.values() if (one.asset_id, one.track, one.number) in wanted
        ]

    def _require(self, scope: SearchScope) -> None:
        if scope.owner != self.scope.owner:
            raise ValueError("a corpus has one owner")


@contextmanager
def open_library(
    database: Database,
    embedder: TextEmbedder,
    videos: Mapping[str, VideoPassages],
    *,
    owner: str,
    name: str,
    revision: str,
) -> Iterator[CorpusLibrary]:
    """Store and embed these videos for an owner of their own, until the block ends.

    ``name`` and ``revision`` are the embedding model's, as its card has them. Other owners' videos
    are neither searched nor changed, and a model that the database did not know is removed again.
    The same owner gives the same ids, and so the same order of what scores the same.

    Raises DatabaseUnavailable, InputRejected (``embedding_invalid``), Conflict
    (``embedding_dimension_changed``).
    """
    with database.begin() as connection:
        is_new = find_model(connection, space=Space.TEXT, name=name, revision=revision) is None
        model = register_model(
            connection,
            space=Space.TEXT,
            name=name,
            revision=revision,
            dimension=embedder.dimension,
            tracks=EMBEDDED_TRACKS[Space.TEXT],
        )
    library = CorpusLibrary(database, SearchScope(owner), embedder, model, {}, {})
    names: dict[str, str] = {}
    try:
        passages: dict[str, Candidate] = {}
        for video, tracks in videos.items():
            asset_id = f"{owner}-{video}"
            names[asset_id] = video
            passages |= _store_video(library, asset_id, tracks)
        refresh_statistics(database)
        yield CorpusLibrary(database, library.scope, embedder, model, passages, names)
    finally:
        for asset_id in names:
            with database.begin() as connection:
                assets.delete_asset(connection, asset_id)
        # Busy or gone means that somebody's ingestion has taken it up.
        with suppress(LockTimeout, NotFound), database.begin() as connection:
            if is_new:
                drop_if_empty(connection, model.id)


def _store_video(
    library: CorpusLibrary, asset_id: str, tracks: VideoPassages
) -> dict[str, Candidate]:
    """Store a video's passages with their vectors in one transaction; return them by id."""
    listed = [passage for passages in tracks.values() for passage in passages]
    vectors = library.embedder.embed([one.text for one in listed])
    with library.database.begin() as connection:
        assets.register_asset(
            connection,
            owner=library.scope.owner,
            sha256=hashlib.sha256(asset_id.encode()).hexdigest(),
            size_bytes=1,
            filename=f"{asset_id}.mp4",
            asset_id=asset_id,
        )
        ids = [
            one
            for track, passages in tracks.items()
            for one in save_passages(connection, asset_id, track, passages)
        ]
        save_vectors(connection, library.model, dict(zip(ids, vectors, strict=True)))
    return {
        one: _as_candidate(one, asset_id, passage) for one, passage in zip(ids, listed, strict=True)
    }


def _as_candidate(identity: str, asset_id: str, passage: Passage) -> Candidate:
    return Candidate(
        passage_id=identity,
        asset_id=asset_id,
        track=passage.track,
        number=passage.number,
        start_ms=passage.start_ms,
        end_ms=passage.end_ms,
        text=passage.text,
        language=passage.language,
        speaker=passage.speaker,
        scores=Scores(),
        unsure_words=passage.unsure_words,
    )
