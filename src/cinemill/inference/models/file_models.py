"""Backbones that a setting names by the path of their file.

The file stays where it is. It is opened, compared with the architecture that it must have, and run
once; its hash is then part of every key of what it computes. The result is remembered for as long
as the file stays as it is.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
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
)
from cinemill.inference.models.checked_files import CheckedFile, CheckedFiles, CheckedGraph
from cinemill.inference.models.held_file import HeldFile, NotRegular, hold_file
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
LARGEST_FILE_BYTES = 2 * 1024**3
"""No graph that has all its weights in it can be larger."""
_WEIGHTS = "weights"
"""What a file is checked as that is only hashed."""

Nodes = Counter[str]
"""How many nodes of each kind a graph has."""


class _NotExported(Exception):
    """A graph that was not exported from the weights next to it."""


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


def read_file_model(path: Path, family: Family, checked: CheckedFiles) -> ModelCard:
    """Return the card of the model in this file. A file that has not changed is not read again.

    Weights (``.pth``, ``.safetensors``) are used as the graph next to them that was exported from
    exactly these weights. ``checked`` remembers what was found out.

    Raises ToolMissing: ``no_model`` with the command that exports weights, ``model_file_missing``
    for a file that is not there, ``model_file_invalid`` for one that is no model of this
    architecture or has more than 2 GiB, ``file_changed`` for one that is being written.
    """
    if path.suffix.lower() not in EXPORTED_SUFFIXES:
        return _read_graph(path, family, checked)
    try:
        with _hold(path, family) as weights:
            return _read_export(weights, family, checked)
    except _NotExported as error:
        raise ToolMissing(
            f"{family.setting} names the weights {path}, and no graph that was exported from them "
            f"is next to them.",
            code="no_model",
            hint=f"Run 'cinemill models export {family.export_as} "
            f"--from {shlex.quote(str(path))}'.",
        ) from error


@contextmanager
def _hold(path: Path, family: Family) -> Iterator[HeldFile]:
    """Open the file for the block. Raises ToolMissing where it is missing, or cannot be read."""
    try:
        with hold_file(path) as file:
            if file.identity.size_bytes > LARGEST_FILE_BYTES:
                size = f"it has {file.identity.size_bytes} bytes"
                raise _reject(path, family, f"{size}, more than {LARGEST_FILE_BYTES}")
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ToolMissing(
            f"{family.setting} names the file {path}, which does not exist.",
            code="model_file_missing",
            hint="Put the file there, where the workers can read it, or correct "
            f"{family.setting} and start Cinemill again.",
        ) from error
    except IsADirectoryError as error:
        raise _reject(path, family, "it is a folder, not an ONNX file in it") from error
    except NotRegular as error:
        raise _reject(path, family, "it is no file") from error
    except OSError as error:
        raise _reject(path, family, f"it cannot be read: {error.strerror or error}") from error


def _read_export(weights: HeldFile, family: Family, checked: CheckedFiles) -> ModelCard:
    """Return the card of the graph next to the weights. Raises as :func:`read_file_model`.

    Raises _NotExported if there is none that says that it was exported from these weights.
    """
    graph = weights.path.with_suffix(".onnx")
    if not graph.is_file():
        raise _NotExported
    found = checked.recall(
        weights,
        _WEIGHTS,
        lambda: CheckedFile(str(weights.path), weights.identity, _WEIGHTS, weights.hash()),
    )
    return _read_graph(graph, family, checked, found.sha256)


def _read_graph(path: Path, family: Family, checked: CheckedFiles, weights: str = "") -> ModelCard:
    """Return the card of the graph in this file; ``weights`` is what it must be exported from."""
    with _hold(path, family) as file:
        found = checked.recall(
            file, family.architecture, partial(_check_graph, file, family, weights)
        )
    graph = found.graph
    if graph is None or (weights and graph.exported_from != weights):
        raise _NotExported
    return _make_card(path, family, found, graph)


def _make_card(path: Path, family: Family, found: CheckedFile, graph: CheckedGraph) -> ModelCard:
    file = ModelFile(path.name, found.sha256, found.identity.size_bytes)
    known = next((card for card in vision.CARDS if _has_weights(card, file)), family.card)
    return replace(
        known,
        files=(file,),
        weights=file.name,
        sources=(),
        path=path,
        image=_describe_image(family, graph.input_name, graph.width, graph.height),
        outputs=graph.outputs,
        licence=known.licence if known is not family.card else "unknown",
        licence_source="" if known is family.card else known.licence_source,
        is_optional=True,
    )


def _has_weights(card: ModelCard, file: ModelFile) -> bool:
    return any(one.name == card.weights and one.sha256 == file.sha256 for one in card.files)


def _check_graph(file: HeldFile, family: Family, weights: str) -> CheckedFile:
    """Return what is known of a graph once it was looked at and run."""
    path = file.path
    if path.suffix != ".onnx":
        raise _reject(path, family, "its name must end in .onnx, .pth or .safetensors")
    try:
        parsed = _parse(file)
    except ModelFileInvalid as error:
        if weights:
            raise _NotExported from error
        raise _reject(path, family, error.reason) from error
    if weights and parsed.exported_from != weights:
        raise _NotExported
    if not parsed.is_whole:
        raise _reject(path, family, "it keeps its weights in another file: save them in one")
    if not family.is_built_so(parsed.nodes):
        raise _reject(path, family, f"it is not built like {family.architecture}")
    try:
        graph = _describe(path, family, open_onnx(file.loadable), parsed.exported_from)
    except ModelFileInvalid as error:
        reason = error.reason.replace(str(file.loadable), str(path))
        raise _reject(path, family, reason) from error
    return CheckedFile(str(path), file.identity, family.architecture, file.hash(), graph)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What the file of a graph says, without it being run."""

    nodes: Nodes
    is_whole: bool
    """Whether all weights are in this file."""
    exported_from: str


