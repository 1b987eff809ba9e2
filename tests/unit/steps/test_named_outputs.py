"""Names for results: in a folder of their job, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.capabilities.operations import output_cleanup
from cinemill.core.text.file_names import PORTABLE_BYTES
from cinemill.steps.named_outputs import export_output, folder_name
from cinemill.storage.media.files import LocalFiles


def test_ordinary_id_is_the_folders_name() -> None:
    assert folder_name("3f0c7a1e-0000-4000-8000-000000000000").startswith("3f0c7a1e-")


@pytest.mark.parametrize(
    "job_id", ["../../escaped", "/etc/x", "customer/42", "..", "", ".x", "a.b"]
)
def test_id_that_is_a_path_is_no_folders_name(job_id: str) -> None:
    assert folder_name(job_id).isalnum()
    assert folder_name(job_id) != folder_name(job_id + "x")


@given(st.text())
def test_no_job_id_escapes_the_output_folder(job_id: str) -> None:
    assert Path("/shelf", folder_name(job_id)).parent == Path("/shelf")


def test_output_is_in_a_marked_folder_known_to_the_cleanup(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "objects")
    with files.receive() as incoming:
        incoming.write(b"film")
        stored = incoming.commit()
    path = export_output(files, stored.sha256, tmp_path / "shelf", "../job", "film.mp4")
    assert path.read_bytes() == b"film"
    assert path.parent.parent == tmp_path / "shelf"
    assert [file.path for file in output_cleanup.list_files([tmp_path / "shelf"])] == [path]


@pytest.mark.parametrize("filename", ["映" * 200 + ".mp4", "nul.mp4", "a/b.mp4", "..."])
def test_any_name_can_be_written(tmp_path: Path, filename: str) -> None:
    files = LocalFiles(tmp_path / "objects")
    with files.receive() as incoming:
        incoming.write(b"film")
        stored = incoming.commit()
    path = export_output(files, stored.sha256, tmp_path / "shelf", "job", filename)
    assert path.read_bytes() == b"film"
    assert path.parent == tmp_path / "shelf" / "job"
    assert len(path.name.encode()) <= PORTABLE_BYTES
