"""Videos of collections, and videos of somebody else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.integration.storage.intelligence_rows import tell

from cinemill.storage.database import Database
from cinemill.storage.media.assets import delete_asset, register_asset, set_collection

from .conftest import FILM_HEAD, RunningApi

V1 = "/api/v1"
WORDS = "The lighthouse keeper of Utsira counts puffins."


@pytest.fixture
def database(api: RunningApi) -> Iterator[Database]:
    database = Database(api.database_url)
    yield database
    database.close()


@pytest.fixture
def asset_id(api: RunningApi, database: Database) -> Iterator[str]:
    film = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}
    uploaded = str(api.http.post(f"{V1}/upload", files=film).json()["asset_id"])
    tell(database, uploaded, [WORDS])
    yield uploaded
    with database.begin() as connection:
        delete_asset(connection, uploaded)


@pytest.fixture
def foreign_id(database: Database) -> Iterator[str]:
    """A video of somebody else."""
    name = str(uuid4())
    with database.begin() as connection:
        register_asset(
            connection, owner="somebody", sha256=hashlib.sha256(name.encode()).hexdigest(),
            size_bytes=7, filename="theirs.mp4", asset_id=name,
        )  # fmt: skip
    yield name
    with database.begin() as connection:
        delete_asset(connection, name)


def find_videos(api: RunningApi, *collections: str) -> set[str]:
    params = {"q": "lighthouse keeper puffins", "collection": list(collections)}
    answer = api.http.get(f"{V1}/search", params=params)
    assert answer.status_code == 200, answer.text
    return {one["asset_id"] for one in answer.json()["hits"]}


def test_video_is_found_in_the_collection_that_it_was_moved_into(
    api: RunningApi, asset_id: str
) -> None:
    assert find_videos(api, "birds") == set()
    moved = api.http.patch(f"{V1}/assets/{asset_id}", json={"collection": "birds"})
    assert (moved.status_code, moved.json()["collection"]) == (200, "birds")
    assert api.http.get(f"{V1}/assets/{asset_id}").json()["collection"] == "birds"
    assert find_videos(api, "birds") == find_videos(api) == {asset_id}
    api.http.patch(f"{V1}/assets/{asset_id}", json={"collection": ""})
    assert find_videos(api, "birds") == set()
    assert find_videos(api) == {asset_id}


def list_names(api: RunningApi, **params: str) -> list[str]:
    answer = api.http.get(f"{V1}/collections", params=params)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["collections"]]


def test_video_is_uploaded_into_a_collection(api: RunningApi, database: Database) -> None:
    film = {"file": ("film.mkv", FILM_HEAD + os.urandom(64))}

    def upload(**fields: str) -> str:
        uploaded = api.http.post(f"{V1}/upload", files=film, data=fields)
        assert uploaded.status_code == 201, uploaded.text
        return str(uploaded.json()["asset_id"])

    asset_id = upload(collection="birds of Utsira")
    try:
        for fields, collection in (
            ({}, "birds of Utsira"),
            ({"collection": ""}, "birds of Utsira"),
            ({"collection": "sea birds"}, "sea birds"),
        ):
            assert upload(**fields) == asset_id
            assert api.http.get(f"{V1}/assets/{asset_id}").json()["collection"] == collection
        refused = api.http.post(f"{V1}/upload", files=film, data={"collection": "x" * 256})
        assert (refused.status_code, refused.json()["code"]) == (422, "parameters_invalid")
    finally:
        with database.begin() as connection:
            delete_asset(connection, asset_id)


def test_collections_are_listed_by_pages(
    api: RunningApi, asset_id: str, foreign_id: str, database: Database
) -> None:
    with database.begin() as connection:
        set_collection(connection, foreign_id, "theirs")
    assert {"birds", "", "theirs"} & set(list_names(api)) == set()
    api.http.patch(f"{V1}/assets/{asset_id}", json={"collection": "birds"})
    other = str(
        api.http.post(
            f"{V1}/upload",
            files={"file": ("other.mkv", FILM_HEAD + os.urandom(64))},
            data={"collection": "a lighthouse"},
        ).json()["asset_id"]
    )
    try:
        assert list_names(api) == ["a lighthouse", "birds"]
        first = api.http.get(f"{V1}/collections", params={"limit": "1"}).json()
        assert first["collections"] == [{"name": "a lighthouse", "asset_count": 1}]
        assert list_names(api, limit="1", cursor=first["next"]) == ["birds"]
        refused = api.http.get(f"{V1}/collections", params={"cursor": "x"})
        assert refused.json()["code"] == "cursor_invalid"
    finally:
        with database.begin() as connection:
            delete_asset(connection, other)


@pytest.mark.parametrize("character", ["龍", "🐧"])
def test_page_after_a_long_name_in_any_script_is_returned(
    api: RunningApi, asset_id: str, database: Database, character: str
) -> None:
    name = 255 * character
    api.http.patch(f"{V1}/assets/{asset_id}", json={"collection": name})
    film = {"file": ("other.mkv", FILM_HEAD + os.urandom(64))}
    last = chr(0x10FFFF)
    other = api.http.post(f"{V1}/upload", files=film, data={"collection": last}).json()["asset_id"]
    try:
        first = api.http.get(f"{V1}/collections", params={"limit": "1"}).json()
        assert [one["name"] for one in first["collections"]] == [name]
        assert list_names(api, cursor=first["next"]) == [last]
    finally:
        with database.begin() as connection:
            delete_asset(connection, str(other))


@pytest.mark.parametrize(
    "body", [{}, {"collection": None}, {"collection": "x" * 256}, {"collection": "a\0b"}, []]
)
def test_collection_without_a_storable_name_is_rejected(
    api: RunningApi, asset_id: str, body: object
) -> None:
    answer = api.http.patch(f"{V1}/assets/{asset_id}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameters_invalid")
    assert api.http.get(f"{V1}/assets/{asset_id}").json()["collection"] == ""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"collection": "mine"}),
        ("POST", "/jobs", {"kind": "generate_preview"}),
        ("GET", "/files/source", None),
        ("GET", "/files/proxy", None),
        ("GET", "/streams/hls/master.m3u8", None),
        ("GET", "/ingestions", None),
        ("POST", "/ingestions", {}),
        ("GET", "/findings", None),
        ("GET", "/scenes", None),
        ("GET", "/chapters", None),
        ("GET", "/chapters.vtt", None),
        ("GET", "/similar?time=0", None),
        ("GET", "/analyses", None),
        ("POST", "/analyses", {}),
        ("GET", "/captions", None),
        ("GET", "/captions/en", None),
        ("PUT", "/captions/en", {"captions": []}),
        ("DELETE", "/captions/en", None),
    ],
)
def test_video_of_somebody_else_is_not_found(
    api: RunningApi, foreign_id: str, method: str, path: str, body: object
) -> None:
    answer = api.http.request(method, f"{V1}/assets/{foreign_id}{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "asset_not_found"), answer.text
