"""The graph in an ONNX file, made to take pictures of any size and number."""

from __future__ import annotations

from typing import Any

_FREE_AXES = {0: "batch", 2: "height", 3: "width"}


def free_shapes(model: bytes) -> bytes:
    """Return the model for N×C×H×W tensors of any N, H and W; its file may fix them.

    Initial values that the file lists among its inputs as well are removed from the inputs, so that
    ONNX Runtime can fold them; values that nothing uses are removed altogether.
    """
    import onnx

    loaded = onnx.load_model_from_string(model)
    graph = loaded.graph
    initial = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initial]
    del graph.input[:]
    graph.input.extend(inputs)
    used = {name for node in graph.node for name in node.input}
    values = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(values)
    # Shapes inside the graph were derived from the fixed ones.
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        _free_axes(value)
    freed: bytes = loaded.SerializeToString()
    return freed


def _free_axes(value: Any) -> None:
    dimensions = value.type.tensor_type.shape.dim
    for axis, name in _FREE_AXES.items():
        if axis < len(dimensions):
            # The maps that are returned are smaller than the picture.
            dimensions[axis].dim_param = f"{value.name}_{name}" if axis else name
