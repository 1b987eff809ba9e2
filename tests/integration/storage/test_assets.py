"""Assets and artifacts: the same bytes are one asset, and the same work is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest

from cinemill.core.media import Artifact, ArtifactKind, MediaInfo, SourceFormat, VideoStream
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.media import assets, deletions
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.media.referenced_files import list_referenced

VIDEO = VideoStream(
    index=0,
    codec="h264",
    width=320,
    height=180,
    display_width=320,
    display_height=180,
    fps=Fraction(30000, 1001),
    is_variable_rate=False,
    rotation_degrees=0,
    pixel_format="yuv420p",
    bit_depth=8,
    is_interlaced=False,
    color_primaries="bt709",
    color_transfer="bt709",
    color_space="bt709",
    hdr="",
    frames_from_header=60,
    duration_seconds_from_header=2.0,
)
MEDIA = MediaInfo(SourceFormat.MP4, 1000, 2.0, 0.0, 4000, VIDEO, warnings=("odd size",))


def register(database: Database, *, owner: str = "ann", sha256: str = "0") -> AssetRecord:
    with database.begin() as connection:
        return assets.register_asset(
            connection, owner=owner, sha256=sha256, size_bytes=7, filename="film.mp4"
        )[0]


def make_artifact(kind: ArtifactKind = ArtifactKind.PROXY, sha256: str = "p") -> Artifact:
    return Artifact(kind, sha256, 3, "film-proxy.mp4", "video/mp4", {"width": 854})


def save(database: Database, asset: AssetRecord, artifact: Artifact, key: str = "key") -> None:
    with database.begin() as connection:
        assets.save_artifacts(connection, asset.id, key, [artifact])


def test_same_bytes_of_the_same_owner_are_one_asset(database: Database) -> None:
    assert register(database).id == register(database).id
    assert register(database, owner="bob").id != register(database).id


def test_asset_goes_by_its_latest_name_and_keeps_the_others(database: Database) -> None:
    def bring(filename: str) -> tuple[str, tuple[str, ...]]:
        with database.begin() as connection:
            found, _ = assets.register_asset(
                connection, owner="ann", sha256="0", size_bytes=7, filename=filename
            )
        assert assets.get_asset(database, found.id) == found
        return found.filename, found.other_names

    assert bring("a.mp4") == ("a.mp4", ())
    assert bring("a.mp4") == ("a.mp4", ())
    assert bring("b.mp4") == ("b.mp4", ("a.mp4",))
    assert bring("c.mp4") == ("c.mp4", ("b.mp4", "a.mp4"))
    assert bring("a.mp4") == ("a.mp4", ("c.mp4", "b.mp4"))
    for number in range(assets.MOST_OTHER_NAMES + 5):
        bring(f"{number}.mp4")
    assert len(bring("z.mp4")[1]) == assets.MOST_OTHER_NAMES


@pytest.mark.parametrize("undo_seconds", [0, 10])
def test_video_that_is_brought_again_is_not_deleted(database: Database, undo_seconds: int) -> None:
    """However it comes: by an upload, by its path, or as a clip of a render."""
    asset = register(database)
    with database.begin() as connection:
        deletions.mark(connection, asset.id, undo_seconds=undo_seconds)
    assert assets.get_asset(database, asset.id).deleted_in_seconds is not None
    assert register(database) == asset
    assert assets.get_asset(database, asset.id) == asset


def test_twenty_that_bring_the_same_bytes_at_once_have_one_asset(database: Database) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len({asset.id for asset in pool.map(lambda _: register(database), range(20))}) == 1


def test_asset_is_found_by_id_and_by_content(database: Database) -> None:
    asset = register(database)
    assert assets.get_asset(database, asset.id) == asset
    assert assets.find_asset(database, owner="ann", sha256="0") == asset
    assert assets.find_asset(database, owner="bob", sha256="0") is None
    with pytest.raises(NotFound) as missing:
        assets.get_asset(database, "no such asset")
    assert missing.value.code == "asset_not_found"


def test_what_a_probe_found_comes_back_whole(database: Database) -> None:
    asset = register(database)
    with database.begin() as connection:
        assets.record_media(connection, asset.id, MEDIA)
    assert assets.get_asset(database, asset.id).media == MEDIA


def test_artifact_is_found_by_its_kind(database: Database) -> None:
    asset = register(database)
    save(database, asset, make_artifact())
    found = assets.get_artifact(database, asset.id, ArtifactKind.PROXY)
    assert (found.artifact, found.step_key) == (make_artifact(), "key")
    with pytest.raises(NotFound) as missing:
        assets.get_artifact(database, asset.id, ArtifactKind.SPRITE)
    assert missing.value.code == "artifact_not_found"


def test_newer_artifact_of_a_kind_takes_the_place_of_the_older(database: Database) -> None:
    asset = register(database)
    save(database, asset, make_artifact(sha256="old"), "key-1")
    save(database, asset, make_artifact(sha256="new"), "key-2")
    (record,) = assets.list_artifacts(database, asset.id)
    assert (record.artifact.sha256, record.step_key) == ("new", "key-2")
    assert assets.find_step_artifacts(database, "key-1") == {}


def test_work_that_was_done_for_another_asset_is_found_by_its_key(database: Database) -> None:
    save(database, register(database), make_artifact(), "key")
    assert assets.find_step_artifacts(database, "key") == {"proxy": make_artifact()}


def test_every_file_that_a_row_names_is_listed_with_its_size(database: Database) -> None:
    save(database, register(database, sha256="source"), make_artifact(sha256="proxy"))
    with database.begin() as connection:
        assert list_referenced(connection) == {"source": 7, "proxy": 3}


def test_deleted_asset_takes_its_artifacts_along(database: Database) -> None:
    asset = register(database)
    save(database, asset, make_artifact())
    with database.begin() as connection:
        assert assets.delete_asset(connection, asset.id)
        assert not assets.delete_asset(connection, asset.id)
        assert list_referenced(connection) == {}
