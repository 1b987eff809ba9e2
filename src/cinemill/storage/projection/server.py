"""A Qdrant server (extra ``qdrant``): collections of points that PostgreSQL can fill again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.errors import DependencyUnavailable, ToolMissing
from cinemill.storage.projection.points import FIELDS, Point, compose_filter, write_point
from cinemill.telemetry import get_logger

if TYPE_CHECKING:
    from pydantic import SecretStr
    from qdrant_client import QdrantClient

log = get_logger(__name__)

SEARCH_SECONDS = 2
"""To connect, and of silence: a person waits. The client takes whole seconds."""
WRITE_SECONDS = 60
REST_SECONDS = 30.0
"""After a search that got no answer, before the next one asks again."""
PORT = 6333
"""Where the address names none."""
LONGEST_REASON = 300

Connect = Callable[[int], "QdrantClient"]
"""Returns a client that waits so many seconds for an answer."""


class QdrantUnavailable(DependencyUnavailable):
    """Qdrant does not respond, or refuses."""

    code = "qdrant_unavailable"
    hint = (
        "Check that Qdrant runs, CINEMILL_QDRANT_URL and CINEMILL_QDRANT_KEY. Searches use "
        "PostgreSQL's own index meanwhile."
    )


class CollectionMissing(QdrantUnavailable):
    """Qdrant responds, and does not have this collection, or no longer."""


@dataclass(frozen=True, slots=True)
class Near:
    """A point that is near a vector."""

    passage_id: str
    score: float
    """Cosine, −1 to 1, as Qdrant computes it."""


class QdrantServer:
    """One Qdrant server; each process has its own connections to it.

    Methods raise QdrantUnavailable (``qdrant_unavailable``), and ToolMissing (``extra_missing``)
    where the client is not installed.
    """

    def __init__(self, connect: Connect) -> None:
        """Keep what connects; nothing is loaded or opened yet."""
        self._connect = connect
        self._rests_until = 0.0

    @cached_property
    def _searches(self) -> QdrantClient:
        return self._connect(SEARCH_SECONDS)

    @cached_property
    def _writes(self) -> QdrantClient:
        return self._connect(WRITE_SECONDS)

    def check(self) -> None:
        """Ask for something that needs the key, for at most a few seconds."""
        with _translated():
            self._searches.get_collections()

    def exists(self, collection: str) -> bool:
        with _translated():
            return bool(self._writes.collection_exists(collection))

    def create(self, collection: str, dimension: int) -> None:
        """Create a collection for vectors of a dimension, unless it is there.

        Everything else about it is as Qdrant has it by default.
        """
        with _translated():
            from qdrant_client import models

            if not self._writes.collection_exists(collection):
                vectors = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
                self._writes.create_collection(collection, vectors_config=vectors)
            for name, kind in FIELDS.items():
                self._writes.create_payload_index(
                    collection, name, field_schema=models.PayloadSchemaType(kind)
                )

    def drop(self, collection: str) -> None:
        """Drop a collection, if it is there."""
        with _translated():
            self._writes.delete_collection(collection)

    def save(self, collection: str, points: Sequence[Point]) -> None:
        """Store points in place of earlier ones with the same ids; return once they are found."""
        if not points:
            return
        with _translated():
            self._writes.upsert(collection, [write_point(one) for one in points], wait=True)

    def delete(self, collection: str, passage_ids: Sequence[str]) -> None:
        """Delete the points of passages, where they are there."""
        if not passage_ids:
            return
        with _translated():
            from qdrant_client import models

            doomed = models.PointIdsList(points=[*passage_ids])
            self._writes.delete(collection, points_selector=doomed, wait=True)

    def count(self, collection: str) -> int:
        with _translated():
            return int(self._writes.count(collection, exact=True).count)

    def estimate_count(self, collection: str) -> int:
        """Return about how many points there are, without going through them."""
        with _translated():
            return int(self._searches.count(collection, exact=False).count)

    def is_indexing(self, collection: str) -> bool:
        """Check whether Qdrant still builds its index, without which it compares every vector."""
        with _translated():
            from qdrant_client import models

            status = self._writes.get_collection(collection).status
            return bool(status is models.CollectionStatus.YELLOW)

    def find_nearest(
        self,
        collection: str,
        vector: Sequence[float],
        scope: SearchScope,
        filters: SearchFilters,
        *,
        limit: int,
    ) -> list[Near]:
        """Return the points of an owner that are nearest to a vector, the nearest first.

        Filters that points do not carry are not applied: see ``points.can_filter``. After a search
        that got no answer, others are refused at once for ``REST_SECONDS``.

        Raises CollectionMissing as well, after which others are not refused: the collection may
        just have been dropped for another one.
        """
        if time.monotonic() < self._rests_until:
            raise QdrantUnavailable("Qdrant did not respond a moment ago.")
        try:
            with _translated():
                found = self._searches.query_points(
                    collection,
                    query=[*vector],
                    query_filter=compose_filter(scope, filters),
                    limit=limit,
                    with_payload=False,
                )
                return [
                    Near(str(UUID(str(one.id))), float(one.score)) for one in found.points[:limit]
                ]
        except CollectionMissing:
            raise
        except QdrantUnavailable as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            log.warning("a search goes on without Qdrant", why=error.message)
            raise


def open_server(url: str | None, api_key: SecretStr | None) -> QdrantServer | None:
    """Return the server of this address, connected to at its first use; None without an address."""
    return None if url is None else QdrantServer(partial(_connect, url, api_key))


def _connect(address: str, api_key: SecretStr | None, seconds: int) -> QdrantClient:
    import warnings

    from qdrant_client import QdrantClient

    parts = urlsplit(address)
    with warnings.catch_warnings():
        # It warns of a key over plain HTTP, as our own settings do.
        warnings.simplefilter("ignore", UserWarning)
        return QdrantClient(
            url=f"{parts.scheme}://{parts.netloc}",
            port=PORT,
            prefix=parts.path.rstrip("/") or None,
            api_key=None if api_key is None else api_key.get_secret_value(),
            timeout=seconds,
            check_compatibility=False,  # a request of its own, which may hang
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Qdrant's client is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[qdrant]'.",
        ) from missing
    try:
        yield
    # ValueError: a reply that is no JSON or another document, and local mode's refusals;
    # AssertionError: one without a result.
    except (ApiException, QdrantException, ValueError, AssertionError) as error:
        reason = " ".join(str(getattr(error, "source", error)).split())[:LONGEST_REASON]
        is_missing = getattr(error, "status_code", None) == HTTPStatus.NOT_FOUND
        kind = CollectionMissing if is_missing else QdrantUnavailable
        raise kind(f"The request to Qdrant failed: {reason or type(error).__name__}.") from error
