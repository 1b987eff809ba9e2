"""A small real CLIP text tower with seeded weights: its ONNX graph, tokenizer and card.

A plain module for every suite. The architecture is that of the published ones: causal attention,
QuickGELU, the token that ends the text (the one with the highest number), a projection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from cinemill.inference.models.cards import (
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    hash_file,
)

CHANNELS, HEADS, LAYERS, DIMENSION, LONGEST = 16, 2, 2, 12, 77
WORDS = ("a", "red", "blue", "car", "dog", "wall", "rider", "at", "the")
START, END = "<|startoftext|>", "<|endoftext|>"
EPSILON = 1e-5
Floats = NDArray[np.float32]


def make_weights(seed: int = 3) -> dict[str, Floats]:
    """Return the weights by name; the vocabulary's last two tokens begin and end a text."""
    random = np.random.default_rng(seed)

    def draw(*shape: int, scale: float) -> Floats:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    weights = {
        "tokens": draw(len(WORDS) + 3, CHANNELS, scale=1.0),
        "positions": draw(LONGEST, CHANNELS, scale=0.1),
        "final.weight": np.ones(CHANNELS, np.float32),
        "final.bias": draw(CHANNELS, scale=0.1),
        "projection": draw(CHANNELS, DIMENSION, scale=CHANNELS**-0.5),
    }
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "out"):
            weights[f"{layer}.{name}"] = draw(CHANNELS, CHANNELS, scale=CHANNELS**-0.5)
        weights[f"{layer}.fc1"] = draw(CHANNELS, 4 * CHANNELS, scale=CHANNELS**-0.5)
        weights[f"{layer}.fc2"] = draw(4 * CHANNELS, CHANNELS, scale=(4 * CHANNELS) ** -0.5)
        for name in ("norm1", "norm2"):
            weights[f"{layer}.{name}.weight"] = np.ones(CHANNELS, np.float32)
            weights[f"{layer}.{name}.bias"] = draw(CHANNELS, scale=0.1)
    return weights


def run_tower(weights: dict[str, Floats], ids: list[int]) -> Floats:
    """Return what the tower says of one text, computed with NumPy."""
    x = weights["tokens"][ids] + weights["positions"][: len(ids)]
    mask = np.triu(np.full((len(ids), len(ids)), -np.inf, np.float32), 1)
    for layer in range(LAYERS):
        y = _norm(x, weights, f"{layer}.norm1")
        parts = [_heads(y @ weights[f"{layer}.{name}"]) for name in ("q", "k", "v")]
        scores = parts[0] @ parts[1].transpose(0, 2, 1) * (CHANNELS // HEADS) ** -0.5 + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        joined = (shares @ parts[2]).transpose(1, 0, 2).reshape(len(ids), CHANNELS)
        x = x + joined @ weights[f"{layer}.out"]
        y = _norm(x, weights, f"{layer}.norm2") @ weights[f"{layer}.fc1"]
        x = x + (y / (1 + np.exp(-1.702 * y))) @ weights[f"{layer}.fc2"]
    last = _norm(x, weights, "final")[int(np.argmax(ids))] @ weights["projection"]
    return np.asarray(last / np.linalg.norm(last), np.float32)


def _heads(x: Floats) -> Floats:
    return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)