def _parse(file: HeldFile) -> _Parsed:
    """Read the file as a graph. Raises InputRejected (``model_file_invalid``) if it is none."""
    import onnx

    content = file.read()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # its exceptions have no common parent but this
        raise ModelFileInvalid("it is no ONNX file") from error
    external = onnx.TensorProto.EXTERNAL
    return _Parsed(
        nodes=Counter(node.op_type for node in model.graph.node),
        is_whole=all(one.data_location != external for one in model.graph.initializer),
        exported_from=next(
            (one.value for one in model.metadata_props if one.key == WEIGHTS_KEY), ""
        ),
    )


def _describe(
    path: Path, family: Family, session: onnxruntime.InferenceSession, exported_from: str
) -> CheckedGraph:
    """Return what the file takes and returns, as it does when it is run."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise _reject(path, family, f"it takes {names}, and a picture alone is given to it")
    width, height = _measure_input(inputs[0])
    image = _describe_image(family, inputs[0].name, width, height)
    rows = _measure_outputs(session, inputs[0], image)
    outputs = _choose_outputs(path, family, rows, is_exported=inputs[0].type == UINT8)
    return CheckedGraph(image.name, width, height, outputs, exported_from)


def _measure_input(tensor: Any) -> tuple[int, int]:
    """Return width and height of the picture that is taken."""
    shape = list(tensor.shape)
    if len(shape) != 4:
        raise ModelFileInvalid(f"its input {tensor.name} is no picture")
    sides = shape[1:3] if tensor.type == UINT8 else shape[2:4]
    height, width = (one if isinstance(one, int) else _USUAL_SIDE for one in sides)
    return width, height


def _describe_image(family: Family, name: str, width: int, height: int) -> ImageInput:
    base = family.card.image
    assert base is not None  # noqa: S101 – both families take pictures
    return replace(base, name=name, width=width, height=height)


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
