"""A user's own model is added with a card that fits it, and is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.onnx_files import DOUBLE, write_mean_model

from cinemill.capabilities.detection.detector import identify_model
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import Conflict, InputRejected, NotFound, ToolMissing
from cinemill.inference.models.cards import ForgeryScore, ModelRole, find_model, hash_file
from cinemill.inference.models.catalog import MODELS, find_card, list_cards
from cinemill.inference.models.user_cards import UserCard, add_model, read_user_card

CARD: dict[str, Any] = {
    "schema": 1,
    "name": "my-detector",
    "role": "forgery-detection",
    "licence": "MIT",
    "about": "channel means",
    "input": {
        "name": "pixels",
        "width": 32,
        "height": 32,
        "mean": [127.5, 127.5, 127.5],
        "std": [127.5, 127.5, 127.5],
    },
    "outputs": [{"name": "means", "dimension": 3, "level": "logits"}],
    "score": {"output": "means", "forged": 1, "genuine": 0},
}


def make_card(**changes: Any) -> UserCard:
    return read_parameters(UserCard, {**CARD, **changes})


def add(folder: Path, **model: Any) -> Any:
    file = write_mean_model(folder.parent / "mine.onnx", **model)
    return add_model(make_card(), file, folder, MODELS)


def test_added_model_is_found_under_the_hash_of_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    card = add(folder)
    sha256 = hash_file(tmp_path / "mine.onnx")
    assert card.weights == f"{sha256}.onnx"
    assert card.revision == sha256
    assert find_model(card, folder) == folder / "my-detector"
    assert find_card("my-detector", folder) == card
    assert card.role is ModelRole.FORGERY_DETECTION
    assert card.score == ForgeryScore("means", forged=1, genuine=0)
    assert card.image is not None
    assert card.image.mean == (127.5, 127.5, 127.5)
    assert sorted(path.name for path in folder.iterdir()) == ["my-detector"]


def test_changed_byte_of_an_added_model_is_noticed(tmp_path: Path) -> None:
    card = add(tmp_path / "models")
    weights = tmp_path / "models" / card.name / card.weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ToolMissing) as damaged:
        find_model(card, tmp_path / "models")
    assert damaged.value.code == "model_damaged"


def test_card_written_anew_for_the_same_file_is_another_model(tmp_path: Path) -> None:
    one, other, again = (
        add_model(make_card(**changes), write_mean_model(tmp_path / "m.onnx"), tmp_path / name, ())
        for name, changes in (
            ("a", {}),
            ("b", {"score": {"output": "means", "forged": 0, "genuine": 1}}),
            ("c", {}),
        )
    )
    assert one.revision == other.revision
    assert identify_model(one) != identify_model(other)
    assert identify_model(one) == identify_model(again)


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_card_is_read_from_json_and_toml(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"card{suffix}"
    toml = """
