"""Architectures as ONNX graphs that take the pixels of pictures as they are (uint8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cinemill.inference.export.operations import NO_PADS, Operations, Pads
from cinemill.inference.export.weights import Floats
from cinemill.inference.models.cards import ImageInput, ModelOutput

OPSET = 17
IR_VERSION = 8
"""What ONNX Runtime 1.14 and OpenVINO 2023 read as well."""
BATCH = "batch"


class GraphBuilder(Operations[str]):
    """Collects nodes and weights; a value is the name of its tensor."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def build(
        self, image: ImageInput, outputs: Sequence[tuple[ModelOutput, str]]
    ) -> onnx.ModelProto:
        """Return the model with these values as outputs, each named and sized as stated.

        Weights and nodes that no output needs are left out.
        """
        for output, value in outputs:
            self._nodes.append(
                helper.make_node("Identity", [value], [output.name], name=output.name)
            )
        nodes = _list_needed(self._nodes, {output.name for output, _ in outputs})
        needed = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "features",
            [
                helper.make_tensor_value_info(
                    image.name, TensorProto.UINT8, [BATCH, image.height, image.width, 3]
                )
            ],
            [
                helper.make_tensor_value_info(
                    output.name, TensorProto.FLOAT, [BATCH, output.dimension]
                )
                for output, _ in outputs
            ],
            [constant for constant in self._constants if constant.name in needed],
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="cinemill"
        )

    def images(self, image: ImageInput, *, subtract: tuple[float, float, float]) -> str:
        x = self._node("Cast", [image.name], to=TensorProto.FLOAT)
        x = self._node("Sub", [x, self._constant(np.asarray(subtract, np.float32))])
        return self._node("Transpose", [x], perm=[0, 3, 1, 2])

    def conv(
        self,
        x: str,
        weight: Floats,
        bias: Floats,
        *,
        stride: int = 1,
        pads: Pads = NO_PADS,
        groups: int = 1,
    ) -> str:
        return self._node(
            "Conv",
            [x, self._constant(weight), self._constant(bias)],
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            pads=list(pads),
            group=groups,
        )

    def relu(self, x: str) -> str:
        return self._node("Relu", [x])

    def relu6(self, x: str) -> str:
        bounds = [self._constant(np.float32(0)), self._constant(np.float32(6))]
        return self._node("Clip", [x, *bounds])

    def add(self, x: str, y: str) -> str:
        return self._node("Add", [x, y])

    def max_pool(self, x: str, *, size: int, stride: int, pad: int) -> str:
        window = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [pad] * 4}
        return self._node("MaxPool", [x], **window)

    def average(self, x: str) -> str:
        return self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)

    def tokens(self, x: str, positions: Floats) -> str:
        channels = positions.shape[1]
        x = self._node("Reshape", [x, self._integers([0, channels, -1])])
        x = self._node("Transpose", [x], perm=[0, 2, 1])
        x = self._node("Pad", [x, self._integers([0, 1, 0, 0, 0, 0])])
        return self.add(x, self._constant(positions))

    def linear(self, x: str, weight: Floats, bias: Floats | None = None) -> str:
        x = self._node("MatMul", [x, self._constant(weight)])
        return x if bias is None else self.add(x, self._constant(bias))

    def layer_norm(self, x: str, weight: Floats, bias: Floats, *, epsilon: float) -> str:
        inputs = [x, self._constant(weight), self._constant(bias)]
        return self._node("LayerNormalization", inputs, axis=-1, epsilon=epsilon)

    def attention(self, x: str, heads: int) -> str:
        x = self._node("Reshape", [x, self._integers([0, 0, 3 * heads, -1])])
        x = self._node("Transpose", [x], perm=[0, 2, 1, 3])
        parts = [f"{x}_{part}" for part in ("queries", "keys", "values")]
        self._nodes.append(helper.make_node("Split", [x], parts, name=f"{x}_split", axis=1))
        queries, keys, values = parts
        scores = self._node("MatMul", [queries, self._node("Transpose", [keys], perm=[0, 1, 3, 2])])
        x = self._node("MatMul", [self._node("Softmax", [scores], axis=-1), values])
        x = self._node("Transpose", [x], perm=[0, 2, 1, 3])
        return self._node("Reshape", [x, self._integers([0, 0, -1])])

    def gelu(self, x: str, *, quick: bool) -> str:
        if quick:
            gate = self._node("Mul", [x, self._constant(np.float32(1.702))])
            return self._node("Mul", [x, self._node("Sigmoid", [gate])])
        half = self._node("Div", [x, self._constant(np.float32(2**0.5))])
        gate = self._node("Add", [self._node("Erf", [half]), self._constant(np.float32(1))])
        gated = self._node("Mul", [x, gate])
        return self._node("Mul", [gated, self._constant(np.float32(0.5))])

    def first_token(self, x: str) -> str:
        return self._node("Gather", [x, self._constant(np.asarray(0, np.int64))], axis=1)

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _parts(self, kind: str, inputs: list[str], names: list[str], **attributes: Any) -> str:
        """Add a node with several outputs of these names; return the first."""
        self._nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names[0]

    def _integers(self, values: list[int]) -> str:
        return self._constant(np.asarray(values, np.int64))

    def _constant(self, value: NDArray[Any] | np.generic) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _list_needed(nodes: Sequence[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Check the model and write it to ``path``."""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
