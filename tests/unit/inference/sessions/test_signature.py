"""Cards mean the tensors of a graph: by name, or the only one where the card has no name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.vision_models import make_card

from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ImageInput, ModelCard, ModelOutput
from cinemill.inference.models.catalog import MODELS
from cinemill.inference.models.onnx_check import check_onnx
from cinemill.inference.sessions.onnx_session import OnnxSession
from cinemill.inference.sessions.protocol import Images, ImageSession
from cinemill.inference.vision.features import extract_features, list_levels
from cinemill.inference.vision.quantize import quantize_graph

IMAGE_CARDS = {name: card for name, card in MODELS.items() if card.image is not None}
UNNAMED = ImageInput("", 16, 16, (10, 20, 30), (2, 4, 5))
ENGINES = ("onnx", "torch")


def write_graph(
    path: Path, card: ModelCard, *, batch: int | str = "n", pixels: bool = False
) -> Path:
    """Write a graph with the tensors of the card: each output is a product of channel means."""
    assert card.image is not None
    image = card.image
    source = image.name or "data"
    planes: list[str | int | None] = [batch, 3, image.height, image.width]
    element = TensorProto.FLOAT
    nodes = [helper.make_node("GlobalAveragePool", ["planes"], ["mean"])]
    if pixels:
        planes, element = [batch, image.height, image.width, 3], TensorProto.UINT8
        nodes.insert(0, helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]))
        nodes.insert(0, helper.make_node("Cast", [source], ["floats"], to=TensorProto.FLOAT))
    else:
        nodes.insert(0, helper.make_node("Identity", [source], ["planes"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    weights, outputs = [], []
    for number, output in enumerate(card.outputs):
        name = output.name or "features"
        matrix = np.linspace(0, 1, 3 * output.dimension, dtype=np.float32).reshape(3, -1)
        weights.append(numpy_helper.from_array(matrix, f"w{number}"))
        nodes.append(helper.make_node("MatMul", ["flat", f"w{number}"], [name]))
        shape = [batch, output.dimension]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    inputs = [helper.make_tensor_value_info(source, element, planes)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def open_graph(engine: str, card: ModelCard, path: Path) -> ImageSession:
    if engine == "onnx":
        return OnnxSession(card, path, threads=1)
    pytest.importorskip("torch")
    from cinemill.inference.sessions.torch_session import TorchSession

    return TorchSession(card, path, device="cpu")


def make_unnamed_card(tmp_path: Path) -> ModelCard:
    (tmp_path / "w").write_bytes(b"w")
    return make_card(tmp_path / "w", UNNAMED, (ModelOutput("", 5, "pooled"),))


def draw(image: ImageInput, count: int) -> Images:
    shape = (count, image.height, image.width, 3)
    return np.random.default_rng(4).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("card", IMAGE_CARDS.values(), ids=IMAGE_CARDS.keys())
@pytest.mark.parametrize("engine", ENGINES)
def test_each_card_of_the_catalog_opens_a_graph_of_its_shape(
    tmp_path: Path, card: ModelCard, engine: str
) -> None:
    path = write_graph(tmp_path / "m.onnx", card)
    check_onnx(path, card)
    assert card.image is not None
    found = extract_features(open_graph(engine, card, path), draw(card.image, 2))
    wanted = {level: (2, dimension) for level, dimension in list_levels(card).items()}
    assert {level: rows.shape for level, rows in found.items()} == wanted


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pixels", [False, True])
def test_graph_for_one_picture_is_run_once_for_each(
    tmp_path: Path, engine: str, pixels: bool
) -> None:
    card = make_unnamed_card(tmp_path)
    fixed = write_graph(tmp_path / "fixed.onnx", card, batch=1, pixels=pixels)
    opened = write_graph(tmp_path / "open.onnx", card, pixels=pixels)
    check_onnx(fixed, card)
    images = draw(UNNAMED, 9)
    found = open_graph(engine, card, fixed).run(images)[""]
    wanted = OnnxSession(card, opened, threads=1).run(images)[""]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, "n"])
def test_no_pictures_give_no_rows(tmp_path: Path, engine: str, batch: int | str) -> None:
    card = make_unnamed_card(tmp_path)
    path = write_graph(tmp_path / "m.onnx", card, batch=batch)
    assert open_graph(engine, card, path).run(draw(UNNAMED, 0))[""].shape == (0, 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_name_that_the_graph_lacks_is_refused(tmp_path: Path, engine: str) -> None:
    card = make_unnamed_card(tmp_path)
    path = write_graph(tmp_path / "m.onnx", card)
    with pytest.raises(ToolMissing, match="not those on its card"):
        open_graph(engine, replace(card, outputs=(ModelOutput("other", 5),)), path)


@pytest.mark.parametrize("pixels", [False, True])
def test_model_without_names_is_quantised(tmp_path: Path, pixels: bool) -> None:
    image = replace(UNNAMED, name="")
    card = replace(make_unnamed_card(tmp_path), image=image, outputs=(ModelOutput("", 4),))
    path = write_convolution(tmp_path / "m.onnx", pixels=pixels)
    quantize_graph(card, path, draw(image, 16), tmp_path / "q.onnx")
    rows = OnnxSession(card, tmp_path / "q.onnx", threads=1).run(draw(image, 3))[""]
    assert rows.shape == (3, 4)


def write_convolution(path: Path, *, pixels: bool) -> Path:
    """Write a graph that is quantised statically, and so is calibrated with pictures."""
    shape: list[str | int | None] = ["n", 3, 16, 16]
    element = TensorProto.FLOAT
    nodes = [helper.make_node("Identity", ["data"], ["planes"], name="start")]
    if pixels:
        shape, element = ["n", 16, 16, 3], TensorProto.UINT8
        nodes = [
            helper.make_node("Cast", ["data"], ["floats"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["floats"], ["planes"], name="turn", perm=[0, 3, 1, 2]),
        ]
    weights, previous = [], "planes"
    for number, channels in enumerate((3, 4, 4, 4)):
        kernel = np.full((4, channels, 1, 1), 0.1 + number / 10, np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{number}"))
        target, name = f"c{number}", f"conv{number}"
        nodes.append(helper.make_node("Conv", [previous, f"w{number}"], [target], name=name))
        previous = target
    nodes.append(helper.make_node("GlobalAveragePool", [previous], ["mean"], name="mean"))
    nodes.append(helper.make_node("Flatten", ["mean"], ["features"], name="flat"))
    inputs = [helper.make_tensor_value_info("data", element, shape)]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 4])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path
