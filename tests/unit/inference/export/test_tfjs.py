"""Graph models of TensorFlow.js as ONNX: a tiny one, whose numbers are computed by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tests.vision_models import make_card

from cinemill.inference.export.export import export_model
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.models.cards import ColourOrder, ImageInput, ModelOutput

SIDE = 4
IMAGE = ImageInput("images", SIDE, SIDE, (10, 20, 30), (2, 4, 8), ColourOrder.BGR)
OUTPUTS = (ModelOutput("first", 4, "Identity"), ModelOutput("rest", 8, "Identity_1"))
KERNEL = np.random.default_rng(5).standard_normal((1, 1, 3, 3)).astype(np.float16)
BIAS = np.array([0.5, -1.0, 2.0], np.float16)


class Graph:
    """A graph model under construction."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.manifest: list[dict[str, Any]] = []
        self.content = b""

    def add(self, name: str, kind: str, *inputs: str, **attributes: Any) -> None:
        self.nodes.append({"name": name, "op": kind, "input": list(inputs), "attr": attributes})

    def constant(self, name: str, values: NDArray[Any]) -> None:
        self.add(name, "Const")
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "int32"}
        if values.dtype == np.float16:
            entry |= {"dtype": "float32", "quantization": {"dtype": "float16"}}
        self.manifest.append(entry)
        self.content += values.tobytes()

    def write(self, folder: Path) -> Path:
        weights = folder / "tiny.tfjs"
        weights.write_bytes(self.content)
        document = {
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": ["tiny.bin"], "weights": self.manifest}],
        }
        weights.with_suffix(".json").write_text(json.dumps(document))
        return weights


def encode(text: str) -> dict[str, str]:
    return {"s": base64.b64encode(text.encode()).decode()}


def make_graph() -> Graph:
    """Normalised pictures → 1×1 convolution → leaky ReLU → pool → split → sigmoid, reshape."""
    graph = Graph()
    graph.constant("perm_last", np.array([0, 2, 3, 1], np.int32))
    graph.constant("perm_first", np.array([0, 3, 1, 2], np.int32))
    graph.constant("kernel", KERNEL)
    graph.constant("bias", BIAS)
    graph.constant("sizes", np.array([1, 2], np.int32))
    graph.constant("axis", np.array(1, np.int32))
    graph.constant("shape", np.array([1, 2, -1], np.int32))
    graph.constant("nothing", np.zeros((0, 1), np.int32))
    graph.constant("three", np.array([3], np.int32))
    graph.constant("none", np.zeros(0, np.int32))
    graph.constant("zero", np.array(0, np.int32))
    steps = {"strides": {"list": {"i": ["1", "1", "1", "1"]}}}
    pooled = {
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "ksize": {"list": {"i": ["1", "2", "2", "1"]}},
    }
    layout = {"padding": encode("VALID"), "data_format": encode("NHWC")}
    # Out of order, as converters write them.
    graph.add("Identity_1", "Identity", "reshaped")
    graph.add("input", "Placeholder")
    graph.add("last", "Transpose", "input", "perm_last")
    graph.add("convolution", "Conv2D", "last", "kernel", **layout, **steps)
    graph.add("biased", "Add", "convolution", "bias")
    graph.add("leaky", "LeakyRelu", "biased", alpha={"f": 0.1})
    graph.add("pooled", "MaxPool", "leaky", **layout, **pooled)
    graph.add("firsts", "Transpose", "pooled", "perm_first")
    graph.add("parts", "SplitV", "firsts", "sizes", "axis")
    graph.add("probable", "Sigmoid", "parts")
    graph.add("Identity", "Identity", "probable")
    graph.add("dense", "SparseToDense", "nothing", "three", "none", "zero")
    graph.add("target", "AddV2", "shape", "dense")
    graph.add("reshaped", "Reshape", "parts:1", "target")
    return graph


def compute(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    normal = (pictures - np.array(IMAGE.mean)) / np.array(IMAGE.std)
    x = normal[..., ::-1] @ KERNEL[0, 0].astype(float) + BIAS
    x = np.where(x > 0, x, 0.1 * x)
    x = x.reshape(-1, 2, 2, 2, 2, 3).max(axis=(2, 4)).transpose(0, 3, 1, 2)
    return 1 / (1 + np.exp(-x[:, :1])).reshape(len(x), -1), x[:, 1:].reshape(len(x), -1)


def export(graph: Graph, folder: Path) -> Path:
    weights = graph.write(folder)
    to = folder / "tiny.onnx"
    export_model(make_card(weights, IMAGE, OUTPUTS), weights, to)
    return to


def test_exported_graph_gives_the_same_numbers(tmp_path: Path) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(export(make_graph(), tmp_path)))
    first, rest = session.run(["first", "rest"], {"images": pictures})
    expected_first, expected_rest = compute(pictures)
    assert np.allclose(first, expected_first, atol=1e-4)
    assert np.allclose(rest, expected_rest, atol=1e-3)


def test_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    once = export(make_graph(), tmp_path).read_bytes()
    assert export(make_graph(), tmp_path).read_bytes() == once


def cut_weights(graph: Graph) -> None:
    graph.content = graph.content[:-3]


def add_weights(graph: Graph) -> None:
    graph.content += b"more"


def add_unknown(graph: Graph) -> None:
    graph.nodes = [n | {"op": "Erf"} if n["name"] == "probable" else n for n in graph.nodes]


def remove_node(graph: Graph) -> None:
    graph.nodes = [node for node in graph.nodes if node["name"] != "leaky"]


def make_circle(graph: Graph) -> None:
    for node in graph.nodes:
        if node["name"] == "biased":
            node["input"] = ["leaky", "bias"]


def pad_by_itself(graph: Graph) -> None:
    for node in graph.nodes:
        if node["name"] == "convolution":
            node["attr"]["padding"] = encode("SAME")


def write_no_list(graph: Graph) -> None:
    graph.nodes = {"node": "none"}  # type: ignore[assignment]


@pytest.mark.parametrize(
    "damage",
    [
        cut_weights,
        add_weights,
        add_unknown,
        remove_node,
        make_circle,
        pad_by_itself,
        write_no_list,
    ],
)
def test_damaged_graph_is_refused(damage: Callable[[Graph], None], tmp_path: Path) -> None:
    graph = make_graph()
    damage(graph)
    with pytest.raises(WeightsInvalid) as refused:
        export(graph, tmp_path)
    assert refused.value.code == "weights_invalid"
    assert not list(tmp_path.glob("*.onnx"))


def test_missing_graph_is_refused(tmp_path: Path) -> None:
    weights = make_graph().write(tmp_path)
    weights.with_suffix(".json").unlink()
    with pytest.raises(WeightsInvalid):
        export_model(make_card(weights, IMAGE, OUTPUTS), weights, tmp_path / "tiny.onnx")
