"""Tiny real ONNX models, written without the onnx package: the mean of each channel, N x 3.

A plain module for every suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FLOAT, DOUBLE = 1, 11
Shape = Sequence[int | str]
"""A text is a dimension that is left open."""


def write_mean_model(
    path: Path,
    *,
    size: int = 32,
    input_name: str = "pixels",
    output_name: str = "means",
    input_shape: Shape | None = None,
    element: int = FLOAT,
    operation: str = "GlobalAveragePool",
) -> Path:
    """Write a model that returns the mean of each channel of its pictures; return ``path``."""
    nodes = [
        _node(operation, input_name, "pooled"),
        _node("Flatten", "pooled", output_name),
    ]
    shape: Shape = ("N", 3, size, size) if input_shape is None else input_shape
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"means")
    graph += _field(11, _value(input_name, shape, element))
    graph += _field(12, _value(output_name, ("N", 3), element))
    opset = _field(1, b"") + _number(2, 13)
    path.write_bytes(_number(1, 8) + _field(8, opset) + _field(7, graph))
    return path


def _node(operation: str, source: str, target: str) -> bytes:
    return _field(1, source.encode()) + _field(2, target.encode()) + _field(4, operation.encode())


def _value(name: str, shape: Shape, element: int) -> bytes:
    dimensions = b"".join(
        _field(1, _number(1, one) if isinstance(one, int) else _field(2, one.encode()))
        for one in shape
    )
    tensor = _number(1, element) + _field(2, dimensions)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
