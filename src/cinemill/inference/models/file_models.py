"""Backbones that a setting names by the path of their file.

The file stays where it is. It is opened, compared with the architecture that it must have, and run
once; its hash is then part of every key of what it computes.
"""

from __future__ import annotations

import math
import shlex
import stat
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cinemill.errors import ToolMissing
from cinemill.inference.models import vision
from cinemill.inference.models.cards import (
    EXPORTED_SUFFIXES,
    WEIGHTS_KEY,
    ImageInput,
    ModelCard,
    ModelFile,
    ModelOutput,
    hash_file,
)
from cinemill.inference.models.onnx_check import (
    ModelFileInvalid,
    make_grey_picture,
    open_onnx,
    run_grey_picture,
)
from cinemill.inference.models.tensors import UINT8

if TYPE_CHECKING:
    import onnxruntime

_USUAL_SIDE = 224
_CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv", "FusedConv")
_ATTENTIONS = ("Softmax", "Attention", "MultiHeadAttention", "QAttention")
_RESNET50_CONVOLUTIONS = 53
_MOST_NAMED = 8

Nodes = Counter[str]
"""How many nodes of each kind a graph has."""
Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """An architecture whose files a setting may name."""

    setting: str
    architecture: str
    card: ModelCard
    """What holds for every file of it: its role, its normalisation, and the level of its output."""
    dimensions: frozenset[int]
    """Of the features, one of these."""
    export_as: str
    """The model that ``cinemill models export`` takes for its weights."""
    is_built_so: Callable[[Nodes], bool]


def _count(nodes: Nodes, kinds: Sequence[str]) -> int:
    return sum(nodes[kind] for kind in kinds)


def _is_resnet50(nodes: Nodes) -> bool:
    has_attention = _count(nodes, _ATTENTIONS) > 0
    return _count(nodes, _CONVOLUTIONS) == _RESNET50_CONVOLUTIONS and not has_attention


def _is_vision_transformer(nodes: Nodes) -> bool:
    # A single convolution cuts the picture into patches; some exports do it by a product.
    return _count(nodes, _CONVOLUTIONS) <= 1 and _count(nodes, _ATTENTIONS) > 0


_CLIP_CARDS = [card for card in vision.CARDS if card.name.startswith("clip-")]
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "resnet50": Family(
            setting="RESNET50_MODEL_PATH",
            architecture="ResNet50",
            card=replace(vision.RESNET50, about="ResNet50, from a file of this installation"),
            dimensions=frozenset({2048}),
            export_as="resnet50",
            is_built_so=_is_resnet50,
        ),
        "clip": Family(
            setting="CLIP_MODEL_NAME",
            architecture="CLIP's image tower",
            card=replace(
                _CLIP_CARDS[0], name="clip", about="CLIP, from a file of this installation"
            ),
            dimensions=frozenset(one.dimension for card in _CLIP_CARDS for one in card.outputs),
            export_as="clip-vit-b32",
            is_built_so=_is_vision_transformer,
        ),
    }
)
"""By the member of the ensemble whose model it is."""


def read_file_model(path: Path, family: Family) -> ModelCard:
    """Return the card of the model in this file. A file that has not changed is not read again.

    Weights (``.pth``, ``.safetensors``) are used as the graph next to them that was exported from
    exactly these weights.

    Raises ToolMissing: ``no_model`` with the command that exports weights, ``model_missing`` for a
    file that is not there, ``model_file_invalid`` for one that is no model of this architecture.
    """
    identity = _identify(path, family)
    if path.suffix.lower() not in EXPORTED_SUFFIXES:
        return _read(path, family, identity)
    graph = path.with_suffix(".onnx")
    if graph.is_file() and _is_export(path, identity, graph, _identify(graph, family)):
        return _read(graph, family, _identify(graph, family))
    raise ToolMissing(
        f"{family.setting} names the weights {path}, and no graph that was exported from them "
        f"is next to them.",
        code="no_model",
        hint=f"Run 'cinemill models export {family.export_as} --from {shlex.quote(str(path))}'.",
    )


