"""Sessions take pixels, return rows, halve their batches, and are kept within a limit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.vision_models import make_card, make_resnet, resnet_input, write_zip_pth

from cinemill.errors import ToolMissing
from cinemill.inference.export.export import export_model
from cinemill.inference.models.cards import (
    ColourOrder,
    ImageInput,
    ModelCard,
    ModelOutput,
    hash_file,
)
from cinemill.inference.sessions import open_session as open_session_module
from cinemill.inference.sessions.batches import BatchRunner, FetchRows, run_at_once
from cinemill.inference.sessions.onnx_session import OnnxSession
from cinemill.inference.sessions.open_session import open_session
from cinemill.inference.sessions.process_device import SessionOptions
from cinemill.inference.sessions.protocol import Images, ImageSession, OutOfMemory, Rows
from cinemill.inference.sessions.session_cache import SessionCache

OUTPUTS = (ModelOutput("stage2", 64), ModelOutput("stage4", 256))
IMAGE = ImageInput("x", 4, 3, (10, 20, 30), (2, 4, 5), ColourOrder.BGR)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelCard, Path]:
    """A model in a folder of models, not yet exported."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").mkdir()
    path = write_zip_pth(folder / "tiny" / "resnet.pth", make_resnet())
    return make_card(path, resnet_input(), OUTPUTS), folder


def write_float_model(path: Path) -> ModelCard:
    """A model that takes normalised floats and returns them flat, as other tools export."""
    node = helper.make_node("Flatten", ["x"], ["y"])
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 3, 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 36])]
    graph = helper.make_graph([node], "g", inputs, outputs)
    opset = helper.make_opsetid("", 17)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    )
    return make_card(path, IMAGE, (ModelOutput("y", 36),))


def test_pixels_are_normalised_as_the_card_says(tmp_path: Path) -> None:
    card = write_float_model(tmp_path / "m.onnx")
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 3), np.uint8)
    found = OnnxSession(card, tmp_path / "m.onnx", threads=1).run(images)["y"]
    wanted = (images - np.asarray([10, 20, 30])) / np.asarray([2, 4, 5])
    np.testing.assert_allclose(
        found.reshape(2, 3, 3, 4), wanted[..., ::-1].transpose(0, 3, 1, 2), atol=1e-4
    )


def test_rows_do_not_depend_on_the_batch(resnet: tuple[ModelCard, Path]) -> None:
    session = open_session(*resnet)
    images = np.random.default_rng(2).integers(0, 256, (11, 64, 64, 3), np.uint8)
    together = session.run(images)
    assert {name: rows.shape for name, rows in together.items()} == {
        "stage2": (11, 64),
        "stage4": (11, 256),
    }
    alone = np.concatenate([session.run(one[None])["stage4"] for one in images])
    np.testing.assert_allclose(together["stage4"], alone, rtol=1e-4, atol=1e-5)
    assert session.run(images[:0])["stage2"].shape == (0, 64)
    assert session.memory_bytes > 0
    assert session.device == "cpu"


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 64, 63, 3), np.uint8),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 64, 64, 3), np.float32),
    ],
)
def test_other_pictures_are_refused(resnet: tuple[ModelCard, Path], images: Images) -> None:
    with pytest.raises(ValueError, match="takes uint8 pictures"):
        open_session(*resnet).run(images)


