"""Models in 8-bit integers, kept only if they find the same pictures as the original."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import InputRejected
from cinemill.inference.models.cards import ModelCard, ModelFile, hash_file
from cinemill.inference.sessions.onnx_session import OnnxSession, load_graph, read_signature
from cinemill.inference.sessions.pixels import normalize
from cinemill.inference.sessions.protocol import Images, require_image
from cinemill.inference.vision.agreement import Agreement, measure_agreement
from cinemill.inference.vision.features import extract_features

MIN_AGREEMENT = 0.99
MIN_PICTURES = 64
_CALIBRATION_BATCH = 8
_EXACT_CONVOLUTIONS = 3
SUFFIX = "-int8"

Batch = Mapping[str, NDArray[Any]]
"""Pictures by the name of the input, as ONNX Runtime takes them."""


@dataclass(frozen=True, slots=True)
class Quantized:
    card: ModelCard
    """The card of the new model, with the agreement that was measured."""
    levels: dict[str, Agreement]


class QuantizationRejected(InputRejected):
    """The model in 8-bit integers finds other pictures than the original."""

    code = "quantization_rejected"
    hint = "Use the model as it is, in 32-bit floating point."


def quantize_model(card: ModelCard, graph: Path, pictures: Images, to: Path) -> Quantized:
    """Write the model in 8-bit integers to ``to`` if it agrees with the original.

    ``pictures`` are real frames in the size that the model takes, at least 64, best from several
    videos: every second calibrates the ranges, and the others are compared, on every level.
    Convolutions are quantised statically, and models of attention by their weights (dynamically).

    Raises QuantizationRejected if the agreement on any level is below 0.99.
    """
    if len(pictures) < MIN_PICTURES:
        raise ValueError(f"at least {MIN_PICTURES} pictures are needed, not {len(pictures)}")
    staged = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        quantize_graph(card, graph, pictures[::2], staged)
        levels = compare_models(card, graph, staged, pictures[1::2])
        worst = min(levels, key=lambda level: levels[level].retrieval)
        agreement = levels[worst].retrieval
        if agreement < MIN_AGREEMENT:
            raise QuantizationRejected(
                f"{card.name} in 8-bit integers finds {agreement:.1%} of the same pictures at its "
                f"level {worst!r}; {MIN_AGREEMENT:.0%} are required."
            )
        staged.replace(to)
    finally:
        staged.unlink(missing_ok=True)
    return Quantized(_make_card(card, to, agreement), levels)


def _make_card(card: ModelCard, path: Path, agreement: float) -> ModelCard:
    file = ModelFile(path.name, hash_file(path), path.stat().st_size)
    return replace(
        card,
        name=card.name + SUFFIX,
        about=f"{card.about} In 8-bit integers.",
        files=(file,),
        weights=file.name,
        sources=(),
        retrieval_agreement=agreement,
    )


def quantize_graph(card: ModelCard, graph: Path, pictures: Images, to: Path) -> None:
    """Write the model in 8-bit integers to ``to``, whatever it is worth."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    if not _has_convolutions(graph):
        quantize_dynamic(
            graph,
            to,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return
    quantize_static(
        graph,
        to,
        _CalibrationReader(_make_batches(card, graph, pictures)),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # The first layers see raw pixels: what they lose is lost for every level.
        nodes_to_exclude=_list_convolutions(graph)[:_EXACT_CONVOLUTIONS],
    )


def _has_convolutions(graph: Path) -> bool:
    """Return whether most of the model is convolutions; a ViT has one, for its patches."""
    kinds = [kind for kind, _ in _list_nodes(graph)]
    return kinds.count("Conv") > kinds.count("MatMul")


def _list_convolutions(graph: Path) -> list[str]:
    return [name for kind, name in _list_nodes(graph) if kind == "Conv"]


def _list_nodes(graph: Path) -> list[tuple[str, str]]:
    import onnx

    nodes = onnx.load(str(graph), load_external_data=False).graph.node
    return [(node.op_type, node.name) for node in nodes]


class _CalibrationReader:
    """Batches of pictures, as ONNX Runtime asks for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches

    def get_next(self) -> Batch | None:
        return next(self._batches, None)


def _make_batches(card: ModelCard, graph: Path, pictures: Images) -> Iterator[Batch]:
    taken = read_signature(card, load_graph(card, graph, threads=1)).image
    size = 1 if taken.takes_one else _CALIBRATION_BATCH
    for start in range(0, len(pictures), size):
        batch = np.ascontiguousarray(pictures[start : start + size])
        yield {taken.name: batch if taken.takes_pixels else normalize(batch, require_image(card))}


def compare_models(
    card: ModelCard, graph: Path, quantized: Path, pictures: Images
) -> dict[str, Agreement]:
    """Return how far two graphs of one card agree on these pictures, by level."""
    exact, approximate = (
        extract_features(OnnxSession(card, path, threads=1), pictures)
        for path in (graph, quantized)
    )
    return {level: measure_agreement(exact[level], approximate[level]) for level in exact}
