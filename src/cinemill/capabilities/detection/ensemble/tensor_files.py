"""Strict reading of safetensors files: bounded, exactly the expected arrays, finite numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

LARGEST_FILE_BYTES = 32 * 2**20


def dump_tensors(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the arrays as the bytes of a safetensors file.

    Raises ValueError if it is too large.
    """
    # Strides are not stored: what is not contiguous would come back in another order.
    data = save({name: np.ascontiguousarray(one, "<f4") for name, one in tensors.items()})
    if len(data) > LARGEST_FILE_BYTES:
        raise ValueError(f"the arrays have {len(data)} bytes, over {LARGEST_FILE_BYTES}")
    return bytes(data)


def parse_tensors(
    data: bytes, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a file, which must be exactly these, float32 and finite.

    Raises ValueError with what is wrong.
    """
    try:
        found = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"it is no safetensors file ({type(error).__name__})") from error
    if sorted(found) != sorted(shapes):
        raise ValueError(f"it holds {_list(found)} instead of {_list(shapes)}")
    for name, array in found.items():
        _check(name, array, shapes[name])
    return found


def _check(name: str, array: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if array.dtype != np.float32 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape} instead of float32 {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)[:20]) or "nothing"
