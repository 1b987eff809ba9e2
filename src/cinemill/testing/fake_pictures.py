"""Searches of a fake by pictures: its videos have none, and every search says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cinemill.api.models.search import pictures as server
from cinemill.capabilities.search.similar_pictures import PicturesNotIndexed, QueryEmpty
from cinemill.client.client import Client
from cinemill.client.pictures import DEFAULT_MOMENTS
from cinemill.client.search_documents import PictureSearchDocument
from cinemill.testing.answers import as_client_errors, read_body
from cinemill.testing.fake_assets import FakeAssets


class FakePictureCalls(Client):
    """The searches of a fake by pictures. What the server refuses is refused."""

    _assets: FakeAssets

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
        members = {"time": seconds, "by": by, **_narrow(limit, asset_ids, collections)}
        read_body(server.LikenessQuery, members)
        with as_client_errors():
            self._assets.find(asset_id)
            _refuse()

    def search_by_picture(
        self,
        picture: str | Path,
        *,
        limit: int = DEFAULT_MOMENTS,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> PictureSearchDocument:
        # It loads libav, which a fake can do without until then.
        from cinemill.media.stills.decode import find_format

        content = Path(picture).read_bytes()
        read_body(server.PictureQuery, _narrow(limit, asset_ids, collections))
        with as_client_errors():
            find_format(content)
            _refuse()

    def search_pictures(
        self,
        words: str,
        *,
        limit: int = DEFAULT_MOMENTS,
        asset_ids: Sequence[str] = (),
        collections: Sequence[str] = (),
    ) -> PictureSearchDocument:
        read_body(server.WordsQuery, {"q": words, **_narrow(limit, asset_ids, collections)})
        with as_client_errors():
            if not words.strip():
                raise QueryEmpty("There are no words to search for.")
            _refuse()


def _narrow(limit: int, asset_ids: Sequence[str], collections: Sequence[str]) -> dict[str, object]:
    return {"limit": limit, "asset": list(asset_ids), "collection": list(collections)}


def _refuse() -> NoReturn:
    raise PicturesNotIndexed("No video's pictures have been indexed yet.")
