"""Lists of names as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.errors import CinemillError
from cinemill.steps.ingestion.name_list import LARGEST_FILE_BYTES, read_name_list

LIST = "\ufeff# a series\n\nperson  Elinor Dashwood\r\nPlace\tNorland Park\n"


def write(folder: Path, content: bytes) -> Path:
    path = folder / "names.txt"
    path.write_bytes(content)
    return path


def test_names_of_a_file_are_found_with_their_kinds(tmp_path: Path) -> None:
    names = read_name_list(write(tmp_path, LIST.encode()))
    found = names.gazetteer.find("Elinor Dashwood left Norland Park.")
    assert [(known.name, known.kind.value) for known, _span in found] == [
        ("Elinor Dashwood", "person"),
        ("Norland Park", "place"),
    ]


def test_another_list_has_another_digest(tmp_path: Path) -> None:
    first = read_name_list(write(tmp_path, LIST.encode())).digest
    assert read_name_list(write(tmp_path, LIST.encode())).digest == first
    assert read_name_list(write(tmp_path, b"person Elinor")).digest != first


def test_names_sound_the_same_whatever_they_name(tmp_path: Path) -> None:
    spoken = read_name_list(write(tmp_path, LIST.encode())).spoken_digest
    same = b"# others\nplace Elinor Dashwood\nperson Norland Park"
    assert read_name_list(write(tmp_path, same)).spoken_digest == spoken
    for other in (b"person Elinor Dashwood", b"place Norland Park\nperson Elinor Dashwood"):
        assert read_name_list(write(tmp_path, other)).spoken_digest != spoken


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"person Ann\nAnn", "name_invalid", "Line 2"),
        (b"person", "name_invalid", "Line 1"),
        (b"hero Ann", "name_invalid", "Line 1"),
        (b"person ...", "name_invalid", "letter"),
        (b"# names\nperson Ann\n\nperson ...", "name_invalid", "line 4"),
        (b"person " + b"a" * 201, "name_invalid", "200"),
        (b"person Ann\nperson " + b"a" * 201, "name_invalid", "line 2"),
        (b"person \xff", "names_unreadable", "UTF-8"),
        (b"#" * (LARGEST_FILE_BYTES + 1), "names_too_large", "bytes"),
        (b"person a\n" * 50_001, "too_many_names", "50000"),
    ],
)
def test_impossible_list_is_rejected(tmp_path: Path, content: bytes, code: str, word: str) -> None:
    with pytest.raises(CinemillError) as refused:
        read_name_list(write(tmp_path, content))
    assert refused.value.code == code
    assert word in refused.value.message
    assert refused.value.hint


def test_missing_list_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CinemillError) as refused:
        read_name_list(tmp_path / "none.txt")
    assert refused.value.code == "names_unreadable"
