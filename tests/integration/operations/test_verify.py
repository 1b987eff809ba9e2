"""Rows against files: missing, damaged and orphaned files are found, and only these removed."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from cinemill.capabilities.operations.retention import remove_broken_uploads, remove_orphans
from cinemill.capabilities.operations.verify import find_orphans, is_orphan, verify_files
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles, StoredFile


def store(files: LocalFiles, content: bytes) -> StoredFile:
    with files.receive() as incoming:
        incoming.write(content)
        return incoming.commit()


def create_asset(database: Database, files: LocalFiles, content: bytes) -> StoredFile:
    """Create an asset with a stored file."""
    stored = store(files, content)
    with database.begin() as connection:
        assets.register_asset(
            connection,
            owner="ann",
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            filename="film.mp4",
        )
    return stored


def create_artifact(database: Database, files: LocalFiles, content: bytes) -> StoredFile:
    """Create an artifact with a stored file."""
    create_asset(database, files, b"film")
    stored = store(files, content)
    made = Artifact(ArtifactKind.PROXY, stored.sha256, len(content), "proxy.mp4", "video/mp4")
    with database.begin() as connection:
        (asset, *_) = assets.list_assets(database)
        assets.save_artifacts(connection, asset.id, "key", [made])
    return stored


def damage(files: LocalFiles, stored: StoredFile, content: bytes = b"other bytes") -> None:
    path = files.path(stored.sha256)
    path.chmod(0o600)
    path.write_bytes(content)


def make_old(path: Path, seconds: float = 7200) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def record_orphans_and_wait(database: Database, files: LocalFiles) -> None:
    """Record the current orphans, and let two hours pass by the database's clock."""
    find_orphans(database, files, grace_seconds=3600)
    with database.begin() as connection:
        connection.execute(text("UPDATE orphan SET noted_at = noted_at - interval '2 hours'"))


def test_verify_finds_nothing_if_every_row_has_its_file(
    database: Database, files: LocalFiles
) -> None:
    for content in (b"one", b"two"):
        create_asset(database, files, content)
    report = verify_files(database, files)
    assert report.is_clean
    assert (report.checked, report.repaired) == (2, 0)


def test_verify_reports_a_missing_file(database: Database, files: LocalFiles) -> None:
    create_asset(database, files, b"whole")
    stored = create_asset(database, files, b"film")
    files.remove(stored.sha256)
    report = verify_files(database, files, repair=True)
    assert report.missing == (stored.sha256,)
    assert (report.damaged, report.orphans) == ((), ())


def test_verify_reports_changed_bytes_of_equal_size_as_damage(
    database: Database, files: LocalFiles
) -> None:
    shorter, same = create_asset(database, files, b"longer"), create_asset(database, files, b"film")
    damage(files, shorter, b"short")
    damage(files, same, b"flim")
    assert set(verify_files(database, files).damaged) == {shorter.sha256, same.sha256}


def test_verify_checks_artifact_files_like_source_files(
    database: Database, files: LocalFiles
) -> None:
    create_asset(database, files, b"film")
    proxy = store(files, b"proxy")
    artifact = Artifact(ArtifactKind.PROXY, proxy.sha256, 5, "proxy.mp4", "video/mp4")
    with database.begin() as connection:
        (asset,) = assets.list_assets(database)
        assets.save_artifacts(connection, asset.id, "key", [artifact])
    damage(files, proxy)
    assert verify_files(database, files).damaged == (proxy.sha256,)


def test_verify_reports_a_long_unreferenced_file_as_orphan(
    database: Database, files: LocalFiles
) -> None:
    stored = store(files, b"nobody's")
    record_orphans_and_wait(database, files)
    report = verify_files(database, files)
    assert report.orphans == (stored.sha256,)
    assert files.exists(stored.sha256)


def test_verify_spares_a_recent_file_without_a_row(database: Database, files: LocalFiles) -> None:
    stored = store(files, b"just published")
    for _ in range(2):
        assert verify_files(database, files, repair=True).is_clean
    assert files.exists(stored.sha256)


def test_verify_judges_file_age_independently_of_the_writers_clock(
    database: Database, files: LocalFiles
) -> None:
    """A worker whose clock is over an hour behind stored it, and its row is not yet committed."""
    stored = store(files, b"just published")
    make_old(files.path(stored.sha256))
    for _ in range(2):
        assert remove_orphans(database, files, grace_seconds=3600) == (0, 0)
    assert files.exists(stored.sha256)


