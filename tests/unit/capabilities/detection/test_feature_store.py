"""Stored features: written whole, checked when read, and reused after a stop."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinemill.capabilities.detection.datasets.records import VideoKey
from cinemill.capabilities.detection.training.feature_store import (
    LARGEST_ENTRY_BYTES,
    Extraction,
    Features,
    FeatureStore,
    extract_features,
    feature_key,
)
from cinemill.capabilities.detection.training.pair_schedule import FaceReference, list_batches

KEY = feature_key("0" * 64, "model@1", "crop/1")


def make_features(seed: int = 0) -> Features:
    random = np.random.default_rng(seed)
    return {
        "block3": random.normal(size=(4, 40)).astype(np.float16),
        "head": random.normal(size=(4, 128)).astype(np.float16),
    }


def test_stored_features_are_returned_exactly(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    assert store.load(KEY) is None
    store.save(KEY, make_features())
    loaded = store.load(KEY)
    assert loaded is not None
    for name, rows in make_features().items():
        assert loaded[name].dtype == np.float16
        assert np.array_equal(loaded[name], rows)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{KEY}.npz"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_entry_is_missing_and_deleted(tmp_path: Path, data: st.DataObject) -> None:
    store = FeatureStore(tmp_path)
    store.save(KEY, make_features())
    path = next(tmp_path.rglob("*.npz"))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "truncate"):
        del content[data.draw(st.integers(0, len(content) - 1), "length") :]
    else:
        place = data.draw(st.integers(0, len(content) - 1), "place")
        content[place] ^= data.draw(st.integers(1, 255), "bits")
    path.write_bytes(content)
    assert store.load(KEY) is None
    assert not path.exists()


def test_stored_features_are_an_ordinary_archive_of_arrays(tmp_path: Path) -> None:
    FeatureStore(tmp_path).save(KEY, make_features())
    with np.load(next(tmp_path.rglob("*.npz")), allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["block3", "head"]
        assert np.array_equal(arrays["head"], make_features()["head"])


def test_entry_of_another_key_is_missing(tmp_path: Path) -> None:
    store, other = FeatureStore(tmp_path), feature_key("1" * 64)
    store.save(KEY, make_features())
    stored = tmp_path / KEY[:2] / f"{KEY}.npz"
    copied = tmp_path / other[:2] / f"{other}.npz"
    copied.parent.mkdir(exist_ok=True)
    copied.write_bytes(stored.read_bytes())
    assert store.load(other) is None


def store_bytes(folder: Path, content: bytes) -> Path:
    """Store any archive under KEY as if the store had written it, checksum included."""
    path = folder / KEY[:2] / f"{KEY}.npz"
    path.parent.mkdir(exist_ok=True)
    content = content[:-2] + (64).to_bytes(2, "little")
    path.write_bytes(content + hashlib.sha256(KEY.encode() + content).hexdigest().encode())
    return path


def test_entry_that_unpacks_to_too_much_is_missing(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(LARGEST_ENTRY_BYTES + 1))
    path = store_bytes(tmp_path, packed.getvalue())
    assert path.stat().st_size < 1_000_000
    assert FeatureStore(tmp_path).load(KEY) is None


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 3), np.float64),
        np.zeros(3, np.float16),
        np.array([{"pickled": True}], dtype=object),
    ],
)
def test_entry_of_other_arrays_is_missing(rows: NDArray[Any], tmp_path: Path) -> None:
    packed = io.BytesIO()
    np.savez(packed, rows=rows)
    path = store_bytes(tmp_path, packed.getvalue())
    assert FeatureStore(tmp_path).load(KEY) is None
    assert not path.exists()


@pytest.mark.parametrize("key", ["", "../" * 20 + "x" * 4, "A" * 64, "é" * 64])
def test_key_that_is_no_hash_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        FeatureStore(tmp_path).save(key, make_features())


def test_key_depends_on_each_part_and_their_borders() -> None:
    keys = {feature_key("ab", "c"), feature_key("a", "bc"), feature_key("ab", "c", "")}
    assert len(keys) == 3


def test_extraction_resumes_where_it_was_stopped(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    items = [(feature_key(str(number)), number) for number in range(6)]
    computed: list[int] = []
    seen: list[Extraction] = []

    def compute(numbers: Sequence[int]) -> list[Features]:
        computed.extend(numbers)
        return [make_features(number) for number in numbers]

    first = list(
        extract_features(
            items, store, compute, total=6, batch=2, should_stop=lambda: len(computed) >= 3
        )
    )
    assert [key for key, _ in first] == [key for key, _ in items[:4]]
    next(tmp_path.rglob(f"{items[1][0]}.npz")).unlink()
    again = list(extract_features(items, store, compute, total=6, batch=3, on_progress=seen.append))
    assert computed == [0, 1, 2, 3, 1, 4, 5]
    assert seen == [Extraction(3, 6, 2), Extraction(6, 6, 3)]
    assert [key for key, _ in again] == [key for key, _ in items]
    for number, (_, features) in enumerate(again):
        assert np.array_equal(features["head"], make_features(number)["head"])


def make_faces(counts: list[int]) -> list[FaceReference]:
    return [
        FaceReference(VideoKey("set", "real", f"v{person}"), f"p{person}", 40 * number)
        for person, count in enumerate(counts)
        for number in range(count)
    ]


@given(st.lists(st.integers(0, 12), max_size=8), st.integers(1, 9), st.integers(0, 3))
def test_batches_hold_each_face_once(counts: list[int], size: int, epoch: int) -> None:
    faces = make_faces(counts)
    batches = list(list_batches(faces, size, seed=1, epoch=epoch))
    assert sorted(face for batch in batches for face in batch) == sorted(faces)
    assert all(len(batch) == size for batch in batches[:-1])


def test_batches_mix_people_who_appear_equally_often() -> None:
    for batch in list_batches(make_faces([20] * 10), 10, seed=1, epoch=0):
        assert len({face.identity for face in batch}) >= 5


def test_batches_of_another_epoch_are_in_another_order_and_do_not_depend_on_input_order() -> None:
    faces = make_faces([5] * 4)
    first = list(list_batches(faces, 4, seed=1, epoch=0))
    assert first == list(list_batches(faces[::-1], 4, seed=1, epoch=0))
    assert first != list(list_batches(faces, 4, seed=1, epoch=1))
    assert first != list(list_batches(faces, 4, seed=2, epoch=0))


def test_batch_without_a_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        list(list_batches(make_faces([1]), 0, seed=0, epoch=0))
