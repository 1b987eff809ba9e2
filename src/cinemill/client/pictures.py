"""Searches by pictures, as methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from cinemill.client.calls import Calls, part_of
from cinemill.client.connection import API
from cinemill.client.search_documents import PictureSearchDocument

DEFAULT_MOMENTS = 20


class PictureCalls(Calls):
    """What a client can find by what videos show. Times are seconds from a video's start.

    ``limit`` is the most moments to return, 1 to 200. There is always a most similar moment: the
    scores say how much.
    """

    def similar_moments(
        self,
        asset_id: str,
        seconds: float,
        *,
        by: str = "picture",
        limit: int = DEFAULT_MOMENTS,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> PictureSearchDocument:
        """Find moments that are like a video's at a time, in all videos or some.

        ``by`` is ``picture`` (what is shown) or ``moment`` (also what is said and written).
        """
        wanted = {"time": seconds, "by": by, **_narrow(limit, asset_ids, collections)}
        reply = self._get(f"{API}/assets/{part_of(asset_id)}/similar", wanted)
        return cast("PictureSearchDocument", reply)

    def search_by_picture(
        self,
        picture: str | Path,
        *,
        limit: int = DEFAULT_MOMENTS,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> PictureSearchDocument:
        """Find moments that look like a picture: a JPEG or PNG file of at most 16 MiB.

        Raises OSError where the file cannot be read.
        """
        with Path(picture).open("rb") as file:
            reply = self._connection.call(
                "POST",
                f"{API}/search/pictures",
                content=file,
                params=_narrow(limit, asset_ids, collections),
                headers={"Content-Type": "application/octet-stream"},
            )
        return cast("PictureSearchDocument", reply)

    def search_pictures(
        self,
        words: str,
        *,
        limit: int = DEFAULT_MOMENTS,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> PictureSearchDocument:
        """Find moments that show what words say, in English."""
        wanted = {"q": words, **_narrow(limit, asset_ids, collections)}
        return cast("PictureSearchDocument", self._get(f"{API}/search/pictures", wanted))


def _narrow(limit: int, asset_ids: Sequence[str], collections: Sequence[str]) -> dict[str, Any]:
    return {"limit": limit, "asset": list(asset_ids), "collection": list(collections)}
