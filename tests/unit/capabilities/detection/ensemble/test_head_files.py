"""Head files: what is written comes back; what is damaged is refused with a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from tests.detection import make_calibration, make_features, make_head

from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.head_files import (
    list_heads,
    read_head,
    write_calibration,
    write_head,
)
from cinemill.capabilities.detection.ensemble.registry_files import (
    LARGEST_MANIFEST_BYTES,
    MANIFEST,
    TENSORS,
)
from cinemill.errors import Conflict, InputRejected, ToolMissing

pytestmark = pytest.mark.property

Change = Callable[[dict[str, Any]], object]


def change_manifest(folder: Path, change: Change) -> None:
    path = folder / "tiny-head" / MANIFEST
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def replace_tensors(folder: Path, **changes: Any) -> None:
    """Write other arrays with a manifest that names their hash: damage before the file was made."""
    path = folder / "tiny-head" / TENSORS
    tensors = {**load(path.read_bytes()), **changes}
    data = save({name: one for name, one in tensors.items() if one is not None})
    path.write_bytes(data)
    change_manifest(
        folder, lambda manifest: manifest.update(tensors_sha256=hashlib.sha256(data).hexdigest())
    )


def read_or_refuse(folder: Path) -> Head | None:
    """Return the head, or None if its files were refused as damaged."""
    try:
        return read_head(folder, "tiny-head")
    except ToolMissing as error:
        if error.code != "head_damaged":
            raise
        return None


def test_head_survives_its_files(tmp_path: Path) -> None:
    head = make_head()
    assert write_head(tmp_path, head) == tmp_path / "tiny-head"
    found = read_head(tmp_path, "tiny-head")
    features = make_features(20, seed=9)
    assert (found.score(features) == head.score(features)).all()
    assert np.array_equal(found.measure_distances(features), head.measure_distances(features))  # type: ignore[arg-type]
    assert found.digest == head.digest
    for name in ("name", "grade", "space", "bias", "temperature", "training", "calibration"):
        assert getattr(found, name) == getattr(head, name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [TENSORS, MANIFEST, "tiny-head"]


def test_head_without_extras_survives_its_files(tmp_path: Path) -> None:
    head = replace(make_head(), projection=None, distance=None, calibration=None)
    write_head(tmp_path, head)
    found = read_head(tmp_path, head.name)
    assert (found.projection, found.distance, found.calibration) == (None, None, None)
    assert found.measure_distances(make_features(3)) is None


def test_array_that_is_not_contiguous_survives_its_file(tmp_path: Path) -> None:
    head = make_head()
    assert head.projection is not None
    turned = replace(head.projection, directions=np.asfortranarray(head.projection.directions))
    write_head(tmp_path, replace(head, projection=turned, weights=head.weights[::-1]))
    found = read_head(tmp_path, head.name)
    assert (found.weights == head.weights[::-1]).all()
    assert found.projection is not None
    assert (found.projection.directions == head.projection.directions).all()


def test_digest_names_the_numbers_and_not_the_calibration() -> None:
    head = make_head()
    assert head.projection is not None
    assert head.distance is not None
    same = replace(head, name="other", calibration=None)
    assert same.digest == head.digest
    others = [
        replace(head, bias=0.26),
        replace(head, temperature=2.0),
        replace(head, weights=head.weights * np.float32(2)),
        replace(head, projection=None),
        replace(head, projection=replace(head.projection, mean=head.projection.mean + 1)),
        replace(head, distance=replace(head.distance, residual_variance=9.0)),
        replace(head, space=head.space.model_copy(update={"revision": "b"})),
    ]
    assert len({head.digest, *(one.digest for one in others)}) == len(others) + 1


def test_registry_lists_heads_by_name(tmp_path: Path) -> None:
    assert list_heads(tmp_path / "none") == []
    for name in ("b", "a"):
        write_head(tmp_path, make_head(name))
    (tmp_path / "empty").mkdir()
    (tmp_path / ".a.draft").mkdir()
    (tmp_path / ".a.draft" / MANIFEST).write_text("{}")
    assert list_heads(tmp_path) == ["a", "b"]


def test_head_is_never_replaced(tmp_path: Path) -> None:
    write_head(tmp_path, make_head())
    with pytest.raises(Conflict) as refused:
        write_head(tmp_path, make_head(seed=5))
    assert refused.value.code == "head_exists"
    assert read_head(tmp_path, "tiny-head").digest == make_head().digest
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-head"]


def test_calibration_is_replaced_and_the_head_is_not(tmp_path: Path) -> None:
    write_head(tmp_path, replace(make_head(), calibration=None))
    calibration = make_calibration(margin=1.0)
    returned = write_calibration(tmp_path, "tiny-head", calibration)
    found = read_head(tmp_path, "tiny-head")
    assert found.calibration == returned.calibration == calibration
    assert found.digest == make_head().digest


@pytest.mark.parametrize("name", ["", "..", "a/b", "../heads", "A", ".hidden", "a..b", "a" * 65])
def test_names_that_leave_the_registry_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_head(tmp_path, name)
    assert refused.value.code == "head_name"
    with pytest.raises(InputRejected):
        write_head(tmp_path, make_head(name))


def test_missing_head_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="tiny-head is not installed") as refused:
        read_head(tmp_path, "tiny-head")
    assert refused.value.code == "head_missing"


@settings(max_examples=60)
@given(st.sampled_from([MANIFEST, TENSORS]), st.data())
def test_head_with_one_byte_changed_is_refused_or_the_same(file: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write_head(Path(name), make_head()) / file
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        found = read_or_refuse(Path(name))
        if found is not None:
            # A letter of the training statement, or a digit of the calibration.
            assert file == MANIFEST
            assert found.digest == make_head().digest


def test_changed_byte_of_the_arrays_is_found_by_their_hash(tmp_path: Path) -> None:
    path = write_head(tmp_path, make_head()) / TENSORS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ToolMissing, match=r"the sha256 of head\.safetensors is [0-9a-f]{64}"):
        read_head(tmp_path, "tiny-head")


@settings(max_examples=60)
@given(st.sampled_from([MANIFEST, TENSORS]), st.binary(max_size=200), st.integers(0, 400))
def test_cut_and_foreign_files_are_refused(file: str, tail: bytes, kept: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write_head(Path(name), make_head()) / file
        path.write_bytes(path.read_bytes()[:kept] + tail)
        with pytest.raises(ToolMissing) as refused:
            read_head(Path(name), "tiny-head")
        assert refused.value.code == "head_damaged"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weights": None}, "instead of"),
        ({"more": np.zeros(3, np.float32)}, "instead of"),
        ({"weights": np.zeros(11, np.float32)}, r"float32 \(11,\) instead of float32 \(10,\)"),
        ({"weights": np.zeros(10, np.float64)}, "float64"),
        ({"weights": np.zeros(10, np.int32)}, "int32"),
        ({"weights": np.full(10, np.nan, np.float32)}, "weights holds numbers that are not finite"),
        ({"weights": np.zeros(10, np.float32)}, "digest"),
        ({"distance.variances": np.zeros(3, np.float32)}, "variance"),
        ({"distance.variances": -np.ones(3, np.float32)}, "variance"),
        ({"projection.directions": np.ones((2, 10), np.float32)}, "orthonormal"),
        ({"distance.directions": np.zeros((3, 10), np.float32)}, "orthonormal"),
    ],
)
def test_arrays_that_no_head_has_are_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    write_head(tmp_path, make_head())
    replace_tensors(tmp_path, **changes)
    with pytest.raises(ToolMissing, match=problem) as refused:
        read_head(tmp_path, "tiny-head")
    assert refused.value.code == "head_damaged"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.update(version=2), "version"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.update(name="another"), "manifest is that of another"),
        (lambda m: m.update(temperature=0), "temperature"),
        (lambda m: m.update(temperature="1"), "temperature"),
        (lambda m: m.update(bias=float("nan")), "bias"),
        (lambda m: m.update(bias=1e300), "bias"),
        (lambda m: m.update(grade="best"), "grade"),
        (lambda m: m.update(removed_directions=10**9), "removed_directions"),
        (lambda m: m.update(removed_directions=-1), "removed_directions"),
        (lambda m: m["space"]["levels"][0].update(dimension=10**9), "dimension"),
        (lambda m: m["space"]["levels"][0].update(dimension=5), "instead of"),
        (lambda m: m["space"].update(levels=[]), "levels"),
        (lambda m: m["space"].update(revision="b"), "digest"),
        (lambda m: m["distance"].update(residual_variance=0), "variance"),
        (lambda m: m["calibration"].update(temperature=-1), "temperature"),
        (lambda m: m["calibration"]["manipulated"]["scores"].reverse(), "ascending"),
        (lambda m: m["calibration"]["manipulated"].update(groups=3), "add up"),
        (lambda m: m.pop("training"), "training"),
        (lambda m: m.clear(), "Field required"),
    ],
)
def test_manifest_that_no_head_has_is_refused(tmp_path: Path, change: Change, problem: str) -> None:
    write_head(tmp_path, make_head())
    change_manifest(tmp_path, change)
    with pytest.raises(ToolMissing, match=problem) as refused:
        read_head(tmp_path, "tiny-head")
    assert refused.value.code == "head_damaged"


@pytest.mark.parametrize("file", [MANIFEST, TENSORS])
def test_missing_file_of_a_head_is_named(tmp_path: Path, file: str) -> None:
    (write_head(tmp_path, make_head()) / file).unlink()
    with pytest.raises(ToolMissing, match=f"{file} is missing") as refused:
        read_head(tmp_path, "tiny-head")
    assert refused.value.code == "head_damaged"


@pytest.mark.parametrize("file", [MANIFEST, TENSORS])
def test_folder_and_pipe_in_place_of_a_file_are_refused(tmp_path: Path, file: str) -> None:
    path = write_head(tmp_path, make_head()) / file
    path.unlink()
    path.mkdir()
    with pytest.raises(ToolMissing, match=file):
        read_head(tmp_path, "tiny-head")
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ToolMissing, match="no file"):
        read_head(tmp_path, "tiny-head")


def test_oversized_manifest_is_not_read(tmp_path: Path) -> None:
    path = write_head(tmp_path, make_head()) / MANIFEST
    with path.open("r+b") as file:
        file.truncate(LARGEST_MANIFEST_BYTES + 1)
    with pytest.raises(ToolMissing, match="larger than"):
        read_head(tmp_path, "tiny-head")


def test_deeply_nested_manifest_is_refused(tmp_path: Path) -> None:
    path = write_head(tmp_path, make_head()) / MANIFEST
    path.write_text("[" * 100_000)
    with pytest.raises(ToolMissing):
        read_head(tmp_path, "tiny-head")
