"""Exported graphs return what the architectures say, computed in another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.inference.export import reference
from tests.vision_models import (
    Tensors,
    clip_input,
    make_card,
    make_clip,
    make_resnet,
    resnet_input,
    write_legacy_pth,
    write_safetensors,
    write_zip_pth,
)

from cinemill.inference.export.export import export_model, list_outputs
from cinemill.inference.export.prepared import EXPORTED_FOLDER, find_or_export
from cinemill.inference.export.torch_files import WeightsInvalid
from cinemill.inference.export.weights import read_weights
from cinemill.inference.models.cards import ColourOrder, ImageInput, ModelCard, ModelOutput
from cinemill.inference.models.catalog import MODELS
from cinemill.inference.sessions.onnx_session import OnnxSession

RESNET_OUTPUTS = tuple(
    ModelOutput(f"stage{stage}", size, f"stage{stage}")
    for stage, size in ((1, 32), (2, 64), (3, 128), (4, 256))
)
CLIP_OUTPUTS = (
    ModelOutput("layer1", 64, "layer1"),
    ModelOutput("pooled", 64, "pooled"),
    ModelOutput("features", 48, "embedding"),
)


def run_exported(card: ModelCard, weights: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    graph = weights.with_suffix(".onnx")
    export_model(card, weights, graph)
    return dict(OnnxSession(card, graph, threads=1).run(images))


def draw_images(image: ImageInput, count: int = 3) -> np.ndarray:
    shape = (count, image.height, image.width, 3)
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("write", [write_zip_pth, write_legacy_pth, write_safetensors])
def test_resnet_has_the_features_of_each_stage(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    tensors, image = make_resnet(), resnet_input()
    suffix = ".safetensors" if write is write_safetensors else ".pth"
    path = write(tmp_path / f"resnet{suffix}", tensors)
    images = draw_images(image)
    found = run_exported(make_card(path, image, RESNET_OUTPUTS), path, images)
    for level, values in reference.run_resnet(tensors, reference.normalize(images, image)).items():
        np.testing.assert_allclose(found[level], values, rtol=1e-3, atol=1e-4)


def test_clip_has_the_features_of_each_layer(tmp_path: Path) -> None:
    tensors, image = make_clip(), clip_input()
    path = write_safetensors(tmp_path / "m.safetensors", tensors, {"num_attention_heads": 4})
    images = draw_images(image)
    found = run_exported(make_card(path, image, CLIP_OUTPUTS), path, images)
    wanted = reference.run_clip(tensors, reference.normalize(images, image), heads=4)
    for name, level in (("layer1", "layer1"), ("pooled", "pooled"), ("features", "embedding")):
        np.testing.assert_allclose(found[name], wanted[level], rtol=1e-3, atol=1e-3)


def test_colour_order_of_the_card_is_used(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "resnet.pth", make_resnet())
    image = resnet_input()
    card = make_card(path, image, RESNET_OUTPUTS)
    turned = replace(image, order=ColourOrder.BGR, mean=(1, 1, 1), std=(2, 2, 2))
    plain = replace(turned, order=ColourOrder.RGB)
    images = draw_images(image)
    found = run_exported(replace(card, image=turned), path, images)
    wanted = run_exported(replace(card, image=plain), path, images[..., ::-1])
    np.testing.assert_allclose(found["stage4"], wanted["stage4"], rtol=1e-4, atol=1e-5)


def test_default_outputs_are_named_by_level(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "m.safetensors", make_clip(layers=4))
    card = make_card(path, clip_input(), ())
    found = [(one.name, one.dimension) for one in list_outputs(card, read_weights(path))]
    assert found == [("layer2", 64), ("layer3", 64), ("embedding", 48)]


@pytest.mark.parametrize(
    ("name", "tensors", "image", "levels"),
    [
        ("resnet50", make_resnet(), resnet_input(), ["stage2", "stage3", "stage4"]),
        ("clip-vit-b32", make_clip(layers=4), clip_input(), ["layer2", "layer3", "embedding"]),
    ],
)
def test_own_weights_of_a_card_of_a_finished_graph_are_exported_with_levels(
    tmp_path: Path, name: str, tensors: Tensors, image: ImageInput, levels: list[str]
) -> None:
    card = MODELS[name]
    assert card.image is not None
    card = replace(card, image=replace(card.image, width=image.width, height=image.height))
    path = write_zip_pth(tmp_path / "own.pth", tensors)
    export_model(card, path, tmp_path / "m.onnx")
    outputs = list_outputs(card, read_weights(path))
    assert [one.level for one in outputs] == levels
    session = OnnxSession(replace(card, outputs=outputs), tmp_path / "m.onnx", threads=1)
    rows = session.run(draw_images(image))
    assert {level: found.shape[1] for level, found in rows.items()} == {
        one.name: one.dimension for one in outputs
    }


def test_export_gives_the_same_bytes_again(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "resnet.pth", make_resnet())
    card = make_card(path, resnet_input(), RESNET_OUTPUTS)
    for name in ("one.onnx", "two.onnx"):
        export_model(card, path, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_exported_graph_is_kept_and_replaced_when_damaged(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "resnet.pth", make_resnet())
    card = make_card(path, resnet_input(), RESNET_OUTPUTS)
    graph = find_or_export(card, tmp_path, tmp_path)
    assert graph.parent == tmp_path / EXPORTED_FOLDER
    whole, made = graph.read_bytes(), graph.stat().st_mtime_ns
    assert find_or_export(card, tmp_path, tmp_path).stat().st_mtime_ns == made
    graph.write_bytes(whole[:-1] + b"\x01")
    assert find_or_export(card, tmp_path, tmp_path).read_bytes() == whole
    other = find_or_export(replace(card, outputs=RESNET_OUTPUTS[:2]), tmp_path, tmp_path)
    assert other != graph


def break_shape(tensors: Tensors) -> None:
    tensors["layer2.0.conv2.weight"] = tensors["layer2.0.conv2.weight"][:, :3]


def break_number(tensors: Tensors) -> None:
    tensors["layer2.0.bn2.bias"][:] = np.nan


def drop_tensor(tensors: Tensors) -> None:
    del tensors["layer3.0.bn1.running_var"]


def drop_stage(tensors: Tensors) -> None:
    for name in [name for name in tensors if name.startswith("layer3.")]:
        del tensors[name]


@pytest.mark.parametrize("damage", [break_shape, break_number, drop_tensor, drop_stage])
def test_damaged_weights_are_rejected_and_leave_nothing(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    tensors = make_resnet()
    damage(tensors)
    path = write_zip_pth(tmp_path / "resnet.pth", tensors)
    card = make_card(path, resnet_input(), RESNET_OUTPUTS)
    with pytest.raises(WeightsInvalid):
        export_model(card, path, tmp_path / "m.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["resnet.pth"]


def test_unknown_architecture_is_named(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "w.pth", {"a": np.ones(3, np.float32)})
    with pytest.raises(WeightsInvalid) as caught:
        export_model(make_card(path, resnet_input(), ()), path, tmp_path / "m.onnx")
    assert caught.value.code == "architecture_unknown"


def test_unknown_level_is_named(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "w.pth", make_resnet())
    card = make_card(path, resnet_input(), (ModelOutput("stage9", 4),))
    with pytest.raises(WeightsInvalid) as caught:
        export_model(card, path, tmp_path / "m.onnx")
    assert caught.value.code == "level_unknown"
    assert "stage4" in caught.value.hint


def test_wrong_dimension_on_the_card_is_rejected(tmp_path: Path) -> None:
    path = write_zip_pth(tmp_path / "w.pth", make_resnet())
    card = make_card(path, resnet_input(), (ModelOutput("stage4", 7),))
    with pytest.raises(WeightsInvalid, match=r"\(256,\)"):
        export_model(card, path, tmp_path / "m.onnx")


def test_clip_for_other_pictures_is_rejected(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "m.safetensors", make_clip())
    with pytest.raises(WeightsInvalid, match="32×32"):
        export_model(make_card(path, clip_input(64), ()), path, tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, (10).to_bytes(8, "little") + b"{}"])
def test_damaged_safetensors_are_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsInvalid):
        read_weights(path)