def _norm(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    spread = np.sqrt(x.var(-1, keepdims=True) + EPSILON)
    normal = (x - x.mean(-1, keepdims=True)) / spread
    return np.asarray(normal * weights[f"{name}.weight"] + weights[f"{name}.bias"], np.float32)


def write_tower(folder: Path, weights: dict[str, Floats], *, image_tower: str) -> ModelCard:
    """Write ``model.onnx`` and ``tokenizer.json``; return the card that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_graph(folder / "model.onnx", weights)
    write_tokenizer(folder / "tokenizer.json")
    files = tuple(
        ModelFile(name, hash_file(folder / name), (folder / name).stat().st_size)
        for name in ("model.onnx", "tokenizer.json")
    )
    return ModelCard(
        name=folder.name,
        role=ModelRole.TEXT_TOWER,
        licence="CC0-1.0",
        about="For tests.",
        files=files,
        weights="model.onnx",
        sources=(),
        outputs=(ModelOutput("text_embeds", DIMENSION),),
        image_tower=image_tower,
    )


def write_tokenizer(path: Path) -> None:
    """Write a tokenizer of whole words, whose texts begin and end as CLIP's do."""
    known = {word: number for number, word in enumerate((*WORDS, "<unk>", START, END))}
    tokenizer = Tokenizer(WordLevel(known, unk_token="<unk>"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, known[START]), (END, known[END])]
    )
    tokenizer.save(str(path))


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def norm(self, x: str, weights: dict[str, Floats], name: str) -> str:
        parts = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return self.add("LayerNormalization", x, *parts, axis=-1, epsilon=EPSILON)

    def attend(self, x: str, weights: dict[str, Floats], layer: int, mask: str) -> str:
        heads = np.asarray([0, 0, HEADS, -1])
        parts = []
        for name in ("q", "k", "v"):
            part = self.add("Reshape", self.add("MatMul", x, weights[f"{layer}.{name}"]), heads)
            parts.append(self.add("Transpose", part, perm=[0, 2, 1, 3]))
        keys = self.add("Transpose", parts[1], perm=[0, 1, 3, 2])
        scale = np.float32((CHANNELS // HEADS) ** -0.5)
        scores = self.add("Mul", self.add("MatMul", parts[0], keys), scale)
        shares = self.add("Softmax", self.add("Add", scores, mask), axis=-1)
        joined = self.add("Transpose", self.add("MatMul", shares, parts[2]), perm=[0, 2, 1, 3])
        joined = self.add("Reshape", joined, np.asarray([0, 0, CHANNELS]))
        return self.add("MatMul", joined, weights[f"{layer}.out"])


def _write_graph(path: Path, weights: dict[str, Floats]) -> None:
    graph = _Graph()
    length = graph.add("Gather", graph.add("Shape", "input_ids"), np.asarray([1]), axis=0)
    zero, axes = np.asarray([0]), np.asarray([0])
    positions = graph.add("Slice", weights["positions"], zero, length, axes)
    x = graph.add("Add", graph.add("Gather", weights["tokens"], "input_ids"), positions)
    square = graph.add("Concat", length, length, axis=0)
    full = graph.add("Expand", np.asarray([[-1e9]], np.float32), square)
    mask = graph.add("Trilu", full, np.asarray(1), upper=1)
    for layer in range(LAYERS):
        y = graph.norm(x, weights, f"{layer}.norm1")
        x = graph.add("Add", x, graph.attend(y, weights, layer, mask))
        y = graph.add("MatMul", graph.norm(x, weights, f"{layer}.norm2"), weights[f"{layer}.fc1"])
        gate = graph.add("Sigmoid", graph.add("Mul", y, np.float32(1.702)))
        y = graph.add("MatMul", graph.add("Mul", y, gate), weights[f"{layer}.fc2"])
        x = graph.add("Add", x, y)
    x = graph.norm(x, weights, "final")
    end = graph.add("ArgMax", "input_ids", axis=1, keepdims=1)
    index = graph.add("Unsqueeze", end, np.asarray([2]))
    shape = np.asarray([1, 1, CHANNELS])
    picked = graph.add("GatherElements", x, graph.add("Expand", index, shape), axis=1)
    flat = graph.add("Reshape", picked, np.asarray([-1, CHANNELS]))
    projected = helper.make_node(
        "MatMul", [flat, graph.constant(weights["projection"])], ["text_embeds"]
    )
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids",)
    ]
    output = helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", DIMENSION])
    model = helper.make_model(
        helper.make_graph([*graph.nodes, projected], "text", ids, [output], graph.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
