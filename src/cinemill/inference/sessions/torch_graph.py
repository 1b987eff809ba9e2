"""ONNX graphs run with PyTorch's functions: those that image models are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from cinemill.inference.sessions.signature import GraphInput

Tensor = Any
Attributes = dict[str, Any]


class UnsupportedGraph(Exception):
    """The graph holds a node that is not known here."""


class TorchGraph:
    """The nodes of a graph in order, with its weights on a device."""

    def __init__(self, model: onnx.ModelProto, device: str, dtype: Any) -> None:
        """Move the weights to ``device``, floating-point ones as ``dtype``."""
        graph = model.graph
        self._dtype = dtype
        self._nodes = [
            (node.op_type, list(node.input), list(node.output), _read_attributes(node))
            for node in graph.node
        ]
        self._weights = {
            tensor.name: self._to_device(numpy_helper.to_array(tensor), device)
            for tensor in graph.initializer
        }
        self.outputs = [output.name for output in graph.output]
        self.inputs = [_read_input(one) for one in graph.input if one.name not in self._weights]
        unknown = {kind for kind, *_ in self._nodes} - set(_FUNCTIONS)
        if unknown:
            raise UnsupportedGraph(f"PyTorch cannot run its nodes {', '.join(sorted(unknown))}")

    @classmethod
    def load(cls, path: Path, device: str, dtype: Any) -> TorchGraph:
        """Read the graph. Raises UnsupportedGraph."""
        return cls(onnx.load(str(path)), device, dtype)

    @property
    def size_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._weights.values())

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the outputs by name."""
        values: dict[str, Tensor] = {**self._weights, "": None}
        values.update({name: self._cast(tensor) for name, tensor in inputs.items()})
        for kind, needs, gives, attributes in self._nodes:
            results = _FUNCTIONS[kind]([values[name] for name in needs], attributes)
            if kind == "Cast":
                results = self._cast(results)
            several = results if isinstance(results, tuple) else (results,)
            values.update(zip(gives, several, strict=False))
        return {name: values[name] for name in self.outputs}

    def _to_device(self, array: Any, device: str) -> Tensor:
        tensor = self._cast(torch.from_numpy(array.copy()).to(device))
        is_kernel = tensor.ndim == 4
        return tensor.contiguous(memory_format=torch.channels_last) if is_kernel else tensor

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


def _read_input(value: onnx.ValueInfoProto) -> GraphInput:
    tensor = value.type.tensor_type
    batch = tensor.shape.dim[0] if tensor.shape.dim else None
    takes_one = batch is not None and batch.HasField("dim_value") and batch.dim_value == 1
    return GraphInput(value.name, tensor.elem_type == TensorProto.UINT8, takes_one)


