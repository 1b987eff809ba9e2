"""Searches by pictures over HTTP, with a real model and real files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.integration.api.conftest import RunningApi, StartApi
from tests.integration.storage.intelligence_rows import register, without_models
from tests.onnx_files import write_mean_model
from typer.testing import CliRunner, Result

from cinemill.api.app import FILES_FOLDER
from cinemill.cli.main import app
from cinemill.client import Client, ClientError
from cinemill.core.frames import Frame
from cinemill.core.job import DEFAULT_OWNER
from cinemill.core.media import ArtifactKind
from cinemill.core.parameter_reader import read_parameters
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.inference.models.cards import MODELS_FOLDER
from cinemill.inference.models.user_cards import UserCard, add_model
from cinemill.inference.vision.embedder import open_picture_embedder
from cinemill.media.frames.jpeg import encode_jpeg
from cinemill.media.stills.limits import MOST_BYTES
from cinemill.steps.ingestion.keyframe_pictures import store_pictures
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.passages import save_passages
from cinemill.storage.retrieval.vectors import save_vectors

CARD = {
    "schema": 1,
    "name": "mean-color",
    "role": "image-embedding",
    "licence": "CC0-1.0",
    "input": {"width": 32, "height": 32, "mean": [0, 0, 0], "std": [255, 255, 255]},
    "outputs": [{"dimension": 3}],
}
COLORS = {
    "film": [(200, 30, 30), (180, 50, 40), (30, 30, 200)],
    "other": [(30, 200, 30)],
}
"""Of the pictures of each video, five seconds apart."""


def paint(color: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((72, 128, 3), color, np.uint8)


@dataclass(frozen=True, slots=True)
class Library:
    """An API whose two videos have pictures."""

    api: RunningApi
    database: Database


@pytest.fixture(scope="module")
def library(start_api: StartApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    api = start_api()
    database = Database(api.database_url)
    with without_models(database):
        _fill(api, database, tmp_path_factory.mktemp("model"))
        yield Library(api, database)
        with database.begin() as connection:
            for name in COLORS:
                assets.delete_asset(connection, name)
    database.close()


def _fill(api: RunningApi, database: Database, folder: Path) -> None:
    models_dir = api.home / MODELS_FOLDER
    file = write_mean_model(folder / "mean.onnx")
    card = add_model(read_parameters(UserCard, CARD), file, models_dir, taken=())
    embedder = open_picture_embedder(card.name, models_dir)
    files = LocalFiles(api.home / FILES_FOLDER)
    with database.begin() as connection:
        model = models.register_model(
            connection,
            space="picture",
            name=card.name,
            revision=card.revision,
            dimension=3,
            tracks=[PassageTrack.KEYFRAME],
        )
    for name, colors in COLORS.items():
        register(database, name, owner=DEFAULT_OWNER, collection=f"collection of {name}")
        frames = [Frame(at, at * 5000 + 1000, paint(color)) for at, color in enumerate(colors)]
        stored = store_pictures(files, frames, stem=name)
        passages = [
            Passage(
                *(at, PassageTrack.KEYFRAME, at * 5000, at * 5000 + 5000, ""),
                frame_ms=frame.time_ms,
            )
            for at, frame in enumerate(frames)
        ]
        vectors = embedder.embed([frame.pixels for frame in frames])
        with database.begin() as connection:
            assets.replace_artifacts(connection, name, "key", ArtifactKind.KEYFRAME, stored)
            ids = save_passages(connection, name, PassageTrack.KEYFRAME, passages)
            save_vectors(connection, model, dict(zip(ids, vectors, strict=True)))
    models.build_index(database, model)
    with database.begin() as connection:
        models.activate_model(connection, model.id)


def test_moments_like_another_are_found_with_their_pictures(library: Library) -> None:
    http = library.api.http
    answer = http.get("/api/v1/assets/film/similar", params={"time": 1.5})
    assert answer.status_code == 200, answer.text
    found = answer.json()["moments"]
    assert (found[0]["asset_id"], found[0]["start"]) == ("film", 5.0)
    assert {(one["asset_id"], one["start"]) for one in found[1:]} == {
        ("film", 10.0),
        ("other", 0.0),
    }
    assert found[0]["score"] > 0.98 > found[1]["score"]
    assert (found[0]["end"], found[0]["picture_time"]) == (10.0, 6.0)
    picture = http.get(found[0]["picture_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["content-disposition"].startswith("inline")
    assert picture.content[:3] == b"\xff\xd8\xff"
    # An asset's own list has the files too.
    listed = http.get("/api/v1/assets/film").json()["artifacts"]
    assert [one["kind"] for one in listed] == ["keyframe"] * 3
    assert listed[0]["variant"] == "000001000"


def test_search_can_be_limited(library: Library) -> None:
    http, path = library.api.http, "/api/v1/assets/film/similar"
    only = http.get(path, params={"time": 0, "collection": "collection of other"}).json()
    assert [one["asset_id"] for one in only["moments"]] == ["other"]
    own = http.get(path, params={"time": 0, "asset": "film", "limit": 1}).json()
    assert [one["start"] for one in own["moments"]] == [5.0]


def test_picture_that_was_sent_is_found(library: Library) -> None:
    answer = library.api.http.post(
        "/api/v1/search/pictures",
        content=encode_jpeg(paint((35, 190, 25))),
        headers={"Content-Type": "image/jpeg"},
        params={"limit": 2},
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()["moments"]
    assert len(found) == 2
    assert found[0]["asset_id"] == "other"
    assert found[0]["score"] > 0.99 > found[1]["score"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "picture_unreadable"),
        (b"no picture", 422, "picture_unreadable"),
        (b"\xff\xd8\xff" + bytes(2000), 422, "picture_unreadable"),
        (b"\xff\xd8\xff" + bytes(MOST_BYTES), 413, "too_large"),
    ],
    ids=["empty", "text", "damaged", "too large"],
)
def test_what_is_no_picture_is_refused(
    library: Library, content: bytes, status: int, code: str
) -> None:
    answer = library.api.http.post("/api/v1/search/pictures", content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.fixture
def client(library: Library) -> Iterator[Client]:
    with Client(library.api.address, library.api.token) as opened:
        yield opened


@pytest.fixture
def cinemill(library: Library, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CINEMILL_URL", library.api.address)
    monkeypatch.setenv("CINEMILL_TOKEN", library.api.token)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def green(tmp_path: Path) -> Path:
    """A picture that looks like the other video's."""
    path = tmp_path / "green.jpg"
    path.write_bytes(encode_jpeg(paint((35, 190, 25))))
    return path


