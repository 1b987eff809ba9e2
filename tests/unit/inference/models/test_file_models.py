"""A backbone that a setting names by its path is used as it is, or refused with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.detectors import make_constant_head
from tests.onnx_files import write_mean_model
from tests.vision_models import make_clip, make_resnet, write_safetensors, write_zip_pth

from cinemill.capabilities.detection.detector import (
    CLIP,
    RESNET50,
    DetectorOptions,
    InstalledDetector,
    describe_space,
    find_backbone,
    find_member,
    identify_model,
)
from cinemill.capabilities.detection.ensemble.ensemble_files import write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import WeightSource, make_ensemble
from cinemill.capabilities.detection.ensemble.head_files import write_head
from cinemill.errors import ToolMissing
from cinemill.inference.export.export import export_model
from cinemill.inference.models import file_models, vision
from cinemill.inference.models.cards import (
    CLIP_MEAN,
    IMAGENET_MEAN,
    ModelFile,
    find_model,
    hash_file,
)
from cinemill.inference.models.catalog import MODELS
from cinemill.inference.models.checked_files import CheckedFiles
from cinemill.inference.models.onnx_check import open_onnx
from cinemill.inference.sessions import open_session as open_session_module
from cinemill.inference.sessions.onnx_session import OnnxSession
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
    path = tmp_path / "any-name.onnx"
    path.write_bytes((folder / "hub-clip.onnx").read_bytes())
    known = replace(
        MODELS["clip-vit-l14"],
        files=(ModelFile("vision_model.onnx", hash_file(path), path.stat().st_size),),
    )
    monkeypatch.setattr(vision, "CARDS", (known,))
    checked = CheckedFiles(tmp_path)
    card = file_models.read_file_model(path, file_models.FAMILIES[CLIP], checked)
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
        (RESNET50, "nothing.onnx", "model_file_missing", "which does not exist"),
        (CLIP, "nothing.safetensors", "model_file_missing", "which does not exist"),
        (CLIP, "noise.bin/clip.onnx", "model_file_missing", "which does not exist"),
        (RESNET50, ".", "model_file_invalid", "it is a folder"),
        (RESNET50, "noise.onnx", "model_file_invalid", "it is no ONNX file"),
        (RESNET50, "vast.onnx", "model_file_invalid", "more than 2147483648"),
        (RESNET50, "vast.pth", "model_file_invalid", "more than 2147483648"),
        (RESNET50, "hollow.onnx", "model_file_invalid", "ONNX Runtime cannot open it"),
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
    assert "/proc/" not in refused.value.message
    assert ("RESNET50_MODEL_PATH" if member == RESNET50 else "CLIP_MODEL_NAME") in (
        refused.value.message
    )


def make_unusable(folder: Path, tmp_path: Path, file: str) -> Path:
    path = tmp_path / file
    if file.startswith("noise"):
        (tmp_path / Path(file).parts[0]).write_bytes(b"\xff" * 400)
    elif file.startswith("vast"):
        with path.open("wb") as sparse:
            sparse.truncate(2 * 1024**3 + 1)
    elif file == "hollow.onnx":
        hollow = onnx.load(str(folder / "hub-resnet.onnx"))
        del hollow.graph.initializer[:]
        onnx.save(hollow, str(path))
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


FRESH_PROCESS = """
import sys
from pathlib import Path
from cinemill.inference.models.checked_files import process_checked_files
from cinemill.inference.models.file_models import FAMILIES, read_file_model

def count_bytes_read():
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))

