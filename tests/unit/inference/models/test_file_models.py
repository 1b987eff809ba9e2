"""A backbone that a setting names by its path is used as it is, or refused with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.onnx_files import write_mean_model
from tests.vision_models import make_clip, make_resnet, write_safetensors, write_zip_pth

from cinemill.capabilities.detection.detector import (
    CLIP,
    RESNET50,
    DetectorOptions,
    describe_space,
    find_backbone,
    find_member,
    identify_model,
)
from cinemill.errors import ToolMissing
from cinemill.inference.export.export import export_model
from cinemill.inference.models.cards import CLIP_MEAN, IMAGENET_MEAN, find_model, hash_file
from cinemill.inference.models.catalog import MODELS
from cinemill.inference.sessions.open_session import open_session
from cinemill.inference.vision.features import extract_features
from cinemill.storage.cache.keys import compose_key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real models of both architectures, tiny ones, as weights and as graphs."""
    folder = tmp_path_factory.mktemp("files")
    # As many layers and as many features as ResNet50, of narrow ones.
    resnet = make_resnet((3, 4, 6, 3), width=4, expansion=64)
    write_zip_pth(folder / "resnet.pth", resnet)
    clip = make_clip(patch=32, side=224, projection=512)
    write_safetensors(folder / "clip.safetensors", clip)
    export_model(MODELS["resnet50"], folder / "resnet.pth", folder / "resnet.onnx")
    export_model(MODELS["clip-vit-b32"], folder / "clip.safetensors", folder / "clip.onnx")
    write_as_the_hub_does(folder / "resnet.onnx", "stage4", folder / "hub-resnet.onnx")
    write_as_the_hub_does(folder / "clip.onnx", "embedding", folder / "hub-clip.onnx")
    return folder


def write_as_the_hub_does(graph: Path, output: str, to: Path) -> None:
    """Write the graph with one output, and floats of three planes as input."""
    model = onnx.load(str(graph))
    pixels = model.graph.input[0]
    kept: list[onnx.NodeProto] = []
    planes = pixels.name
    for node in model.graph.node:
        if node.op_type in ("Cast", "Sub") or (node.op_type == "Transpose" and not kept):
            planes = node.output[0]
            continue
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    floats = onnx.helper.make_tensor_value_info(
        planes, onnx.TensorProto.FLOAT, ["batch", 3, 224, 224]
    )
    pixels.CopyFrom(floats)
    rows = [one for one in model.graph.output if one.name == output]
    del model.graph.output[:]
    model.graph.output.extend(rows)
    onnx.save(model, str(to))


def find(member: str, path: Path, models: Path | None = None) -> object:
    return find_backbone(member, make_options(member, path, models))


def make_options(member: str, path: Path, models: Path | None = None) -> DetectorOptions:
    home = models or path.parent
    return DetectorOptions(
        home=home,
        models_dir=home,
        clip_model=str(path) if member == CLIP else "ViT-B/32",
        resnet50_path=path if member == RESNET50 else None,
    )


@pytest.mark.parametrize(
    ("member", "file", "levels"),
    [
        (RESNET50, "hub-resnet.onnx", {"pooled": 2048}),
        (RESNET50, "resnet.onnx", {"stage2": 512, "stage3": 1024, "stage4": 2048}),
        (RESNET50, "resnet.pth", {"stage2": 512, "stage3": 1024, "stage4": 2048}),
        (CLIP, "hub-clip.onnx", {"projected": 512}),
        (CLIP, "clip.safetensors", {"layer1": 64, "embedding": 512}),
    ],
)
def test_named_file_is_the_backbone(
    folder: Path, tmp_path: Path, member: str, file: str, levels: dict[str, int]
) -> None:
    options = make_options(member, folder / file, tmp_path)
    card = find_backbone(member, options)
    graph = (folder / file).with_suffix(".onnx")
    assert card.path == graph
    assert card.revision == hash_file(graph)
    assert card.name == member
    assert card.image is not None
    assert card.image.mean == (IMAGENET_MEAN if member == RESNET50 else CLIP_MEAN)
    space = describe_space(card)
    assert {level.name: level.dimension for level in space.levels} == levels
    assert find_model(card, tmp_path) == folder
    if file.startswith("hub"):
        session = open_session(card, tmp_path)
        images = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), np.uint8)
        features = extract_features(session, images)
        assert {name: rows.shape for name, rows in features.items()} == {
            name: (2, dimension) for name, dimension in levels.items()
        }
        assert not np.array_equal(*next(iter(features.values())))
    # The content of the file is in the key of everything that is cached.
    ours = MODELS["resnet50" if member == RESNET50 else "clip-vit-b32"]
    keys = {compose_key("f" * 64, [identify_model(one)], {}) for one in (card, ours)}
    assert len(keys) == 2


