"""ResNet, as torchvision names its weights: any depth, basic or bottleneck blocks."""

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
STAGES = (1, 2, 3, 4)
DEFAULT_LEVELS = ("stage2", "stage3", "stage4")
_EPSILON = 1e-5


def is_resnet(weights: Weights) -> bool:
    return "layer1.0.conv1.weight" in weights and "bn1.running_mean" in weights


def run_resnet(ops: Operations[T], weights: Weights, image: ImageInput) -> dict[str, T]:
    """Return the mean features after each stage, ``stage1`` to ``stage4`` (the pooled ones)."""
    stem = fold_scale(_read_conv(weights, "conv1", "bn1"), image)
    x = ops.images(image, subtract=image.mean)
    x = ops.relu(_conv(ops, x, stem, stride=2))
    x = ops.max_pool(x, size=3, stride=2, pad=1)
    levels: dict[str, T] = {}
    for stage in STAGES:
        x = _run_stage(ops, x, weights, stage)
        levels[f"stage{stage}"] = ops.average(x)
    return levels


def _run_stage(ops: Operations[T], x: T, weights: Weights, stage: int) -> T:
    blocks = weights.count(f"layer{stage}.{{}}.")
    if not blocks:
        raise WeightsInvalid(f"The weights of ResNet have no layer{stage}.")
    for block in range(blocks):
        stride = 2 if stage > 1 and block == 0 else 1
        x = _run_block(ops, x, weights, f"layer{stage}.{block}", stride)
    return x


def _run_block(ops: Operations[T], x: T, weights: Weights, name: str, stride: int) -> T:
    count = 3 if f"{name}.conv3.weight" in weights else 2
    # A bottleneck strides in its 3×3 convolution, as torchvision's do.
    strided = 2 if count == 3 else 1
    y = x
    for number in range(1, count + 1):
        convolution = _read_conv(weights, f"{name}.conv{number}", f"{name}.bn{number}")
        y = _conv(ops, y, convolution, stride=stride if number == strided else 1)
        if number < count:
            y = ops.relu(y)
    if f"{name}.downsample.0.weight" in weights:
        shortcut = _read_conv(weights, f"{name}.downsample.0", f"{name}.downsample.1")
        x = _conv(ops, x, shortcut, stride=stride)
    return ops.relu(ops.add(y, x))


def _conv(ops: Operations[T], x: T, convolution: Convolution, *, stride: int) -> T:
    half = convolution.weight.shape[-1] // 2
    pads: Pads = (half, half, half, half)
    return ops.conv(x, convolution.weight, convolution.bias, stride=stride, pads=pads)


def _read_conv(weights: Weights, conv: str, norm: str) -> Convolution:
    weight = weights[f"{conv}.weight"]
    if weight.ndim != 4 or not np.isfinite(weight).all():
        raise WeightsInvalid(f"{conv}.weight is no convolution.")
    parts = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (weights[f"{norm}.{part}"] for part in parts)
    return fold_batch_norm(weight, (scale, shift, mean, variance), epsilon=_EPSILON)
