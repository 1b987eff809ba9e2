"""CLIP's vision tower (a ViT), as ``transformers`` names its weights."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from cinemill.inference.export.operations import (
    Convolution,
    Operations,
    fold_scale,
)
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.export.weights import Floats, Weights
from cinemill.inference.models.cards import ImageInput

T = TypeVar("T")
_TOWER = "vision_model."
_HEAD_CHANNELS = 64
"""Channels of each attention head, in every CLIP that OpenAI published."""
_EPSILON = 1e-5


def is_clip(weights: Weights) -> bool:
    return f"{_TOWER}embeddings.patch_embedding.weight" in weights


def default_levels(weights: Weights) -> tuple[str, ...]:
    """Return the levels at half and three quarters of the depth, and the last one."""
    layers = weights.count(f"{_TOWER}encoder.layers.{{}}.")
    last = "embedding" if "visual_projection.weight" in weights else "pooled"
    inner = (f"layer{max(1, layers // 2)}", f"layer{max(1, layers * 3 // 4)}")
    return (*dict.fromkeys(inner), last)


def run_clip(ops: Operations[T], weights: Weights, image: ImageInput) -> dict[str, T]:
    """Return the class token after each layer, ``layer1`` on, ``pooled`` and ``embedding``.

    ``pooled`` is the normalised token of the last layer; ``embedding`` its projection into the
    space that CLIP shares with text, if the file has the projection.
    """
    tower = f"{_TOWER}embeddings."
    patches = weights[f"{tower}patch_embedding.weight"]
    positions = weights[f"{tower}position_embedding.weight"].copy()
    channels, patch = patches.shape[0], patches.shape[-1]
    _check_size(image, patch, len(positions) - 1)
    positions[0] += weights[f"{tower}class_embedding"].reshape(-1)
    bias = _read_or_zeros(weights, f"{tower}patch_embedding.bias", channels)
    stem = fold_scale(Convolution(patches, bias), image)
    x = ops.images(image, subtract=image.mean)
    x = ops.tokens(ops.conv(x, stem.weight, stem.bias, stride=patch), positions)
    x = _normalize(ops, x, weights, f"{_TOWER}pre_layrnorm")
    levels: dict[str, T] = {}
    for number in range(weights.count(f"{_TOWER}encoder.layers.{{}}.")):
        x = _run_layer(ops, x, weights, f"{_TOWER}encoder.layers.{number}.")
        levels[f"layer{number + 1}"] = ops.first_token(x)
    pooled = _normalize(ops, ops.first_token(x), weights, f"{_TOWER}post_layernorm")
    levels["pooled"] = pooled
    if "visual_projection.weight" in weights:
        projection = np.ascontiguousarray(weights["visual_projection.weight"].T)
        levels["embedding"] = ops.linear(pooled, projection)
    return levels


def _check_size(image: ImageInput, patch: int, patches: int) -> None:
    side = round(patches**0.5) * patch
    if (image.width, image.height) != (side, side):
        raise WeightsInvalid(
            f"These weights take pictures of {side}×{side} pixels; the model card says "
            f"{image.width}×{image.height}."
        )


def _run_layer(ops: Operations[T], x: T, weights: Weights, name: str) -> T:
    y = _normalize(ops, x, weights, f"{name}layer_norm1")
    x = ops.add(x, _attend(ops, y, weights, f"{name}self_attn."))
    y = _normalize(ops, x, weights, f"{name}layer_norm2")
    y = _linear(ops, y, weights, f"{name}mlp.fc1")
    quick = weights.config.get("hidden_act", "quick_gelu") == "quick_gelu"
    return ops.add(x, _linear(ops, ops.gelu(y, quick=quick), weights, f"{name}mlp.fc2"))


def _attend(ops: Operations[T], x: T, weights: Weights, name: str) -> T:
    """Attend with one product for queries, keys and values; the scale is in the queries."""
    channels = len(weights[f"{name}q_proj.weight"])
    heads = weights.read_int("num_attention_heads", max(1, channels // _HEAD_CHANNELS))
    if channels % heads:
        raise WeightsInvalid(f"{channels} channels cannot be shared by {heads} heads.")
    scale = np.float32((channels // heads) ** -0.5)
    factors = {"q_proj": scale, "k_proj": np.float32(1), "v_proj": np.float32(1)}
    matrices = [weights[f"{name}{part}.weight"].T * factor for part, factor in factors.items()]
    biases = [weights[f"{name}{part}.bias"] * factor for part, factor in factors.items()]
    x = ops.linear(x, np.concatenate(matrices, axis=1), np.concatenate(biases))
    return _linear(ops, ops.attention(x, heads), weights, f"{name}out_proj")


def _linear(ops: Operations[T], x: T, weights: Weights, name: str) -> T:
    weight = np.ascontiguousarray(weights[f"{name}.weight"].T)
    return ops.linear(x, weight, weights[f"{name}.bias"])


def _normalize(ops: Operations[T], x: T, weights: Weights, name: str) -> T:
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return ops.layer_norm(x, weight, bias, epsilon=_EPSILON)


def _read_or_zeros(weights: Weights, name: str, size: int) -> Floats:
    return weights[name] if name in weights else np.zeros(size, np.float32)