path, member, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
before = count_bytes_read()
card = read_file_model(path, FAMILIES[member], process_checked_files(folder))
print(card.revision, count_bytes_read() - before, "onnxruntime" in sys.modules)
"""


@pytest.mark.parametrize(
    ("member", "file"),
    [(RESNET50, "resnet.pth"), (CLIP, "hub-clip.onnx"), (CLIP, "clip.safetensors")],
)
def test_file_that_was_checked_is_not_read_by_another_process(
    folder: Path, tmp_path: Path, member: str, file: str
) -> None:
    path = folder / file
    family = file_models.FAMILIES[member]
    # So late that the file is not new any more.
    checked = CheckedFiles(tmp_path, clock=lambda: time.time() + 3600)
    card = file_models.read_file_model(path, family, checked)
    command = [sys.executable, "-c", FRESH_PROCESS, str(path), member, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    revision, read_bytes, has_runtime = done.stdout.split()
    assert revision == card.revision
    assert int(read_bytes) < path.stat().st_size / 4
    assert has_runtime == "False"
    # Nor does what is remembered leave anything out.
    again = CheckedFiles(tmp_path)
    assert file_models.read_file_model(path, family, again) == card


def test_weights_that_changed_need_another_export(folder: Path, tmp_path: Path) -> None:
    for name in ("clip.safetensors", "clip.onnx"):
        shutil.copy(folder / name, tmp_path)
    family = file_models.FAMILIES[CLIP]
    checked = CheckedFiles(tmp_path, clock=lambda: time.time() + 3600)
    file_models.read_file_model(tmp_path / "clip.safetensors", family, checked)
    file_models.read_file_model(tmp_path / "clip.onnx", family, checked)
    other = make_clip(seed=9, patch=32, side=224, projection=512)
    write_safetensors(tmp_path / "clip.safetensors", other)
    with pytest.raises(ToolMissing) as missing:
        file_models.read_file_model(tmp_path / "clip.safetensors", family, checked)
    assert missing.value.code == "no_model"


def test_file_that_is_replaced_while_it_is_checked_is_described_as_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(folder / "hub-clip.onnx", tmp_path / "mine.onnx"))
    first = hash_file(path)

    def open_later(model: Path) -> object:
        shutil.copy(folder / "clip.onnx", tmp_path / "other.onnx")
        (tmp_path / "other.onnx").replace(path)
        return open_onnx(model)

    monkeypatch.setattr(file_models, "open_onnx", open_later)
    card = find_backbone(CLIP, make_options(CLIP, path))
    # Its hash and its outputs are those of the same bytes.
    assert card.revision == first
    assert [one.level for one in card.outputs] == ["projected"]


def test_file_that_is_written_while_it_is_checked_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(folder / "hub-clip.onnx", tmp_path / "mine.onnx"))

    def open_first(model: Path) -> object:
        session = open_onnx(model)
        path.write_bytes((folder / "clip.onnx").read_bytes())
        return session

    monkeypatch.setattr(file_models, "open_onnx", open_first)
    with pytest.raises(ToolMissing) as refused:
        find_backbone(CLIP, make_options(CLIP, path))
    assert refused.value.code == "file_changed"


def test_session_runs_the_bytes_that_were_hashed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(folder / "hub-clip.onnx", tmp_path / "mine.onnx"))
    card = find_backbone(CLIP, make_options(CLIP, path))
    images = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), np.uint8)
    wanted = open_session(card, tmp_path).run(images)
    other = make_clip(seed=9, patch=32, side=224, projection=512)
    write_safetensors(tmp_path / "other.safetensors", other)
    export_model(MODELS["clip-vit-b32"], tmp_path / "other.safetensors", tmp_path / "export.onnx")
    write_as_the_hub_does(tmp_path / "export.onnx", "embedding", tmp_path / "other.onnx")

    def open_later(card: object, model: Path, **options: object) -> object:
        (tmp_path / "other.onnx").replace(path)
        return OnnxSession(card, model, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(open_session_module, "OnnxSession", open_later)
    found = open_session(card, tmp_path).run(images)
    for name, rows in wanted.items():
        np.testing.assert_array_equal(found[name], rows)
    # The next one is another file, and does not pass for the first.
    with pytest.raises(ToolMissing, match="does not match its model card"):
        open_session(card, tmp_path)


def test_missing_file_is_used_once_it_appears(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    options = make_options(RESNET50, path)
    space = describe_space(find_backbone(RESNET50, make_options(RESNET50, folder / "resnet.onnx")))
    head = replace(
        make_constant_head(1.0, name="mine"),
        space=space,
        weights=np.zeros(space.dimension, np.float32),
    )
    write_head(tmp_path / "heads", head)
    ensemble = make_ensemble({RESNET50: head}, {RESNET50: 1.0}, WeightSource.DEFAULT)
    write_ensemble(tmp_path / "ensembles", "default", ensemble)
    shutil.copy(folder / "resnet.onnx", path)
    installed = InstalledDetector()
    assert installed.load(options) is not None
    path.unlink()
    for _ in range(2):
        with pytest.raises(ToolMissing) as missing:
            installed.load(options)
        assert missing.value.code == "model_file_missing"
        assert "RESNET50_MODEL_PATH" in missing.value.message
        assert str(path) in missing.value.message
        assert "RESNET50_MODEL_PATH" in missing.value.hint
    shutil.copy(folder / "resnet.onnx", path)
    found = installed.load(options)
    assert found is not None
    assert found.cards[RESNET50].path == path
