"""Weights in PyTorch's files (``.pth``, ``.pt``, ``.bin``), read without PyTorch.

Such a file is a pickle, which can name any function of any module. This reader resolves the few
names that a dictionary of tensors needs and rejects every other, so nothing in the file is run;
PyTorch's ``weights_only=True`` does the same. Both layouts are read: the zip archive (since PyTorch
1.6) and the stream before it, which many published weights still have.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cinemill.errors import InputRejected

MAX_PICKLE_BYTES = 16 * 1024 * 1024
"""Names and shapes of the tensors; those of the largest known vision model take 200 kB."""
MAX_TENSORS = 20_000
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_BFLOAT16 = "bfloat16"
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}

# What reading a damaged archive or a wrong shape raises.
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True)
class _Storage:
    dtype: str
    key: str


@dataclass(frozen=True)
class _TensorReference:
    """A tensor as the pickle describes it: a view of a storage. Nothing in it is checked yet."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


class WeightsInvalid(InputRejected):
    """A file of weights that cannot be read, or that holds more than tensors."""

    code = "weights_invalid"
    hint = "Use the file as its author published it: a state dict (.pth) or .safetensors."


def read_torch_file(path: Path) -> dict[str, Array]:
    """Return the tensors of the file by name, floating-point ones as float32.

    Raises WeightsInvalid if the file is damaged, or holds anything other than tensors.
    """
    try:
        content = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path)
    except WeightsInvalid:
        raise
    # A hostile pickle can make the unpickler raise nearly anything.
    except Exception as error:
        raise WeightsInvalid(
            f"{path.name} cannot be read as weights: it is damaged "
            f"({type(error).__name__}: {error})."
        ) from error
    tensors, read_storage = content
    storages: dict[str, Array] = {}
    found: dict[str, Array] = {}
    for name, reference in tensors.items():
        try:
            storage = _check_storage(reference)
            if storage.key not in storages:
                storages[storage.key] = read_storage(storage)
            found[name] = _view(storages[storage.key], reference)
        except _DAMAGE as error:
            _reject(path, f"the tensor {name} is damaged ({error})", error)
    return found


def _reject(path: Path, why: str, cause: Exception | None = None) -> NoReturn:
    raise WeightsInvalid(f"{path.name} cannot be read as weights: {why}.") from cause


_Content = tuple[dict[str, _TensorReference], Callable[[_Storage], Array]]


def _read_zip(path: Path) -> _Content:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            _reject(path, "the archive holds no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            _reject(path, "the archive is compressed, which PyTorch never does")
        if (
            archive.read(folder + "byteorder") != b"little"
            if folder + "byteorder" in entries
            else 0
        ):
            _reject(path, "its numbers are big-endian")
        if entries[pickles[0]].file_size > MAX_PICKLE_BYTES:
            _reject(path, "its table of tensors is too large")
        tensors = _list_tensors(path, _RestrictedUnpickler(archive.open(pickles[0])).load())

    def read_storage(storage: _Storage) -> Array:
        with zipfile.ZipFile(path) as archive:
            return _decode(archive.read(f"{folder}data/{storage.key}"), storage.dtype)

    return tensors, read_storage


def _read_stream(path: Path) -> _Content:
    """Read the layout of before PyTorch 1.6: pickles one after another, then the storages."""
    with path.open("rb") as file:
        head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
        if _RestrictedUnpickler(head).load() != _LEGACY_MAGIC:
            _reject(path, "it is no file of PyTorch")
        if _RestrictedUnpickler(head).load() != _LEGACY_PROTOCOL:
            _reject(path, "its version is unknown")
        _RestrictedUnpickler(head).load()  # the machine that wrote it
        document = _RestrictedUnpickler(head).load()
        keys = _RestrictedUnpickler(head).load()
        start = head.tell()
    tensors = _list_tensors(path, document)
    dtypes = {storage.key: storage.dtype for storage in map(_check_storage, tensors.values())}
    places = dict(_place_storages(path, start, keys, dtypes))

    def read_storage(storage: _Storage) -> Array:
        offset, size_bytes = places[storage.key]
        with path.open("rb") as file:
            file.seek(offset)
            return _decode(file.read(size_bytes), storage.dtype)

    return tensors, read_storage


def _place_storages(
    path: Path, start: int, keys: Any, dtypes: Mapping[str, str]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each storage's offset and size in bytes; before each stands its count of numbers."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        _reject(path, "its list of storages is damaged")
    total = path.stat().st_size
    with path.open("rb") as file:
        for key in keys:
            file.seek(start)
            count = int.from_bytes(file.read(8), "little", signed=True)
            if key not in dtypes:
                _reject(path, "it holds numbers that no tensor refers to")
            size_bytes = count * _item_bytes(dtypes[key])
            if count < 0 or start + 8 + size_bytes > total:
                _reject(path, "it is shorter than it states")
            yield key, (start + 8, size_bytes)
            start += 8 + size_bytes


class _RestrictedUnpickler(pickle.Unpickler):
    """Resolves the names that a dictionary of tensors needs, and rejects every other."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8")

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        if (module, name) not in allowed:
            raise WeightsInvalid(
                f"The file wants to call {module}.{name}, which is no tensor: it is not run."
            )
        return allowed[module, name]

    def persistent_load(self, identity: Any) -> _Storage:
        kind, storage_type, key, *_ = identity
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise ValueError("an unknown kind of storage")
        return _Storage(storage_type.dtype, str(key))


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Any:
    return _TensorReference(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _list_tensors(path: Path, document: Any) -> dict[str, _TensorReference]:
    """Return the tensors of a state dict, or of the one in a checkpoint."""
    for key in ("state_dict", "model"):
        if isinstance(document, dict) and isinstance(document.get(key), dict):
            document = document[key]
    if not isinstance(document, dict):
        _reject(path, "it holds no dictionary of tensors")
    tensors = {
        name.removeprefix("module."): value
        for name, value in document.items()
        if isinstance(name, str) and isinstance(value, _TensorReference)
    }
    if not 0 < len(tensors) <= MAX_TENSORS:
        _reject(path, f"it holds {len(tensors)} tensors")
    return tensors


def _check_storage(reference: _TensorReference) -> _Storage:
    if not isinstance(reference.storage, _Storage):
        raise TypeError("it has no storage")
    return reference.storage


def _item_bytes(dtype: str) -> int:
    return 2 if dtype == _BFLOAT16 else np.dtype(dtype).itemsize


def _decode(data: bytes, dtype: str) -> Array:
    if dtype == _BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    numbers = np.frombuffer(data, dtype)
    return numbers.astype(np.float32) if numbers.dtype.kind == "f" else numbers


def _view(storage: Array, reference: _TensorReference) -> Array:
    """Return a copy of the part of the storage that the tensor shows."""
    shape = _check_sizes(reference.shape)
    strides = _check_sizes(reference.strides)
    (offset,) = _check_sizes((reference.offset,))
    if len(shape) != len(strides):
        raise ValueError("it has other strides than dimensions")
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= storage.size or math.prod(shape) > storage.size:
        raise ValueError("it is larger than its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or not all(type(n) is int and n >= 0 for n in sizes):
        raise TypeError("its shape is invalid")
    return sizes
