"""Weights in PyTorch's files are read; code in them is not run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vision_models import pickle_state_dict, write_legacy_pth, write_zip_pth

from cinemill.inference.export.torch_files import WeightsInvalid, read_torch_file

TENSORS: dict[str, np.ndarray] = {
    "layer.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "layer.half": np.asarray([0.5, -2], np.float16),
    "bn.num_batches_tracked": np.asarray(7, np.int64),
}
Writer = Callable[[Path, dict[str, np.ndarray]], Path]
WRITERS = [write_zip_pth, write_legacy_pth]


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_are_read(tmp_path: Path, write: Writer) -> None:
    found = read_torch_file(write(tmp_path / "w.pth", TENSORS))
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(found[name], array)
    assert found["layer.half"].dtype == np.float32


@pytest.mark.parametrize("write", WRITERS)
def test_transposed_view_is_read(tmp_path: Path, write: Writer) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    # Strides of 4 and 8 bytes over the numbers in the order of the storage.
    view = np.lib.stride_tricks.as_strided(array, (3, 2), (4, 12))
    path = write(tmp_path / "w.pth", {"a": _Stored(view, array)})
    np.testing.assert_array_equal(read_torch_file(path)["a"], array.T)


class _Stored(np.ndarray):
    """A view whose bytes are those of the array that it shows."""

    def __new__(cls, view: np.ndarray, base: np.ndarray) -> _Stored:
        made = view.view(cls)
        made.base_array = base  # type: ignore[attr-defined]
        return made

    def tobytes(self, order: str | None = "C") -> bytes:
        return bytes(self.base_array.tobytes())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "call",
    [b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nload\n", b"cnumpy\nload\n"],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_code_is_not_run(tmp_path: Path, call: bytes, is_zip: bool) -> None:
    marker = tmp_path / "was-run"
    attack = b"\x80\x02" + call + b"(X" + len(f"touch {marker}").to_bytes(4, "little")
    attack += f"touch {marker}".encode() + b"tR."
    path = tmp_path / "w.pth"
    if is_zip:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", attack)
    else:
        path.write_bytes(attack)
    with pytest.raises(WeightsInvalid, match=r"wants to call"):
        read_torch_file(path)
    assert not marker.exists()


def test_tensor_larger_than_its_storage_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle_state_dict(TENSORS, is_zip=True))
        for number in range(len(TENSORS)):
            archive.writestr(f"a/data/{number}", b"\0" * 4)
    with pytest.raises(WeightsInvalid, match=r"layer\.weight is damaged"):
        read_torch_file(path)


def test_compressed_archive_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle_state_dict(TENSORS, is_zip=True))
    with pytest.raises(WeightsInvalid, match="compressed"):
        read_torch_file(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no pickle", pickle.dumps([1, 2]), b"\x80\x04."])
def test_other_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsInvalid):
        read_torch_file(path)


def test_checkpoint_and_parallel_names_are_understood(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "w.pth", {"module.a": np.ones(2, np.float32)})
    assert [*read_torch_file(path)] == ["a"]


@pytest.mark.property
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damaged_file_is_rejected_or_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write = data.draw(st.sampled_from(WRITERS))
    path = write(folder / "w.pth", TENSORS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        found = read_torch_file(path)
    except WeightsInvalid:
        return
    assert sum(array.nbytes for array in found.values()) <= 2 * len(content)
