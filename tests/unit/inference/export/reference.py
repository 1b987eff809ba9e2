"""ResNet and CLIP's tower in plain NumPy, layer by layer as their papers say; slow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinemill.inference.models.cards import ImageInput

Array = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]


def normalize(images: NDArray[np.uint8], image: ImageInput) -> Array:
    pixels = (images.astype(np.float64) - image.mean) / image.std
    return pixels.transpose(0, 3, 1, 2)


def run_resnet(tensors: Tensors, x: Array) -> dict[str, Array]:
    x = np.maximum(_conv(tensors, x, "conv1", "bn1", stride=2, pad=3), 0)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
    x = x.max(axis=(-1, -2))
    levels = {}
    for stage in (1, 2, 3, 4):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in tensors:
            stride = 2 if stage > 1 and block == 0 else 1
            x = _bottleneck(tensors, x, f"layer{stage}.{block}", stride)
            block += 1
        levels[f"stage{stage}"] = x.mean(axis=(2, 3))
    return levels


def _bottleneck(tensors: Tensors, x: Array, name: str, stride: int) -> Array:
    y = np.maximum(_conv(tensors, x, f"{name}.conv1", f"{name}.bn1"), 0)
    y = np.maximum(_conv(tensors, y, f"{name}.conv2", f"{name}.bn2", stride=stride, pad=1), 0)
    y = _conv(tensors, y, f"{name}.conv3", f"{name}.bn3")
    if f"{name}.downsample.0.weight" in tensors:
        x = _conv(tensors, x, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
    return np.maximum(x + y, 0)


def _conv(
    tensors: Tensors, x: Array, name: str, norm: str, *, stride: int = 1, pad: int = 0
) -> Array:
    weight = tensors[f"{name}.weight"].astype(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], (2, 3))
    y = np.einsum("nchwij,ocij->nohw", windows[:, :, ::stride, ::stride], weight, optimize=True)
    parts = (
        tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale, shift, mean, variance = (part.reshape(1, -1, 1, 1) for part in parts)
    normal: Array = (y - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return normal


def run_clip(tensors: Tensors, x: Array, *, heads: int) -> dict[str, Array]:
    tower = "vision_model."
    kernel = tensors[f"{tower}embeddings.patch_embedding.weight"]
    patch = kernel.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (patch, patch), (2, 3))
    patches = windows[:, :, ::patch, ::patch]
    tokens = np.einsum("nchwij,ocij->nhwo", patches, kernel, optimize=True)
    count, channels = len(x), len(kernel)
    tokens = tokens.reshape(count, -1, channels)
    first = np.broadcast_to(tensors[f"{tower}embeddings.class_embedding"], (count, 1, channels))
    x = np.concatenate([first, tokens], axis=1)
    x = x + tensors[f"{tower}embeddings.position_embedding.weight"]
    x = _norm(tensors, x, f"{tower}pre_layrnorm")
    levels, layer = {}, 0
    while f"{tower}encoder.layers.{layer}.layer_norm1.weight" in tensors:
        name = f"{tower}encoder.layers.{layer}."
        x = x + _attend(tensors, _norm(tensors, x, f"{name}layer_norm1"), name, heads)
        y = _linear(tensors, _norm(tensors, x, f"{name}layer_norm2"), f"{name}mlp.fc1")
        y = y / (1 + np.exp(-1.702 * y))
        x = x + _linear(tensors, y, f"{name}mlp.fc2")
        layer += 1
        levels[f"layer{layer}"] = x[:, 0]
    levels["pooled"] = _norm(tensors, x[:, 0], f"{tower}post_layernorm")
    levels["embedding"] = levels["pooled"] @ tensors["visual_projection.weight"].T
    return levels


def _attend(tensors: Tensors, x: Array, name: str, heads: int) -> Array:
    count, length, channels = x.shape
    queries, keys, values = (
        _linear(tensors, x, f"{name}self_attn.{part}_proj")
        .reshape(count, length, heads, -1)
        .transpose(0, 2, 1, 3)
        for part in "qkv"
    )
    scores = queries @ keys.transpose(0, 1, 3, 2) / np.sqrt(channels // heads)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = scores / scores.sum(axis=-1, keepdims=True) @ values
    mixed = mixed.transpose(0, 2, 1, 3).reshape(count, length, channels)
    return _linear(tensors, mixed, f"{name}self_attn.out_proj")


def _linear(tensors: Tensors, x: Array, name: str) -> Array:
    product: Array = x @ tensors[f"{name}.weight"].T
    return product + tensors[f"{name}.bias"]


def _norm(tensors: Tensors, x: Array, name: str) -> Array:
    centered = x - x.mean(axis=-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-5)
    normal: Array = scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
    return normal
