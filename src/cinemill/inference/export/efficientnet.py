"""EfficientNet-Lite, as its PyTorch port names the weights: Lite0 to Lite4."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from cinemill.inference.export.operations import (
    Convolution,
    Operations,
    Pads,
    fold_batch_norm,
    fold_scale,
)
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.export.weights import Weights
from cinemill.inference.models.cards import ImageInput

T = TypeVar("T")
LOGITS = "logits"
"""Level of the classifier: a number for each class of ImageNet."""
DEFAULT_LEVELS = ("stage3", "stage5", "pooled")
_EPSILON = 1e-3
_STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def is_efficientnet_lite(weights: Weights) -> bool:
    """Return whether these are weights of a Lite model: the others have squeeze layers."""
    return "_conv_stem.weight" in weights and "_blocks.0._se_reduce.weight" not in weights


def run_efficientnet_lite(ops: Operations[T], weights: Weights, image: ImageInput) -> dict[str, T]:
    """Return the mean features after each stage, ``stage1`` to ``stage7``, and ``pooled``.

    Where the weights have a classifier, ``logits`` as well.
    """
    if image.width != image.height:
        raise WeightsInvalid("EfficientNet-Lite takes square pictures.")
    side = image.width
    x = ops.images(image, subtract=image.mean)
    stem = fold_scale(_read_conv(weights, "_conv_stem", "_bn0"), image)
    x, side = _conv(ops, x, stem, side, stride=2)
    x = ops.relu6(x)
    levels: dict[str, T] = {}
    stage = 0
    for block in range(weights.count("_blocks.{}.")):
        begins = _begins_stage(weights, block)
        if begins and stage:
            levels[f"stage{stage}"] = ops.average(x)
        stage += begins
        if stage > len(_STAGE_STRIDES):
            raise WeightsInvalid("The weights have more stages than EfficientNet-Lite.")
        stride = _STAGE_STRIDES[stage - 1] if begins else 1
        x, side = _run_block(ops, x, weights, f"_blocks.{block}", side, stride)
    levels[f"stage{stage}"] = ops.average(x)
    head = _read_conv(weights, "_conv_head", "_bn1")
    x, _ = _conv(ops, x, head, side)
    levels["pooled"] = ops.average(ops.relu6(x))
    if "_fc.weight" in weights:
        classes = weights["_fc.weight"].T
        levels[LOGITS] = ops.linear(
            levels["pooled"], np.ascontiguousarray(classes), weights["_fc.bias"]
        )
    return levels


def _begins_stage(weights: Weights, block: int) -> bool:
    """Return whether the block gives another number of channels than the one before it."""
    names = (f"_blocks.{number}._project_conv.weight" for number in (block - 1, block))
    before, after = (len(weights[name]) if name in weights else 0 for name in names)
    return before != after


def _run_block(
    ops: Operations[T], x: T, weights: Weights, name: str, side: int, stride: int
) -> tuple[T, int]:
    y = x
    if f"{name}._expand_conv.weight" in weights:
        y, side = _conv(ops, y, _read_conv(weights, f"{name}._expand_conv", f"{name}._bn0"), side)
        y = ops.relu6(y)
    depthwise = _read_conv(weights, f"{name}._depthwise_conv", f"{name}._bn1")
    channels = len(depthwise.weight)
    y, side = _conv(ops, y, depthwise, side, stride=stride, groups=channels)
    y = ops.relu6(y)
    project = _read_conv(weights, f"{name}._project_conv", f"{name}._bn2")
    y, side = _conv(ops, y, project, side)
    keeps_channels = len(project.weight) == _input_channels(weights, name)
    return (ops.add(y, x) if stride == 1 and keeps_channels else y), side


def _input_channels(weights: Weights, name: str) -> int:
    expand = f"{name}._expand_conv.weight"
    if expand in weights:
        return int(weights[expand].shape[1])
    return len(weights[f"{name}._depthwise_conv.weight"])


def _conv(
    ops: Operations[T],
    x: T,
    convolution: Convolution,
    side: int,
    *,
    stride: int = 1,
    groups: int = 1,
) -> tuple[T, int]:
    """Convolve as TensorFlow pads: any odd pixel goes to the right and below."""
    after = -(-side // stride)
    total = max((after - 1) * stride + convolution.weight.shape[-1] - side, 0)
    pads: Pads = (total // 2, total // 2, total - total // 2, total - total // 2)
    weight, bias = convolution.weight, convolution.bias
    return ops.conv(x, weight, bias, stride=stride, pads=pads, groups=groups), after


def _read_conv(weights: Weights, conv: str, norm: str) -> Convolution:
    parts = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (weights[f"{norm}.{part}"] for part in parts)
    weight = weights[f"{conv}.weight"]
    return fold_batch_norm(weight, (scale, shift, mean, variance), epsilon=_EPSILON)