def _read_attributes(node: onnx.NodeProto) -> Attributes:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _conv(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = weight.ndim - 2
    pads = attributes.get("pads", [0] * 2 * spatial)
    begins, ends = pads[:spatial], pads[spatial:]
    if begins != ends:
        around = [pad for pair in zip(begins[::-1], ends[::-1], strict=True) for pad in pair]
        x, begins = functional.pad(x, around), [0] * spatial
    return torch.convolution(
        x,
        weight,
        bias,
        attributes.get("strides", [1] * spatial),
        begins,
        attributes.get("dilations", [1] * spatial),
        False,
        [0] * spatial,
        attributes.get("group", 1),
    )


def _max_pool(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    size = attributes["kernel_shape"]
    pads = attributes.get("pads", [0] * 2 * len(size))
    half = len(pads) // 2
    if pads[:half] != pads[half:] or attributes.get("ceil_mode"):
        raise UnsupportedGraph("it pools with other borders on one side")
    return functional.max_pool2d(inputs[0], size, attributes.get("strides", size), pads[:half])


def _pad(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    if attributes.get("mode", b"constant") != b"constant" or len(inputs) > 3:
        raise UnsupportedGraph("it pads in another way than with a constant")
    pads = [int(n) for n in inputs[1]]
    half = len(pads) // 2
    around = [n for axis in reversed(range(half)) for n in (pads[axis], pads[half + axis])]
    value = float(inputs[2]) if len(inputs) > 2 and inputs[2] is not None else 0.0
    return functional.pad(inputs[0], around, value=value)


def _reshape(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, shape = inputs[0], [int(n) for n in inputs[1]]
    if attributes.get("allowzero"):
        return x.reshape(shape)
    return x.reshape([x.shape[axis] if n == 0 else n for axis, n in enumerate(shape)])


def _layer_norm(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    shape = x.shape[attributes.get("axis", -1) :]
    return functional.layer_norm(x, shape, weight, bias, attributes.get("epsilon", 1e-5))


def _split(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    axis = attributes.get("axis", 0)
    if len(inputs) > 1 and inputs[1] is not None:
        return torch.split(inputs[0], [int(n) for n in inputs[1]], axis)
    count = attributes.get("num_outputs", 3)
    return torch.chunk(inputs[0], count, axis)


def _gemm(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    a, b, c = (*inputs, None)[:3]
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + attributes.get("beta", 1.0) * c


def _gather(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, places = inputs
    axis = attributes.get("axis", 0) % max(1, x.ndim)
    index = torch.where(places < 0, places + x.shape[axis], places)
    picked = torch.index_select(x, axis, index.reshape(-1).to(x.device))
    return picked.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def _clip(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, low, high = (*inputs, None, None)[:3]
    return torch.clamp(x, min=low, max=high)


def _constant(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    if "value" not in attributes:
        raise UnsupportedGraph("it holds a constant of an unknown form")
    return torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())


def _reduce_mean(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    axes = attributes.get("axes") or [int(n) for n in inputs[1]]
    return inputs[0].mean(list(axes), keepdim=bool(attributes.get("keepdims", 1)))


def _unsqueeze(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x = inputs[0]
    for axis in sorted(attributes.get("axes") or [int(n) for n in inputs[1]]):
        x = x.unsqueeze(axis)
    return x


def _flatten(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    x, axis = inputs[0], attributes.get("axis", 1)
    return x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _cast(inputs: Sequence[Tensor], attributes: Attributes) -> Tensor:
    kinds = {
        TensorProto.FLOAT: torch.float32,
        TensorProto.FLOAT16: torch.float16,
        TensorProto.INT64: torch.int64,
        TensorProto.INT32: torch.int32,
        TensorProto.BOOL: torch.bool,
    }
    if attributes["to"] not in kinds:
        raise UnsupportedGraph(f"it casts to the type {attributes['to']}")
    return inputs[0].to(kinds[attributes["to"]])


_FUNCTIONS: dict[str, Callable[[Sequence[Tensor], Attributes], Tensor]] = {
    "Add": lambda i, a: i[0] + i[1],
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda i, a: torch.cat(list(i), a["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "Div": lambda i, a: i[0] / i[1] if i[0].is_floating_point() else i[0] // i[1],
    "Erf": lambda i, a: torch.erf(i[0]),
    "Expand": lambda i, a: i[0] * torch.ones([int(n) for n in i[1]], device=i[0].device).to(i[0]),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda i, a: i[0].mean((2, 3), keepdim=True),
    "Identity": lambda i, a: i[0],
    "LayerNormalization": _layer_norm,
    "MatMul": lambda i, a: i[0] @ i[1],
    "MaxPool": _max_pool,
    "Mul": lambda i, a: i[0] * i[1],
    "Pad": _pad,
    "Pow": lambda i, a: i[0] ** i[1],
    "ReduceMean": _reduce_mean,
    "Relu": lambda i, a: torch.relu(i[0]),
    "Reshape": _reshape,
    "Shape": lambda i, a: torch.tensor(i[0].shape),
    "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
    "Softmax": lambda i, a: torch.softmax(i[0], a.get("axis", -1)),
    "Split": _split,
    "Sqrt": lambda i, a: torch.sqrt(i[0]),
    "Sub": lambda i, a: i[0] - i[1],
    "Tanh": lambda i, a: torch.tanh(i[0]),
    "Transpose": lambda i, a: i[0].permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}
