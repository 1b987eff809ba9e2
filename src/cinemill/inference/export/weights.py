"""Named tensors of a file of weights, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemill.inference.export.torch_files import WeightsInvalid, read_torch_file

Floats = NDArray[np.float32]
_SAFETENSORS = ".safetensors"


class Weights(Mapping[str, Floats]):
    """Tensors by name; those of a safetensors file are read when they are asked for.

    ``config`` is the model's ``config.json``, where one is in the same folder.
    """

    def __init__(
        self,
        names: Iterable[str],
        read: Callable[[str], NDArray[Any]],
        config: Mapping[str, object] | None = None,
    ) -> None:
        self._names = frozenset(names)
        self._read = read
        self.config = config or {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self._names:
            raise WeightsInvalid(f"The weights have no tensor {name}.")
        return np.ascontiguousarray(self._read(name), np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def count(self, pattern: str) -> int:
        """Return how many numbers from 0 on, put into ``pattern``, begin names of tensors."""
        number = 0
        while any(name.startswith(pattern.format(number)) for name in self._names):
            number += 1
        return number

    def read_int(self, key: str, default: int) -> int:
        value = self.config.get(key, default)
        if type(value) is not int or not 0 < value < 1_000_000:
            raise WeightsInvalid(f"{key} in config.json is no positive number.")
        return value


def read_weights(path: Path) -> Weights:
    """Open ``.safetensors`` or PyTorch's ``.pth``. Raises WeightsInvalid."""
    config = _read_config(path.with_name("config.json"))
    if path.suffix == _SAFETENSORS:
        return _open_safetensors(path, config)
    tensors = read_torch_file(path)
    return Weights(tensors, tensors.__getitem__, config)


def _open_safetensors(path: Path, config: Mapping[str, object]) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise WeightsInvalid(f"{path.name} cannot be read as weights: {error}.") from error

    def read(name: str) -> NDArray[Any]:
        try:
            return np.asarray(file.get_tensor(name))  # type: ignore[no-untyped-call]
        except (SafetensorError, TypeError, ValueError, AttributeError) as error:
            raise WeightsInvalid(f"The tensor {name} cannot be read: {error}.") from error

    return Weights(file.keys(), read, config)  # type: ignore[no-untyped-call]


def _read_config(path: Path) -> dict[str, object]:
    """Return the vision part of ``config.json``, or the whole if it has none; empty without one."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    part = document.get("vision_config", document)
    return part if isinstance(part, dict) else {}
