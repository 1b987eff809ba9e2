"""What was found out about a file holds for all processes, while the file stays as it is."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cinemill.errors import ToolMissing
from cinemill.inference.models import checked_files
from cinemill.inference.models.cards import ModelOutput
from cinemill.inference.models.checked_files import (
    FILENAME,
    LARGEST_BYTES,
    CheckedFile,
    CheckedFiles,
    CheckedGraph,
)
from cinemill.inference.models.held_file import HeldFile, NotRegular, hold_file


def later() -> float:
    """Return a moment at which no file of a test is new any more."""
    return time.time() + 3600


class Reader:
    """Recalls files, and counts those that had to be read."""

    def __init__(self, folder: Path, clock: Callable[[], float] = later) -> None:
        self.checked = CheckedFiles(folder, clock=clock)
        self.read: list[Path] = []

    def recall(self, path: Path, checked_as: str = "weights", outputs: int = 1) -> CheckedFile:
        with hold_file(path) as file:
            return self.checked.recall(file, checked_as, lambda: self._check(file, outputs))

    def _check(self, file: HeldFile, outputs: int) -> CheckedFile:
        self.read.append(file.path)
        levels = tuple(ModelOutput(f"y{number}", 7, "pooled") for number in range(outputs))
        graph = CheckedGraph("x", 224, 224, levels, "")
        return CheckedFile(str(file.path), file.identity, "weights", file.hash(), graph)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"one")
    return path


def test_file_is_read_once_by_all_processes(folder: Path, model: Path) -> None:
    first, second = Reader(folder), Reader(folder)
    found = first.recall(model)
    assert found.sha256 == hashlib.sha256(b"one").hexdigest()
    assert first.recall(model) == second.recall(model) == found
    assert (first.read, second.read) == ([model], [])
    assert [one.name for one in folder.iterdir()] == [FILENAME]
    assert (folder / FILENAME).stat().st_mode & 0o077 == 0


def test_file_is_known_as_what_it_was_checked_as(folder: Path, model: Path) -> None:
    Reader(folder).recall(model)
    other = Reader(folder)
    other.recall(model, "ResNet50")
    assert other.read == [model]


def test_changed_file_is_read_again(folder: Path, model: Path, tmp_path: Path) -> None:
    reader = Reader(folder)
    reader.recall(model)
    before = model.stat()
    with model.open("r+b") as file:
        file.write(b"two")
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert model.stat().st_mtime_ns == before.st_mtime_ns
    for one in (reader, Reader(folder)):
        assert one.recall(model).sha256 == hashlib.sha256(b"two").hexdigest()
    other = tmp_path / "other.onnx"
    other.write_bytes(b"six")
    other.replace(model)
    for one in (reader, Reader(folder)):
        assert one.recall(model).sha256 == hashlib.sha256(b"six").hexdigest()


def test_file_that_was_changed_just_now_is_not_trusted(folder: Path, model: Path) -> None:
    changed = model.stat().st_ctime
    for seconds, is_remembered in ((1.9, False), (-100.0, False), (2.1, True)):
        reader = Reader(folder, partial(float, changed + seconds))
        reader.recall(model)
        reader.recall(model)
        assert reader.read == [model] * (1 if is_remembered else 2)
        assert (folder / FILENAME).exists() is is_remembered


def test_file_that_changes_while_it_is_checked_is_not_remembered(folder: Path, model: Path) -> None:
    checked = CheckedFiles(folder, clock=later)
    with hold_file(model) as file:

        def check() -> CheckedFile:
            found = CheckedFile(str(model), file.identity, "weights", file.hash())
            model.write_bytes(b"another")
            return found

        with pytest.raises(ToolMissing) as refused:
            checked.recall(file, "weights", check)
    assert refused.value.code == "file_changed"
    assert not folder.exists()


def test_file_that_is_refused_is_checked_each_time(folder: Path, model: Path) -> None:
    checked = CheckedFiles(folder, clock=later)
    refusals = [ToolMissing("no", code="model_file_invalid", hint="") for _ in range(2)]
    for refusal in refusals:

        def check(refusal: ToolMissing = refusal) -> CheckedFile:
            raise refusal

        with hold_file(model) as file, pytest.raises(ToolMissing) as refused:
            checked.recall(file, "weights", check)
        assert refused.value is refusal


def write_other_version(document: dict[str, object]) -> bytes:
    return json.dumps({**document, "version": 0}).encode()


def write_other_hash(document: dict[str, object]) -> bytes:
    return json.dumps(document).replace(hashlib.sha256(b"one").hexdigest(), "nothing").encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda document: json.dumps(document).encode()[:-9],
        lambda _: b"\xff\xfe",
        lambda _: b"[" * 100_000,
        lambda _: b'{"version": 1, "files": {"a": "b"}}',
        write_other_version,
        write_other_hash,
        lambda document: json.dumps(document).encode() + b" " * LARGEST_BYTES,
    ],
)
def test_damaged_or_foreign_document_is_ignored_and_replaced(
    folder: Path, model: Path, damage: Callable[[dict[str, object]], bytes]
) -> None:
    Reader(folder).recall(model)
    document = folder / FILENAME
    document.write_bytes(damage(json.loads(document.read_bytes())))
    reader, next_reader = Reader(folder), Reader(folder)
    assert reader.recall(model).sha256 == hashlib.sha256(b"one").hexdigest()
    assert reader.read == [model]
    next_reader.recall(model)
    assert next_reader.read == []


def test_file_is_checked_where_nothing_can_be_kept(tmp_path: Path, model: Path) -> None:
    (tmp_path / "no folder").touch()
    for folder in (tmp_path / "no folder", tmp_path / "not" / "there"):
        reader = Reader(folder)
        assert reader.recall(model) == reader.recall(model)
        assert reader.read == [model]


def test_document_stays_small(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_files, "MOST_FILES", 3)
    models = [tmp_path / f"{number}.onnx" for number in range(4)]
    for one in models:
        one.write_bytes(one.name.encode())
        Reader(folder).recall(one)
    # One that returns so much that it would take the room of all others.
    wide = tmp_path / "wide.onnx"
    wide.write_bytes(b"wide")
    Reader(folder).recall(wide, outputs=500)
    reader = Reader(folder)
    for one in (models[3], models[2], models[1], wide):
        reader.recall(one, outputs=500 if one == wide else 1)
    assert reader.read == [wide]
    reader.recall(models[0])
    assert reader.read == [wide, models[0]]


def test_held_file_stays_the_same_when_another_gets_its_name(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with hold_file(model) as file:
        other.replace(model)
        assert file.loadable.read_bytes() == file.read() == b"one"
        assert file.hash() == hashlib.sha256(b"one").hexdigest()
        file.require_unchanged()


def test_folder_and_pipe_cannot_be_held(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegular), hold_file(tmp_path / "pipe"):
        pass
    with pytest.raises(IsADirectoryError), hold_file(tmp_path):
        pass