def _identify(path: Path, family: Family) -> Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise ToolMissing(
            f"{family.setting} names {path}, which cannot be read: {error.strerror}.",
            code="model_missing",
            hint=f"Name an ONNX file of {family.architecture} that the workers can read.",
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise _reject(path, family, "it is a folder, not an ONNX file in it")
    if not stat.S_ISREG(status.st_mode):
        raise _reject(path, family, "it is no file")
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _is_export(weights: Path, _: Identity, graph: Path, __: Identity) -> bool:
    """Return whether the graph says that it was exported from these weights."""
    try:
        stated = open_onnx(graph).get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
    except ModelFileInvalid:
        return False
    return bool(stated == hash_file(weights))


@lru_cache(maxsize=4)
def _read(path: Path, family: Family, identity: Identity) -> ModelCard:
    if path.suffix != ".onnx":
        raise _reject(path, family, "its name must end in .onnx, .pth or .safetensors")
    try:
        session = open_onnx(path)
        nodes, is_whole = _count_nodes(path)
        if not is_whole:
            raise _reject(path, family, "it keeps its weights in another file: save them in one")
        if not family.is_built_so(nodes):
            raise _reject(path, family, f"it is not built like {family.architecture}")
        image, outputs = _describe(path, family, session)
    except ModelFileInvalid as error:
        raise _reject(path, family, error.reason) from error
    file = ModelFile(path.name, hash_file(path), identity[2])
    known = next((card for card in vision.CARDS if _has_weights(card, file)), family.card)
    return replace(
        known,
        files=(file,),
        weights=file.name,
        sources=(),
        path=path,
        image=image,
        outputs=outputs,
        licence=known.licence if known is not family.card else "unknown",
        licence_source="" if known is family.card else known.licence_source,
        is_optional=True,
    )


def _has_weights(card: ModelCard, file: ModelFile) -> bool:
    return any(one.name == card.weights and one.sha256 == file.sha256 for one in card.files)


def _count_nodes(path: Path) -> tuple[Nodes, bool]:
    """Return how many nodes of each kind there are, and whether all weights are in this file."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    nodes: Nodes = Counter(node.op_type for node in model.graph.node)
    external = onnx.TensorProto.EXTERNAL
    is_whole = all(one.data_location != external for one in model.graph.initializer)
    return nodes, is_whole


def _describe(
    path: Path, family: Family, session: onnxruntime.InferenceSession
) -> tuple[ImageInput, tuple[ModelOutput, ...]]:
    """Return what the file takes and returns, as it does when it is run."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise _reject(path, family, f"it takes {names}, and a picture alone is given to it")
    image = _describe_image(inputs[0], family)
    rows = _measure_outputs(session, inputs[0], image)
    return image, _choose_outputs(path, family, rows, is_exported=inputs[0].type == UINT8)


def _describe_image(tensor: Any, family: Family) -> ImageInput:
    base = family.card.image
    assert base is not None  # noqa: S101 – both families take pictures
    shape = list(tensor.shape)
    if len(shape) != 4:
        raise ModelFileInvalid(f"its input {tensor.name} is no picture")
    sides = shape[1:3] if tensor.type == UINT8 else shape[2:4]
    height, width = (one if isinstance(one, int) else _USUAL_SIDE for one in sides)
    return replace(base, name=tensor.name, width=width, height=height)


def _measure_outputs(
    session: onnxruntime.InferenceSession, tensor: Any, image: ImageInput
) -> dict[str, int]:
    """Return the outputs that are a row of numbers for a picture, with their dimensions."""
    names = [str(one.name) for one in session.get_outputs()]
    results = run_grey_picture(session, tensor, make_grey_picture(tensor, image), names)
    return {
        name: int(result.shape[1])
        for name, result in results.items()
        if result.ndim > 1 and math.prod(result.shape) == result.shape[1]
    }


def _choose_outputs(
    path: Path, family: Family, rows: Mapping[str, int], *, is_exported: bool
) -> tuple[ModelOutput, ...]:
    """Return the outputs that are features: all levels of our own exports, else the last one."""
    features = [name for name, dimension in rows.items() if dimension in family.dimensions]
    if not features:
        found = ", ".join(f"{name} ({size})" for name, size in [*rows.items()][:_MOST_NAMED])
        wanted = " or ".join(map(str, sorted(family.dimensions)))
        why = f"it returns {found or 'no rows of numbers'}, and the features of "
        raise _reject(path, family, f"{why}{family.architecture} are {wanted} numbers")
    if is_exported:
        return tuple(ModelOutput(name, size, name) for name, size in rows.items())
    (base,) = family.card.outputs
    name = base.name if base.name in features else features[-1]
    return (ModelOutput(name, rows[name], base.level),)


def _reject(path: Path, family: Family, why: str) -> ToolMissing:
    return ToolMissing(
        f"{family.setting} names {path}, which cannot be used: {why}.",
        code="model_file_invalid",
        hint=f"Name an ONNX file of {family.architecture}, whole and without a classifier, or "
        "leave the setting out.",
    )
