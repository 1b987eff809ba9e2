"""Selection of named files to remove: those too old, then the oldest until the limit is met."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.operations.output_cleanup import OutputFile, list_files, select_expired
from cinemill.storage.media.files import OUTPUT_MARKER


def make_files(*rows: tuple[float, int]) -> list[OutputFile]:
    return [
        OutputFile(Path(f"{number}"), modified_at, size)
        for number, (modified_at, size) in enumerate(rows)
    ]


def names(files: list[OutputFile]) -> list[str]:
    return [str(file.path) for file in files]


def test_output_cleanup_selects_outputs_that_are_too_old() -> None:
    files = make_files((100, 1), (200, 1), (300, 1))
    assert names(select_expired(files, oldest=250, max_bytes=10)) == ["0", "1"]


def test_output_cleanup_selects_the_oldest_until_the_rest_fits() -> None:
    files = make_files((300, 5), (100, 5), (200, 5))
    assert names(select_expired(files, oldest=0, max_bytes=6)) == ["1", "2"]


def test_output_cleanup_selects_nothing_within_the_limits() -> None:
    assert select_expired(make_files((100, 5)), oldest=100, max_bytes=5) == []


amounts = st.integers(0, 1000)


@given(st.lists(st.tuples(amounts, amounts)), amounts, amounts)
def test_output_cleanup_keeps_only_young_files_that_fit(
    rows: list[tuple[int, int]], oldest: int, max_bytes: int
) -> None:
    files = make_files(*rows)
    doomed = select_expired(files, oldest=oldest, max_bytes=max_bytes)
    stay = [file for file in files if file not in doomed]
    assert all(file.modified_at >= oldest for file in stay)
    assert sum(file.size_bytes for file in stay) <= max_bytes
    assert all(gone.modified_at <= left.modified_at for gone in doomed for left in stay)


def test_output_age_is_that_of_its_named_folder(tmp_path: Path) -> None:
    """A link's own age is that of the stored file, which may be much older."""
    stored, folder = tmp_path / "stored", tmp_path / "shelf" / "job"
    stored.write_bytes(b"1234")
    os.utime(stored, (1, 1))
    folder.mkdir(parents=True)
    (folder / OUTPUT_MARKER).touch()
    (folder / "film.mp4").hardlink_to(stored)
    found = list_files([tmp_path / "shelf", tmp_path / "no such shelf"])
    assert [file.size_bytes for file in found] == [4]
    assert found[0].modified_at > 1


def test_output_cleanup_ignores_foreign_and_nested_folders(tmp_path: Path) -> None:
    (tmp_path / "My holiday").mkdir()
    (tmp_path / "My holiday" / "original.mov").write_bytes(b"mine")
    (tmp_path / "job" / "folder").mkdir(parents=True)
    (tmp_path / "job" / OUTPUT_MARKER).touch()
    assert list_files([tmp_path]) == []
