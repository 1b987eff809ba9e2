"""What people run today: JPEG, Pillow and PyTorch's eager mode. Run by another interpreter.

    PYTHON bench/torch_eager.py FOLDER

``FOLDER`` holds ``resnet50.npz`` and ``clip_vit_b32.npz`` (weights) and ``frame.png``. Prints a
JSON object: processor seconds for a picture, by model, of the model alone and with JPEG decoding
and resizing. Needs PyTorch and Pillow, and nothing of Cinemill.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

BATCH = 8
ROUNDS = 3


class Bottleneck(nn.Module):
    def __init__(self, before: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, inner * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(inner * 4)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or before != inner * 4:
            shortcut = nn.Conv2d(before, inner * 4, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(inner * 4))

    def forward(self, x: Any) -> Any:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        for stage, count in enumerate((3, 4, 6, 3)):
            blocks = []
            for block in range(count):
                stride = 2 if stage and not block else 1
                blocks.append(Bottleneck(before, 64 * 2**stage, stride))
                before = 256 * 2**stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(2048, 10)

    def forward(self, x: Any) -> Any:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        levels = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            levels.append(x.mean((2, 3)))
        return levels[1:]


class Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.self_attn = nn.ModuleDict(
            {f"{part}_proj": nn.Linear(channels, channels) for part in ("q", "k", "v", "out")}
        )
        fc1, fc2 = nn.Linear(channels, channels * 4), nn.Linear(channels * 4, channels)
        self.mlp = nn.ModuleDict({"fc1": fc1, "fc2": fc2})
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)

    def forward(self, x: Any) -> Any:
        x = x + self._attend(self.layer_norm1(x))
        y = self.mlp["fc1"](self.layer_norm2(x))
        return x + self.mlp["fc2"](y * torch.sigmoid(1.702 * y))

    def _attend(self, x: Any) -> Any:
        count, length, channels = x.shape
        heads = channels // 64
        parts = (
            self.self_attn[f"{part}_proj"](x).view(count, length, heads, 64).transpose(1, 2)
            for part in "qkv"
        )
        mixed = functional.scaled_dot_product_attention(*parts)
        return self.self_attn["out_proj"](mixed.transpose(1, 2).reshape(count, length, channels))


class Embeddings(nn.Module):
    def __init__(self, channels: int, patch: int, tokens: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(channels))
        self.patch_embedding = nn.Conv2d(3, channels, patch, patch, bias=False)
        self.position_embedding = nn.Embedding(tokens, channels)

    def forward(self, x: Any) -> Any:
        x = self.patch_embedding(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        return torch.cat([first, x], 1) + self.position_embedding.weight


class Tower(nn.Module):
    def __init__(self, layers: int, channels: int, patch: int, side: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(channels, patch, (side // patch) ** 2 + 1)
        self.pre_layrnorm = nn.LayerNorm(channels)
        layer_list = nn.ModuleList(Layer(channels) for _ in range(layers))
        self.encoder = nn.ModuleDict({"layers": layer_list})
        self.post_layernorm = nn.LayerNorm(channels)

    def forward(self, x: Any) -> Any:
        x = self.pre_layrnorm(self.embeddings(x))
        levels = []
        for layer in self.encoder["layers"]:
            x = layer(x)
            levels.append(x[:, 0])
        return levels, self.post_layernorm(x[:, 0])


class Clip(nn.Module):
    def __init__(
        self,
        layers: int = 12,
        channels: int = 768,
        patch: int = 32,
        side: int = 224,
        projection: int = 512,
    ) -> None:
        super().__init__()
        self.vision_model = Tower(layers, channels, patch, side)
        self.visual_projection = nn.Linear(channels, projection, bias=False)

    def forward(self, x: Any) -> Any:
        levels, pooled = self.vision_model(x)
        return [levels[len(levels) // 2 - 1], self.visual_projection(pooled)]


def load(model: nn.Module, path: Path) -> nn.Module:
    with np.load(path) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    missing, unexpected = model.load_state_dict(state, strict=False)
    wrong = [name for name in missing if not name.endswith("num_batches_tracked")]
    if wrong or unexpected:
        raise SystemExit(f"weights do not fit: {wrong} {unexpected}")
    return model.eval()


def preprocess(jpeg: bytes) -> Any:
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    pixels = np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR), np.float32) / 255
    mean = np.asarray([0.485, 0.456, 0.406], np.float32)
    std = np.asarray([0.229, 0.224, 0.225], np.float32)
    return torch.from_numpy(((pixels - mean) / std).transpose(2, 0, 1).copy())


def run_stage(model: Any, frame: Image.Image) -> object:
    """Write frames as JPEG, as one program does, and read them as the other does."""
    jpegs = []
    for _ in range(BATCH):
        file = io.BytesIO()
        frame.save(file, "JPEG", quality=90)
        jpegs.append(file.getvalue())
    return model(torch.stack([preprocess(jpeg) for jpeg in jpegs]))


def cpu_seconds(work: Callable[[], object]) -> float:
    work()
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return sorted(spent)[ROUNDS // 2] / BATCH


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    frame = Image.open(folder / "frame.png").convert("RGB")
    found: dict[str, dict[str, float]] = {}
    models: dict[str, Any] = {"resnet50": ResNet50(), "clip_vit_b32": Clip()}
    for name, model in models.items():
        load(model, folder / f"{name}.npz")
        batch = torch.randn(BATCH, 3, 224, 224)

        with torch.inference_mode():
            alone = cpu_seconds(partial(model, batch))
            stage = cpu_seconds(partial(run_stage, model, frame))
        found[name] = {"model": alone, "stage": stage}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
