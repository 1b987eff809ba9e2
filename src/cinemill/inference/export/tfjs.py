"""TensorFlow.js graph models as ONNX: a graph in JSON, and its weights in one file.

Only the operations of a convolutional detector are known. Its first dimension is the number of
pictures, as in every other exported graph, and each output is flattened to one row a picture.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemill.inference.export.graph import GraphBuilder
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.models.cards import ColourOrder, ImageInput, ModelOutput

LARGEST_GRAPH_BYTES = 4 * 1024 * 1024
MOST_NODES = 10_000
_TYPES: Mapping[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}
_STORED_TYPES: Mapping[str, np.dtype[Any]] = {
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
}
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
_DAMAGED = (
    FileNotFoundError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
)

Constant = NDArray[Any]
Node = Mapping[str, Any]


def build_tfjs_model(weights: Path, image: ImageInput, outputs: Sequence[ModelOutput]) -> Any:
    """Return the ONNX model (``onnx.ModelProto``) of a graph whose JSON is next to its weights.

    ``level`` of an output is the name of its node. The model takes uint8 pictures, N×H×W×3 in RGB,
    and normalises them as ``image`` says. Raises WeightsInvalid (``weights_invalid``) for a file
    that is damaged, or has an operation that is not known.
    """
    try:
        document = _read_document(weights.with_suffix(".json"))
        nodes = {str(node["name"]): node for node in document["modelTopology"]["node"]}
        constants = _read_constants(document["weightsManifest"], weights.read_bytes())
        builder = _TfjsBuilder(nodes, constants, image)
        named = [(output, builder.flatten(output.level or output.name)) for output in outputs]
        return builder.build(image, named)
    except _DAMAGED as error:
        raise WeightsInvalid(
            f"{weights.name} is no graph model of TensorFlow.js that can be exported: {error}."
        ) from error


def _read_document(path: Path) -> Any:
    if path.stat().st_size > LARGEST_GRAPH_BYTES:
        raise ValueError(f"{path.name} has more than {LARGEST_GRAPH_BYTES} bytes")
    document = json.loads(path.read_bytes())
    if len(document["modelTopology"]["node"]) > MOST_NODES:
        raise ValueError(f"{path.name} has more than {MOST_NODES} nodes")
    return document


def _read_constants(manifest: Sequence[Node], content: bytes) -> dict[str, Constant]:
    """Return the weights by name; half precision is widened."""
    constants: dict[str, Constant] = {}
    offset = 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        kind = _TYPES[entry["dtype"]]
        stored = _STORED_TYPES[entry["quantization"]["dtype"]] if "quantization" in entry else kind
        count = math.prod(int(side) for side in entry["shape"])
        values = np.frombuffer(content, stored, count, offset)
        constants[str(entry["name"])] = values.astype(kind).reshape(entry["shape"])
        offset += count * stored.itemsize
    if offset != len(content):
        raise ValueError(f"the weights have {len(content)} bytes instead of {offset}")
    return constants


class _TfjsBuilder(GraphBuilder):
    """Adds the nodes that its outputs need, each once."""

    def __init__(
        self, nodes: Mapping[str, Node], constants: Mapping[str, Constant], image: ImageInput
    ) -> None:
        super().__init__()
        self._sources = nodes
        self._weights = constants
        self._image = image
        self._done: dict[str, str] = {}

    def flatten(self, name: str) -> str:
        """Return the value of this node, one row a picture."""
        return self._node("Flatten", [self._value(name)], axis=1)

    def _value(self, reference: str) -> str:
        """Return the tensor that a node's input refers to: a name, or ``name:output``."""
        pending = [reference]
        while pending:
            name = pending[-1].partition(":")[0]
            node = self._sources[name]
            missing = (
                []
                if name in self._done
                else [
                    one
                    for one in self._list_inputs(node)
                    if one.partition(":")[0] not in self._done
                ]
            )
            if missing:
                pending += missing
                if len(pending) > MOST_NODES:
                    raise ValueError("the graph has a circle")
                continue
            if name not in self._done:
                self._done[name] = self._add(node)
            pending.pop()
        name, _, output = reference.partition(":")
        return self._done[name] + (f"_{output}" if output not in ("", "0") else "")

    def _list_inputs(self, node: Node) -> list[str]:
        """Return the inputs that are computed; constants are read where they are needed."""
        return [one for one in node.get("input", []) if self._find_constant(one) is None]

    def _find_constant(self, name: str) -> Constant | None:
        """Return what a node always gives, None if it depends on the picture."""
        if name in self._weights:
            return self._weights[name]
        node = self._sources[name.partition(":")[0]]
        if node["op"] not in ("SparseToDense", "AddV2"):
            return None
        inputs = [self._find_constant(one) for one in node["input"]]
        parts = [one for one in inputs if one is not None]
        if len(parts) < len(inputs):
            return None
        if node["op"] == "AddV2":
            return np.asarray(parts[0] + parts[1])
        if parts[0].size:
            raise ValueError("a sparse tensor with content is not supported")
        return np.full(parts[1].tolist(), parts[3], parts[3].dtype)

    def _constant_of(self, node: Node, position: int) -> Constant:
        name = node["input"][position]
        found = self._find_constant(name)
        if found is None:
            raise ValueError(f"input {name} of {node['name']} is not constant")
        return found

    def _integers_of(self, node: Node, position: int) -> list[int]:
        return [int(value) for value in self._constant_of(node, position).reshape(-1)]

    def _inputs(self, node: Node, count: int) -> list[str]:
        """Return the first inputs as tensors."""
        names = []
        for reference in node["input"][:count]:
            constant = self._find_constant(reference)
            if constant is None:
                names.append(self._value(reference))
            else:
                names.append(self._constant(constant))
        return names

    def _add(self, node: Node) -> str:
        kind = node["op"]
        if kind == "Placeholder":
            return self._normalize()
        add = _OPERATIONS.get(kind)
        if add is None:
            raise ValueError(f"the operation {kind} is not supported")
        return str(add(self, node))

    def _normalize(self) -> str:
        """Return the pictures as the graph takes them: N×3×H×W."""
        x = self.images(self._image, subtract=self._image.mean)
        std = np.asarray(self._image.std, np.float32).reshape(1, 3, 1, 1)
        x = self._node("Mul", [x, self._constant(1 / std)])
        if self._image.order is ColourOrder.BGR:
            x = self._node("Gather", [x, self._integers([2, 1, 0])], axis=1)
        return x

    def _first(self, x: str) -> str:
        return self._node("Transpose", [x], perm=_TO_CHANNELS_FIRST)

    def _last(self, x: str) -> str:
        return self._node("Transpose", [x], perm=_TO_CHANNELS_LAST)

    def _add_binary(self, node: Node) -> str:
        return self._node("Add", self._inputs(node, 2))

    def _add_same(self, node: Node) -> str:
        kind = {"Sigmoid": "Sigmoid", "Identity": "Identity"}[node["op"]]
        return self._node(kind, self._inputs(node, 1))

    def _add_leaky_relu(self, node: Node) -> str:
        return self._node(
            "LeakyRelu", self._inputs(node, 1), alpha=float(node["attr"]["alpha"]["f"])
        )

    def _add_transpose(self, node: Node) -> str:
        return self._node("Transpose", self._inputs(node, 1), perm=self._integers_of(node, 1))

    def _add_pad(self, node: Node) -> str:
        before, after = self._constant_of(node, 1).T.tolist()
        value = self._constant_of(node, 2) if len(node["input"]) > 2 else np.float32(0)
        inputs = [*self._inputs(node, 1), self._integers([*before, *after])]
        return self._node("Pad", [*inputs, self._constant(np.float32(value))])

    def _add_convolution(self, node: Node) -> str:
        _require_valid_padding(node)
        kernel = self._constant_of(node, 1)
        _, down, right, _ = (int(one) for one in node["attr"]["strides"]["list"]["i"])
        x = self._node(
            "Conv",
            [self._first(self._inputs(node, 1)[0]), self._constant(kernel.transpose(3, 2, 0, 1))],
            kernel_shape=list(kernel.shape[:2]),
            strides=[down, right],
        )
        return self._last(x)

    def _add_max_pool(self, node: Node) -> str:
        _require_valid_padding(node)
        sides = [int(one) for one in node["attr"]["ksize"]["list"]["i"]][1:3]
        strides = [int(one) for one in node["attr"]["strides"]["list"]["i"]][1:3]
        x = self._first(self._inputs(node, 1)[0])
        return self._last(self._node("MaxPool", [x], kernel_shape=sides, strides=strides))

    def _add_concatenation(self, node: Node) -> str:
        count = len(node["input"]) - 1
        axis = int(self._constant_of(node, count).reshape(()))
        return self._node("Concat", self._inputs(node, count), axis=axis)

    def _add_resize(self, node: Node) -> str:
        if not node["attr"]["half_pixel_centers"]["b"]:
            raise ValueError(f"{node['name']} does not count from the middle of pixels")
        x = self._first(self._inputs(node, 1)[0])
        limits = [self._integers([0]), self._integers([2])]
        kept = self._node("Slice", [self._node("Shape", [x]), *limits])
        sizes = self._node("Concat", [kept, self._integers(self._integers_of(node, 1))], axis=0)
        x = self._node(
            "Resize",
            [x, "", "", sizes],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return self._last(x)

    def _add_split(self, node: Node) -> str:
        """Return the name of the first part; the others are called after it."""
        sizes = self._integers_of(node, 1)
        axis = int(self._constant_of(node, 2).reshape(()))
        parts = [f"split_of_{len(self._done)}"]
        parts += [f"{parts[0]}_{number}" for number in range(1, len(sizes))]
        inputs = [*self._inputs(node, 1), self._integers(sizes)]
        return self._parts("Split", inputs, parts, axis=axis)

    def _add_reshape(self, node: Node) -> str:
        shape = self._integers_of(node, 1)
        # 0 keeps the number of pictures, which the original fixes to one.
        shape[0] = 0 if shape[0] == 1 else shape[0]
        return self._node("Reshape", [*self._inputs(node, 1), self._integers(shape)])


_OPERATIONS: Mapping[str, Any] = {
    "Add": _TfjsBuilder._add_binary,
    "AddV2": _TfjsBuilder._add_binary,
    "ConcatV2": _TfjsBuilder._add_concatenation,
    "Conv2D": _TfjsBuilder._add_convolution,
    "Identity": _TfjsBuilder._add_same,
    "LeakyRelu": _TfjsBuilder._add_leaky_relu,
    "MaxPool": _TfjsBuilder._add_max_pool,
    "Pad": _TfjsBuilder._add_pad,
    "PadV2": _TfjsBuilder._add_pad,
    "Reshape": _TfjsBuilder._add_reshape,
    "ResizeBilinear": _TfjsBuilder._add_resize,
    "Sigmoid": _TfjsBuilder._add_same,
    "SplitV": _TfjsBuilder._add_split,
    "Transpose": _TfjsBuilder._add_transpose,
}


def _require_valid_padding(node: Node) -> None:
    attributes = node["attr"]
    padding = base64.b64decode(attributes["padding"]["s"]).decode("ascii")
    layout = base64.b64decode(attributes["data_format"]["s"]).decode("ascii")
    dilations = attributes.get("dilations", {}).get("list", {}).get("i", [])
    if padding != "VALID" or layout != "NHWC" or any(int(one) != 1 for one in dilations):
        raise ValueError(f"{node['name']} pads by itself, or has another layout")
