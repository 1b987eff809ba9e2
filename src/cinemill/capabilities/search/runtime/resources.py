"""What searches and answers work with: a frozen value, passed in by the API or by a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cinemill.capabilities.search.relevance import RelevanceModel, load_model
from cinemill.core.retrieval.hits import SearchScope
from cinemill.errors import InputRejected
from cinemill.inference.language_models.protocol import LanguageModel
from cinemill.storage.database import Database
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.projection.server import QdrantServer
from cinemill.telemetry import get_logger

log = get_logger(__name__)

RELEVANCE_FILE = "relevance.json"
"""In the folder of models: what was fitted to tell answers from near misses."""


@dataclass(frozen=True, slots=True)
class SearchResources:
    """The database, the models, and whose videos are searched."""

    database: Database
    models_dir: Path
    text_model: str
    """Name of the embedding model that new passages get."""
    owner: str
    language_model: LanguageModel | None = None
    """None: answers are quotations."""
    qdrant: QdrantServer | None = None
    """That proposes the nearest passages of large libraries; None: PostgreSQL finds them alone."""

    def for_owner(self, owner: str) -> SearchResources:
        """Return the same for another owner's videos."""
        return replace(self, owner=owner)

    def open_index(self) -> ProjectedIndex | None:
        """Return what proposes passages to one search, if there is anything but PostgreSQL."""
        return None if self.qdrant is None else ProjectedIndex(self.qdrant)

    def scope(self, collections: tuple[str, ...] = ()) -> SearchScope:
        """Return what a search sees: this owner's videos, of these collections if any are named."""
        return SearchScope(self.owner, collections)


@dataclass(frozen=True, slots=True)
class FittedRelevance:
    """A model of relevance, and whether it was fitted on this installation's kind of videos."""

    model: RelevanceModel | None
    """None: the one that comes with the package."""
    is_fitted: bool


def find_relevance(models_dir: Path) -> FittedRelevance:
    """Return the model of relevance that was fitted here, or else that of the package.

    The file is read again when it changes. One that cannot be read counts as missing, and is
    logged.
    """
    path = models_dir / RELEVANCE_FILE
    try:
        state = path.stat()
    except OSError:
        return FittedRelevance(None, is_fitted=False)
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, _modified: int, _size: int) -> FittedRelevance:
    try:
        return FittedRelevance(load_model(path), is_fitted=True)
    except InputRejected as error:
        log.warning("the model of relevance cannot be used", code=error.code, why=error.message)
        return FittedRelevance(None, is_fitted=False)