def test_client_finds_pictures(client: Client, green: Path) -> None:
    found = client.similar_moments("film", 1.5, limit=1)["moments"]
    assert [(one["asset_id"], one["start"], one["picture_time"]) for one in found] == [
        ("film", 5.0, 6.0)
    ]
    only = client.similar_moments("film", 0, collections=["collection of other"])["moments"]
    assert [one["asset_id"] for one in only] == ["other"]
    found = client.search_by_picture(green, limit=2)["moments"]
    assert (len(found), found[0]["asset_id"]) == (2, "other")
    (first,) = client.search_by_picture(str(green), asset_ids=["film"], limit=1)["moments"]
    assert first["asset_id"] == "film"


def test_refusals_of_picture_searches_are_client_errors(client: Client, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    for call, code in (
        (partial(client.search_by_picture, text), "picture_unreadable"),
        (partial(client.search_pictures, "a red car"), "text_tower_missing"),
        (partial(client.similar_moments, "film", 1, by="moment"), "pictures_not_indexed"),
        (partial(client.similar_moments, "nothing", 1), "asset_not_found"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.code == code


def test_search_command_finds_pictures(cinemill: Callable[..., Result], green: Path) -> None:
    for arguments, best in (
        (("--picture", green), "other"),
        (("--like", "film@1.5"), "film"),
        (("--like", "film@00:00:01.5", "--asset", "other"), "other"),
    ):
        answer = cinemill("search", *arguments, "--limit", 1, "--json")
        assert answer.exit_code == 0, answer.output
        (moment,) = json.loads(answer.stdout)["moments"]
        assert moment["asset_id"] == best
    shown = cinemill("search", "--like", "film@0:01")
    assert shown.exit_code == 0
    row = next(line for line in shown.stdout.splitlines() if "00:00:05-00:00:10" in line)
    assert "00:00:06" in row
    assert "film.mp4" in row


def test_search_command_reports_refusals(cinemill: Callable[..., Result], tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    refused = cinemill("search", "--picture", text, "--json")
    assert json.loads(refused.stderr)["error"]["code"] == "picture_unreadable"
    refused = cinemill("search", "--like", "nothing@1", "--json")
    assert json.loads(refused.stderr)["error"]["code"] == "asset_not_found"


def test_words_need_a_text_tower(library: Library) -> None:
    answer = library.api.http.get("/api/v1/search/pictures", params={"q": "a red car"})
    assert (answer.status_code, answer.json()["code"]) == (503, "text_tower_missing")
    assert "mean-color has no text tower" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/api/v1/assets/nothing/similar", {"time": 1}, 404, "asset_not_found"),
        ("/api/v1/assets/film/similar", {}, 422, None),
        ("/api/v1/assets/film/similar", {"time": -1}, 422, None),
        ("/api/v1/assets/film/similar", {"time": 1, "limit": 0}, 422, None),
        ("/api/v1/assets/film/similar", {"time": 1, "by": "moment"}, 409, "pictures_not_indexed"),
        ("/api/v1/search/pictures", {"q": ""}, 422, None),
        ("/api/v1/search/pictures", {"q": " "}, 422, "query_empty"),
    ],
)
def test_searches_that_cannot_be_are_refused(
    library: Library, path: str, params: dict[str, object], status: int, code: str | None
) -> None:
    answer = library.api.http.get(path, params={name: str(one) for name, one in params.items()})
    assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["code"] == code


def test_video_without_pictures_has_nothing_to_compare(library: Library) -> None:
    register(library.database, "plain", owner=DEFAULT_OWNER)
    answer = library.api.http.get("/api/v1/assets/plain/similar", params={"time": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "keyframe_not_found")


def test_stranger_is_asked_for_the_token(library: Library) -> None:
    stranger = library.api.stranger
    assert stranger.get("/api/v1/assets/film/similar", params={"time": 1}).status_code == 401
    assert stranger.post("/api/v1/search/pictures", content=b"x").status_code == 401