def test_file_with_the_bytes_of_a_known_model_is_that_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dataclasses import replace

    from cinemill.inference.models import file_models, vision
    from cinemill.inference.models.cards import ModelFile

    path = tmp_path / "any-name.onnx"
    path.write_bytes((folder / "hub-clip.onnx").read_bytes())
    known = replace(
        MODELS["clip-vit-l14"],
        files=(ModelFile("vision_model.onnx", hash_file(path), path.stat().st_size),),
    )
    monkeypatch.setattr(vision, "CARDS", (known,))
    card = file_models.read_file_model(path, file_models.FAMILIES[CLIP])
    assert (card.name, card.revision) == (known.name, known.revision)
    assert find_model(card, tmp_path) == tmp_path
    # Under each of its names the file is used, never the model that would have to be downloaded.
    options = make_options(CLIP, path)
    for name in (CLIP, known.name, "ViT-L/14"):
        assert find_member(name, options) == (CLIP, card)
    assert find_member("clip-vit-b32", options)[0] == "clip-vit-b32"


@pytest.mark.parametrize("name", ["resnet50", "Qdrant/resnet50-onnx"])
def test_member_has_the_file_that_its_setting_names(folder: Path, name: str) -> None:
    path = folder / "hub-resnet.onnx"
    member, card = find_member(name, make_options(RESNET50, path))
    assert (member, card.path) == (RESNET50, path)


def test_changed_file_is_another_model(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes((folder / "hub-clip.onnx").read_bytes())
    before = find_backbone(CLIP, make_options(CLIP, path))
    path.write_bytes((folder / "clip.onnx").read_bytes())
    after = find_backbone(CLIP, make_options(CLIP, path))
    assert before.revision != after.revision
    with pytest.raises(ToolMissing, match="does not match its model card"):
        find_model(before, tmp_path)


@pytest.mark.parametrize(
    ("member", "file", "export_as"),
    [(RESNET50, "resnet.pth", "resnet50"), (CLIP, "clip.safetensors", "clip-vit-b32")],
)
def test_weights_without_their_own_export_name_the_command(
    folder: Path, tmp_path: Path, member: str, file: str, export_as: str
) -> None:
    weights = tmp_path / "my models" / file
    weights.parent.mkdir()
    weights.write_bytes((folder / file).read_bytes())
    command = f"cinemill models export {export_as} --from '{weights}'"
    for _ in range(2):
        with pytest.raises(ToolMissing) as missing:
            find(member, weights)
        assert missing.value.code == "no_model"
        assert command in missing.value.hint
        # Nor is a graph used that was made from other weights, whatever its name is.
        other = make_clip(seed=9, patch=32, side=224, projection=512)
        write_safetensors(tmp_path / "other.safetensors", other)
        export_model(
            MODELS["clip-vit-b32"], tmp_path / "other.safetensors", weights.with_suffix(".onnx")
        )


@pytest.mark.parametrize(
    ("member", "file", "code", "why"),
    [
        (RESNET50, "nothing.onnx", "model_missing", "No such file"),
        (RESNET50, ".", "model_file_invalid", "it is a folder"),
        (RESNET50, "noise.onnx", "model_file_invalid", "ONNX Runtime cannot open it"),
        (RESNET50, "noise.bin", "model_file_invalid", "must end in .onnx, .pth"),
        (RESNET50, "means.onnx", "model_file_invalid", "it is not built like ResNet50"),
        (RESNET50, "hub-clip.onnx", "model_file_invalid", "it is not built like ResNet50"),
        (CLIP, "hub-resnet.onnx", "model_file_invalid", "not built like CLIP's image tower"),
        (CLIP, "narrow.onnx", "model_file_invalid", "embedding (48), and the features of CLIP"),
        (CLIP, "two.onnx", "model_file_invalid", "and a picture alone is given to it"),
        (CLIP, "apart.onnx", "model_file_invalid", "it keeps its weights in another file"),
        (CLIP, "pipe.onnx", "model_file_invalid", "it is no file"),
    ],
)
def test_unusable_file_is_refused_with_the_reason(
    folder: Path, tmp_path: Path, member: str, file: str, code: str, why: str
) -> None:
    path = make_unusable(folder, tmp_path, file)
    with pytest.raises(ToolMissing) as refused:
        find(member, path)
    assert refused.value.code == code
    assert why in refused.value.message
    assert str(path) in refused.value.message
    assert ("RESNET50_MODEL_PATH" if member == RESNET50 else "CLIP_MODEL_NAME") in (
        refused.value.message
    )


def make_unusable(folder: Path, tmp_path: Path, file: str) -> Path:
    path = tmp_path / file
    if file.startswith("noise"):
        path.write_bytes(b"\xff" * 400)
    elif file == "means.onnx":
        write_mean_model(path, size=224)
    elif file.startswith("hub"):
        return folder / file
    elif file == "narrow.onnx":
        write_safetensors(tmp_path / "narrow.safetensors", make_clip(patch=32, side=224))
        export_model(MODELS["clip-vit-b32"], tmp_path / "narrow.safetensors", path)
    elif file in ("two.onnx", "apart.onnx"):
        model = onnx.load(str(folder / "hub-clip.onnx"))
        if file == "two.onnx":
            ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["N"])
            model.graph.input.append(ids)
        onnx.save(model, str(path), save_as_external_data=file == "apart.onnx")
    elif file == "pipe.onnx":
        os.mkfifo(path)
    return path