def test_model_with_one_byte_changed_is_not_run(
    resnet: tuple[ModelCard, Path], tmp_path: Path
) -> None:
    card, folder = resnet
    content = bytearray((folder / "tiny" / "resnet.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "resnet.pth").write_bytes(content)
    with pytest.raises(ToolMissing) as caught:
        open_session(card, tmp_path)
    assert caught.value.code == "model_damaged"


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_file_that_is_no_graph_is_named(tmp_path: Path, content: bytes) -> None:
    card = write_float_model(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ToolMissing) as caught:
        OnnxSession(card, tmp_path / "m.onnx", threads=1)
    assert caught.value.code == "model_unusable"


def test_graph_with_other_outputs_is_named(tmp_path: Path) -> None:
    card = write_float_model(tmp_path / "m.onnx")
    other = replace(card, outputs=(ModelOutput("z", 36),))
    with pytest.raises(ToolMissing, match="not those on its card"):
        OnnxSession(other, tmp_path / "m.onnx", threads=1)


def test_batches_are_halved_until_they_fit() -> None:
    sizes: list[int] = []

    def run(images: Images) -> Rows:
        sizes.append(len(images))
        if len(images) > 3:
            raise OutOfMemory("full")
        return {"y": images[:, 0, 0, :1].astype(np.float32)}

    runner = BatchRunner(run_at_once(run), 16)
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    assert runner.run(images)["y"].ravel().tolist() == list(range(20))
    assert sizes == [16, 16, 8, 4, *[2] * 10]
    assert runner.size == 2


def test_short_batch_that_does_not_fit_leaves_the_size_of_full_ones() -> None:
    sizes: list[int] = []

    def run(images: Images) -> Rows:
        sizes.append(len(images))
        if len(images) == 3:
            raise OutOfMemory("full for a moment")
        return {"y": images[:, 0, 0, :1].astype(np.float32)}

    runner = BatchRunner(run_at_once(run), 8)
    images = np.arange(11, dtype=np.uint8).reshape(11, 1, 1, 1)
    assert runner.run(images)["y"].ravel().tolist() == list(range(11))
    assert sizes == [8, 3, 3, 1, 1, 1]
    assert runner.size == 8


def test_picture_that_does_not_fit_is_an_error() -> None:
    def run(images: Images) -> Rows:
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        BatchRunner(run_at_once(run), 8).run(np.zeros((5, 1, 1, 3), np.uint8))


def test_batch_is_started_before_the_rows_of_the_one_before_are_fetched() -> None:
    events: list[str] = []

    def start(images: Images) -> FetchRows:
        name = str(images[0, 0, 0, 0])
        events.append(f"start {name}")

        def fetch() -> Rows:
            events.append(f"fetch {name}")
            return {"y": images[:, 0, 0, :1].astype(np.float32)}

        return fetch

    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    assert BatchRunner(start, 2).run(images)["y"].ravel().tolist() == list(range(6))
    assert events == ["start 0", "start 2", "fetch 0", "start 4", "fetch 2", "fetch 4"]


def test_batch_that_fits_only_alone_runs_once_no_other_does() -> None:
    running: list[int] = []

    def start(images: Images) -> FetchRows:
        if running:
            raise OutOfMemory("full")
        running.append(len(images))

        def fetch() -> Rows:
            running.clear()
            return {"y": images[:, 0, 0, :1].astype(np.float32)}

        return fetch

    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    runner = BatchRunner(start, 2)
    assert runner.run(images)["y"].ravel().tolist() == list(range(6))
    assert runner.size == 2


class FakeSession:
    """A session of a known size."""

    device, fallback_reason = "cpu", ""

    def __init__(self, card: ModelCard) -> None:
        self.card, self.memory_bytes, self.is_closed = card, 100, False
        self.releases = 0

    def run(self, images: Images) -> Rows:
        return {}

    def release_memory(self) -> None:
        self.releases += 1

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def cards(tmp_path: Path) -> list[ModelCard]:
    (tmp_path / "w").write_bytes(b"w")
    card = make_card(tmp_path / "w", IMAGE, OUTPUTS)
    return [replace(card, name=name) for name in "abc"]


def test_least_recently_used_session_is_closed(cards: list[ModelCard], tmp_path: Path) -> None:
    cache = SessionCache(250, opener=lambda card, folder: FakeSession(card))
    a, b = (cache.open(card, tmp_path) for card in cards[:2])
    assert cache.open(cards[0], tmp_path) is a
    cache.open(cards[2], tmp_path)
    assert [session.is_closed for session in (a, b)] == [False, True]  # type: ignore[attr-defined]
    assert cache.memory_bytes == 200
    cache.close()
    assert cache.memory_bytes == 0


def test_session_in_use_stays_open(cards: list[ModelCard], tmp_path: Path) -> None:
    cache = SessionCache(50, opener=lambda card, folder: FakeSession(card))
    with cache.use(cards[0], tmp_path) as a, cache.use(cards[1], tmp_path) as b:
        assert not a.is_closed  # type: ignore[attr-defined]
        assert not b.is_closed  # type: ignore[attr-defined]
        assert cache.memory_bytes == 200
        assert a.releases == 0  # type: ignore[attr-defined]
    assert a.is_closed  # type: ignore[attr-defined]
    assert a.releases == b.releases == 1  # type: ignore[attr-defined]


def test_changed_model_is_opened_again(cards: list[ModelCard], tmp_path: Path) -> None:
    cache = SessionCache(1000, opener=lambda card, folder: FakeSession(card))
    first = cache.open(cards[0], tmp_path)
    (tmp_path / "v").write_bytes(b"v")
    changed = replace(make_card(tmp_path / "v", IMAGE, OUTPUTS), name="a")
    assert changed.revision == hash_file(tmp_path / "v")
    assert cache.open(changed, tmp_path) is not first


def test_opening_a_model_imports_no_torch(resnet: tuple[ModelCard, Path]) -> None:
    code = (
        "import sys; import cinemill.inference.sessions.process_device;"
        "print(*({'numpy'} & set(sys.modules)), end='');"
        "import cinemill.inference.vision.features;"
        "import cinemill.inference.sessions.session_cache;"
        "print(*({'torch', 'onnx', 'onnxruntime', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_torch_session_agrees_with_onnx_runtime(
    resnet: tuple[ModelCard, Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from cinemill.inference.sessions.torch_session import TorchSession

    card, folder = resnet
    graph = tmp_path / "m.onnx"
    export_model(card, folder / "tiny" / "resnet.pth", graph)
    images = np.random.default_rng(2).integers(0, 256, (3, 64, 64, 3), np.uint8)
    found = TorchSession(card, graph, device="cpu").run(images)
    wanted = OnnxSession(card, graph, threads=1).run(images)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("axis"), "KeyError: 'axis'"),
        (ValueError("two axes"), "ValueError: two axes"),
        (TypeError("no tensor"), "TypeError: no tensor"),
        (RuntimeError("no driver"), "RuntimeError: no driver"),
        (ToolMissing("Its nodes are unknown."), "Its nodes are unknown."),
    ],
)
def test_whatever_fails_on_the_gpu_is_run_on_the_cpu(
    resnet: tuple[ModelCard, Path], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(*args: object) -> ImageSession:
        raise error

    # No GPU can be counted on here; what it would raise is what is tested.
    monkeypatch.setattr(open_session_module, "may_have_gpu", lambda: True)
    monkeypatch.setattr(open_session_module, "_open_on_gpu", fail)
    session = open_session(*resnet)
    assert (session.device, session.fallback_reason) == ("cpu", reason)
    assert session.run(np.zeros((1, 64, 64, 3), np.uint8))["stage4"].shape == (1, 256)


def test_options_limit_the_threads(resnet: tuple[ModelCard, Path]) -> None:
    session = open_session(*resnet, SessionOptions(threads=1))
    assert session.run(np.zeros((1, 64, 64, 3), np.uint8))["stage4"].shape == (1, 256)


def test_exported_graph_needs_no_other_files(resnet: tuple[ModelCard, Path]) -> None:
    card, folder = resnet
    open_session(card, folder)
    (graph,) = (folder / "exported").glob("*.onnx")
    onnx.checker.check_model(onnx.load(str(graph)))
