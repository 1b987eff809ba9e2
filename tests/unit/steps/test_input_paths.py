"""A film by its path: only a real file inside the allowed roots, whatever the path says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinemill.errors import InputRejected
from cinemill.steps.source.input_paths import resolve_input


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"film")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    return folder


def refuse(path: Path | str, root: Path) -> str:
    with pytest.raises(InputRejected) as refused:
        resolve_input(str(path), (root,))
    return refused.value.code


def test_film_in_a_root_is_found(films: Path) -> None:
    assert resolve_input(str(films / "a.mp4"), (films,)) == films / "a.mp4"


def test_input_in_any_of_several_roots_is_found(films: Path, tmp_path: Path) -> None:
    roots = (tmp_path / "elsewhere", films)
    assert resolve_input(str(films / "a.mp4"), roots) == films / "a.mp4"


@pytest.mark.parametrize("name", ["naïve 🎬.mp4", "line\nbreak.mp4", "-i.mp4", "'; rm -rf *.mp4"])
def test_input_with_an_odd_name_is_found(films: Path, name: str) -> None:
    (films / name).write_bytes(b"film")
    assert resolve_input(str(films / name), (films,)).name == name


def test_climbing_out_of_a_root_is_refused(films: Path) -> None:
    assert refuse(f"{films}/../secret.mp4", films) == "path_forbidden"


def test_link_that_leads_out_of_a_root_is_refused(films: Path, tmp_path: Path) -> None:
    (films / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    assert refuse(films / "link.mp4", films) == "path_forbidden"


def test_folder_that_is_a_link_out_of_a_root_is_refused(films: Path, tmp_path: Path) -> None:
    (films / "out").symlink_to(tmp_path)
    assert refuse(films / "out" / "secret.mp4", films) == "path_forbidden"


def test_link_within_a_root_is_followed(films: Path) -> None:
    (films / "link.mp4").symlink_to(films / "a.mp4")
    assert resolve_input(str(films / "link.mp4"), (films,)) == films / "a.mp4"


def test_root_may_itself_be_reached_by_a_link(films: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(films)
    assert resolve_input(str(tmp_path / "way" / "a.mp4"), (tmp_path / "way",)) == films / "a.mp4"


def test_neighbour_whose_name_begins_as_the_roots_does_is_outside(
    films: Path, tmp_path: Path
) -> None:
    (tmp_path / "films-private").mkdir()
    (tmp_path / "films-private" / "b.mp4").write_bytes(b"film")
    assert refuse(tmp_path / "films-private" / "b.mp4", films) == "path_forbidden"


@pytest.mark.parametrize("name", ["missing.mp4", ".", "a.mp4/inside.mp4", "x" * 5000])
def test_missing_input_is_reported(films: Path, name: str) -> None:
    assert refuse(films / name, films) == "source_not_found"


def test_links_that_lead_in_a_circle_are_no_film(films: Path) -> None:
    (films / "one").symlink_to(films / "two")
    (films / "two").symlink_to(films / "one")
    assert refuse(films / "one", films) == "source_not_found"


def test_device_is_no_film() -> None:
    assert refuse("/dev/zero", Path("/dev")) == "source_not_found"


def test_input_path_with_nul_is_rejected(films: Path) -> None:
    assert refuse(f"{films}/a\x00.mp4", films) == "path_invalid"


def test_input_paths_are_rejected_without_roots(films: Path) -> None:
    with pytest.raises(InputRejected):
        resolve_input(str(films / "a.mp4"), ())


@pytest.mark.parametrize(
    ("path", "hint"), [("video.mp4", "absolute path"), ("/video.mp4", "CINEMILL_INPUT_ROOTS")]
)
def test_forbidden_path_hint_distinguishes_relative_paths(
    films: Path, path: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    with pytest.raises(InputRejected) as caught:
        resolve_input(path, (films,))
    assert hint in caught.value.hint