def test_verify_restarts_the_age_of_a_file_that_lost_its_row(
    database: Database, files: LocalFiles
) -> None:
    stored = store(files, b"film")
    record_orphans_and_wait(database, files)
    create_asset(database, files, b"film")
    find_orphans(database, files, grace_seconds=3600)
    with database.begin() as connection:
        (asset,) = assets.list_assets(database)
        assets.delete_asset(connection, asset.id)
    assert find_orphans(database, files, grace_seconds=3600) == {}
    assert files.exists(stored.sha256)


def test_repair_removes_only_orphaned_and_damaged_files(
    database: Database, files: LocalFiles
) -> None:
    whole, broken = (
        create_asset(database, files, b"whole"),
        create_artifact(database, files, b"broken"),
    )
    damage(files, broken)
    orphan = store(files, b"nobody's")
    make_old(files.path(whole.sha256))
    record_orphans_and_wait(database, files)
    assert verify_files(database, files, repair=True).repaired == 2
    assert files.exists(whole.sha256)
    assert not files.exists(broken.sha256)
    assert not files.exists(orphan.sha256)


def test_repair_never_removes_a_source_video(database: Database, files: LocalFiles) -> None:
    """Although damaged, it is the only copy."""
    film = create_asset(database, files, b"film")
    damage(files, film)
    assert verify_files(database, files, repair=True).repaired == 0
    assert files.exists(film.sha256)


def test_garbage_collector_keeps_a_file_stored_again_meanwhile(
    database: Database, files: LocalFiles
) -> None:
    again = store(files, b"uploaded again")
    record_orphans_and_wait(database, files)
    ((sha256, identity),) = find_orphans(database, files, grace_seconds=3600).items()
    assert sha256 == again.sha256
    store(files, b"uploaded again")
    assert files.remove_if(sha256, partial(is_orphan, database, sha256, identity)) == 0
    assert files.exists(sha256)


def test_interrupted_garbage_collector_restores_its_files(files: LocalFiles) -> None:
    def fail(_stat: os.stat_result) -> bool:
        raise ConnectionError

    stored = store(files, b"film")
    with pytest.raises(ConnectionError):
        files.remove_if(stored.sha256, fail)
    assert files.exists(stored.sha256)
    assert list(files.walk_incoming()) == []


def test_garbage_collector_keeps_a_file_that_got_its_row_meanwhile(
    database: Database, files: LocalFiles
) -> None:
    store(files, b"film")
    record_orphans_and_wait(database, files)
    ((sha256, identity),) = find_orphans(database, files, grace_seconds=3600).items()
    with database.begin() as connection:
        assets.register_asset(
            connection, owner="ann", sha256=sha256, size_bytes=4, filename="film.mp4"
        )
    assert files.remove_if(sha256, partial(is_orphan, database, sha256, identity)) == 0
    assert files.exists(sha256)


def test_after_repair_damaged_files_are_missing_and_no_orphans_are_left(
    database: Database, files: LocalFiles
) -> None:
    broken = create_artifact(database, files, b"broken")
    damage(files, broken)
    verify_files(database, files, repair=True)
    report = verify_files(database, files, repair=True)
    assert (report.missing, report.damaged, report.repaired) == ((broken.sha256,), (), 0)


def test_garbage_collection_counts_removed_files_and_can_be_repeated(
    database: Database, files: LocalFiles
) -> None:
    kept = create_asset(database, files, b"kept")
    for content in (b"1234", b"567890"):
        store(files, content)
    record_orphans_and_wait(database, files)
    assert remove_orphans(database, files, grace_seconds=3600) == (2, 10)
    assert remove_orphans(database, files, grace_seconds=3600) == (0, 0)
    assert files.exists(kept.sha256)


def test_garbage_collection_removes_only_old_interrupted_uploads(
    files: LocalFiles,
) -> None:
    with files.receive() as young:
        young.write(b"still coming")
        left = files.incoming_path()
        left.write_bytes(b"left behind")
        make_old(left)
        assert remove_broken_uploads(files, grace_seconds=3600) == (1, 11)
        assert not left.exists()
        assert files.exists(young.commit().sha256)
