"""What searches and answers of the HTTP API work with, opened at the first one."""

from __future__ import annotations

import threading
from functools import cached_property

from cinemill.api.bounded_threads import BoundedThreads
from cinemill.capabilities.search.runtime.resources import SearchResources
from cinemill.config import Settings
from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.inference.language_models.protocol import LanguageModel
from cinemill.inference.models.cards import MODELS_FOLDER
from cinemill.storage.database import Database
from cinemill.storage.projection.nearest import ProjectedIndex
from cinemill.storage.projection.server import open_server

SEARCH_THREADS, MOST_WAITING_SEARCHES = 4, 28
ANSWER_THREADS, MOST_WAITING_ANSWERS = 8, 8
"""Apart from searches, which no language model may keep waiting."""


class SearchAccess:
    """Resources of searches by owner, and the threads that they run in."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._lock = threading.Lock()
        self.qdrant = open_server(settings.qdrant_url, settings.qdrant_key)
        self.searches = BoundedThreads(
            "search", threads=SEARCH_THREADS, waiting=MOST_WAITING_SEARCHES
        )
        self.answers = BoundedThreads(
            "answer", threads=ANSWER_THREADS, waiting=MOST_WAITING_ANSWERS
        )

    def open(self, owner: str) -> SearchResources:
        """Return what searches of this owner work with.

        Raises LanguageModelRefused (``language_model_address``).
        """
        with self._lock:
            return self._resources.for_owner(owner)

    def open_index(self) -> ProjectedIndex | None:
        """Return what proposes passages to one search, if there is anything but PostgreSQL."""
        return None if self.qdrant is None else ProjectedIndex(self.qdrant)

    def close(self) -> None:
        """Begin no more searches and answers."""
        self.searches.close()
        self.answers.close()

    @cached_property
    def _resources(self) -> SearchResources:
        settings = self._settings
        return SearchResources(
            database=self._database,
            models_dir=settings.home / MODELS_FOLDER,
            text_model=settings.text_model,
            owner="",
            language_model=_open_language_model(settings),
            qdrant=self.qdrant,
        )


def _open_language_model(settings: Settings) -> LanguageModel | None:
    if settings.language_model is None:
        return None
    # Loads an HTTP client, which a server without a language model can do without.
    from cinemill.inference.language_models.open import open_language_model

    key = settings.language_model_key
    address = LanguageModelAddress(
        settings.language_model,
        settings.language_model_api,
        settings.language_model_url or "",
        "" if key is None else key.get_secret_value(),
    )
    return open_language_model(address)
