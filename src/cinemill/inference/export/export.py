"""Export published weights to an ONNX graph whose outputs are features of several levels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from cinemill.inference.export import clip, efficientnet, resnet
from cinemill.inference.export.operations import Operations
from cinemill.inference.export.shapes import ShapeTracer
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.export.weights import Weights, read_weights
from cinemill.inference.models.cards import (
    TFJS_SUFFIX,
    WEIGHTS_KEY,
    ImageInput,
    ModelCard,
    ModelOutput,
    hash_file,
)

if TYPE_CHECKING:
    import onnx

EXPORT_VERSION = 1
"""Raise it whenever the same weights would give another graph."""

_INPUT = "images"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Architecture:
    name: str
    matches: Callable[[Weights], bool]
    default_levels: Callable[[Weights], tuple[str, ...]]
    run: Callable[[Operations[Any], Weights, ImageInput], Mapping[str, Any]]


ARCHITECTURES = (
    Architecture("ResNet", resnet.is_resnet, lambda _: resnet.DEFAULT_LEVELS, resnet.run_resnet),
    Architecture("CLIP", clip.is_clip, clip.default_levels, clip.run_clip),
    Architecture(
        "EfficientNet-Lite",
        efficientnet.is_efficientnet_lite,
        lambda _: efficientnet.DEFAULT_LEVELS,
        efficientnet.run_efficientnet_lite,
    ),
)


def export_model(card: ModelCard, weights: Path, to: Path) -> None:
    """Write the model to ``to`` as an ONNX graph that takes uint8 pictures, N×H×W×3 in RGB.

    ``weights`` is a state dict (``.pth``) or ``.safetensors`` of ResNet, EfficientNet-Lite or CLIP,
    or the weights of a TensorFlow.js graph model (``.tfjs``), with its graph next to them.
    The graph has the outputs of a card whose weights are exported; where the card is of a finished
    graph, or has no outputs, it has the default levels of the architecture. It contains the card's
    normalisation. The same file of weights always
    gives the same bytes, and they name its hash.

    Raises WeightsInvalid (``weights_invalid``, ``architecture_unknown``, ``level_unknown``).
    """
    # Imported here: a process that only runs a model needs neither.
    from cinemill.inference.export.graph import save_model

    image = _name_input(_require_image(card))
    model, outputs = _build(card, weights, image)
    model.metadata_props.add(key=WEIGHTS_KEY, value=hash_file(weights))
    staged = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        save_model(model, staged)
        _check_runs(staged, image, outputs)
        staged.replace(to)
    finally:
        staged.unlink(missing_ok=True)


def _build(
    card: ModelCard, weights: Path, image: ImageInput
) -> tuple[onnx.ModelProto, tuple[ModelOutput, ...]]:
    from cinemill.inference.export.graph import GraphBuilder
    from cinemill.inference.export.tfjs import build_tfjs_model

    if weights.suffix == TFJS_SUFFIX:
        return build_tfjs_model(weights, image, card.outputs), card.outputs
    tensors = read_weights(weights)
    builder = GraphBuilder()
    traced = run_architecture(builder, tensors, image)
    outputs = _choose_outputs(card, tensors, traced)
    levels = [(output, traced.levels[_level_of(output)]) for output in outputs]
    return builder.build(image, levels), outputs


def _choose_outputs(
    card: ModelCard, tensors: Weights, traced: Traced[str]
) -> tuple[ModelOutput, ...]:
    # The tensors of a finished graph are no levels: another tool named them.
    named = card.outputs if card.needs_export else ()
    outputs = named or list_outputs(card, tensors)
    missing = [level for output in outputs if (level := _level_of(output)) not in traced.levels]
    if missing:
        raise WeightsInvalid(
            f"{traced.architecture} has no level {missing[0]!r}.",
            code="level_unknown",
            hint=f"Use one of: {', '.join(traced.levels)}.",
        )
    return outputs


def _check_runs(model: Path, image: ImageInput, outputs: Sequence[ModelOutput]) -> None:
    """Run the model on two grey pictures and check the shape of every output."""
    import onnxruntime

    grey = np.full((2, image.height, image.width, 3), 127, np.uint8)
    names = [output.name for output in outputs]
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        results = session.run(names, {image.name: grey})
    except Exception as error:  # its own exceptions have no common parent but this
        raise WeightsInvalid(f"The exported model does not run: {error}") from error
    for output, result in zip(outputs, results, strict=True):
        if result.shape != (2, output.dimension) or not np.isfinite(result).all():
            raise WeightsInvalid(
                f"{output.name} of the exported model has the shape {result.shape[1:]} instead of "
                f"({output.dimension},), or numbers that are not finite."
            )


@dataclass(frozen=True, slots=True)
class Traced(Generic[T]):
    """What an architecture returned, by level."""

    architecture: str
    levels: Mapping[str, T]


def run_architecture(ops: Operations[T], weights: Weights, image: ImageInput) -> Traced[T]:
    """Run the architecture that the weights belong to. Raises WeightsInvalid."""
    architecture = find_architecture(weights)
    try:
        return Traced(architecture.name, architecture.run(ops, weights, image))
    except (ValueError, IndexError, TypeError) as error:
        raise WeightsInvalid(
            f"The shapes of these weights are not those of {architecture.name}: {error}."
        ) from error


def find_architecture(weights: Weights) -> Architecture:
    """Return the architecture by the names of its tensors. Raises WeightsInvalid."""
    for architecture in ARCHITECTURES:
        if architecture.matches(weights):
            return architecture
    names = ", ".join(architecture.name for architecture in ARCHITECTURES)
    raise WeightsInvalid(
        "These weights belong to no architecture that can be exported.",
        code="architecture_unknown",
        hint=f"Use weights of {names}, or add the model as ONNX with 'cinemill models add'.",
    )


def list_outputs(card: ModelCard, tensors: Weights) -> tuple[ModelOutput, ...]:
    """Return the default outputs of a model with these weights, as its card may list them."""
    traced = run_architecture(ShapeTracer(), tensors, _require_image(card))
    levels = find_architecture(tensors).default_levels(tensors)
    return tuple(ModelOutput(level, traced.levels[level][-1], level) for level in levels)


def _name_input(image: ImageInput) -> ImageInput:
    """Give a name to an input that the card calls only the only one."""
    return image if image.name else replace(image, name=_INPUT)


def _level_of(output: ModelOutput) -> str:
    return output.level or output.name


def _require_image(card: ModelCard) -> ImageInput:
    if card.image is None:
        raise WeightsInvalid(f"The card of {card.name} does not say which pictures it takes.")
    return card.image