schema = 1
name = "my-detector"
role = "forgery-detection"
licence = "MIT"
about = "channel means"
[input]
name = "pixels"
width = 32
height = 32
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]
[[outputs]]
name = "means"
dimension = 3
level = "logits"
[score]
output = "means"
forged = 1
genuine = 0
"""
    path.write_text(json.dumps(CARD) if suffix == ".json" else toml)
    assert read_user_card(path) == make_card()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "../up"}, "name must be lower-case letters"),
        ({"name": ""}, "name must be lower-case letters"),
        ({"role": "speech"}, "role must be one of"),
        ({"role": "nonsense"}, "role must be one of"),
        ({"licence": ""}, "licence"),
        ({"licence": None}, "licence"),
        ({"outputs": []}, "outputs"),
        ({"outputs": [{"name": "means", "dimension": 0}]}, "outputs[0].dimension"),
        ({"outputs": CARD["outputs"] * 2}, "Two outputs have the same name"),
        ({"input": {**CARD["input"], "std": [1, 1, 0]}}, "input.std[2]"),
        ({"input": {**CARD["input"], "mean": [1, 1]}}, "input.mean"),
        ({"input": {**CARD["input"], "width": 10**9}}, "input.width"),
        ({"input": {**CARD["input"], "order": "yuv"}}, "input.order"),
        ({"score": None}, "needs score"),
        ({"role": "image-features"}, "has no score"),
        ({"score": {"output": "other", "forged": 0}}, "names no output"),
        ({"score": {"output": "means", "forged": 3}}, "below the output's dimension"),
        ({"score": {"output": "means", "forged": 1, "genuine": 1}}, "must differ"),
        ({"licens": "MIT"}, "licens"),
        ({"schema": 2}, "schema"),
    ],
)
def test_card_that_makes_no_sense_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputRejected) as refused:
        make_card(**changes)
    assert refused.value.code == "model_card_invalid"
    assert reason in refused.value.message


@pytest.mark.parametrize("content", ["", "{", "[1]", "name =", "null", "x" * 100_000, "[" * 9000])
@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_card_that_is_not_readable_is_refused(tmp_path: Path, content: str, suffix: str) -> None:
    path = tmp_path / f"card{suffix}"
    path.write_text(content)
    with pytest.raises(InputRejected) as refused:
        read_user_card(path)
    assert refused.value.code in ("model_card_invalid", "params_invalid")


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@pytest.mark.property
@given(st.sampled_from(sorted(CARD)), Json)
def test_any_value_in_a_card_is_read_or_refused(field: str, value: Any) -> None:
    code = ""
    try:
        make_card(**{field: value})
    except InputRejected as refused:
        code = refused.code
    assert code in ("", "model_card_invalid")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"input_name": "image"}, "it has no input 'pixels'; it has image"),
        ({"output_name": "other"}, "it has no output 'means'; it has other"),
        ({"size": 48}, "its input pixels has the dimensions N x 3 x 48 x 48, not N x 3 x 32 x 32"),
        ({"input_shape": ("N", 3, 32)}, "has the dimensions N x 3 x 32"),
        ({"input_shape": (4, 3, 32, 32)}, "takes 4 pictures at once"),
        (
            {"element": DOUBLE, "operation": "Abs"},
            "its input pixels takes tensor(double), not tensor(float) or tensor(uint8)",
        ),
        ({"operation": "Relu"}, "its output means has the dimensions 1 x 3072, not 1 x 3"),
        ({"operation": "NoSuchThing"}, "ONNX Runtime cannot open it"),
    ],
)
def test_model_that_does_not_fit_its_card_is_refused(
    tmp_path: Path, model: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        add(tmp_path / "models", **model)
    assert refused.value.code == "model_file_invalid"
    assert reason in refused.value.message
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(1000)])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(content)
    with pytest.raises(InputRejected) as refused:
        add_model(make_card(), file, tmp_path / "models", MODELS)
    assert refused.value.code == "model_file_invalid"


def test_open_dimensions_fit_any_card(tmp_path: Path) -> None:
    card = add(tmp_path / "models", input_shape=("N", 3, "H", "W"))
    assert card.name == "my-detector"


def test_second_model_of_a_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    add(folder)
    for taken in ("my-detector", "centerface", "exported"):
        with pytest.raises(Conflict) as refused:
            add_model(make_card(name=taken), tmp_path / "mine.onnx", folder, MODELS)
        assert refused.value.code == "model_exists"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"name": "my-detector"}', b"\xff", b"[" * 60_000]
)
def test_damaged_card_of_an_added_model_hides_that_model_only(
    tmp_path: Path, content: bytes
) -> None:
    folder = tmp_path / "models"
    add(folder)
    (folder / "my-detector" / "card.json").write_bytes(content)
    assert list_cards(folder).keys() == MODELS.keys()
    with pytest.raises(NotFound) as unknown:
        find_card("my-detector", folder)
    assert "'cinemill models add'" in unknown.value.hint


def test_added_model_cannot_replace_one_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    add(folder)
    document = json.loads((folder / "my-detector" / "card.json").read_text())
    (folder / "my-detector").rename(folder / "centerface")
    (folder / "centerface" / "card.json").write_text(json.dumps({**document, "name": "centerface"}))
    assert list_cards(folder)["centerface"] == MODELS["centerface"]
