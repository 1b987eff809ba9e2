"""A model is used only with every byte on its card, and reported if missing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from cinemill.capabilities.captions.request import SPEECH_MODELS
from cinemill.errors import NotFound, ToolMissing
from cinemill.inference.models.cards import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    HubSource,
    ModelCard,
    ModelFile,
    ModelRole,
    NpmSource,
    WheelPart,
    WheelSource,
    apply_pins,
    find_model,
    pins_path,
)
from cinemill.inference.models.catalog import (
    EIGHT_BIT_VARIANTS,
    KNOWN_NAMES,
    MODELS,
    find_card,
    get_card,
)

WEIGHTS = b"weights"


def make_card(name: str = "toy", *, member: str = "nowhere/model.bin") -> ModelCard:
    file = ModelFile("model.bin", hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    source = WheelSource((WheelPart("hypothesis==6", member, "model.bin"),))
    return ModelCard(name, ModelRole.SPEECH, "MIT", "", (file,), "model.bin", (source,))


def put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "model.bin").write_bytes(content)


def test_model_with_all_expected_bytes_is_found(tmp_path: Path) -> None:
    put(tmp_path, "toy", WEIGHTS)
    assert find_model(make_card(), tmp_path) == tmp_path / "toy"


def test_missing_model_error_names_the_download_command(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as missing:
        find_model(make_card(), tmp_path)
    assert missing.value.code == "model_missing"
    assert "'cinemill models fetch toy'" in missing.value.hint


@pytest.mark.parametrize("content", [b"weight", b"weights and more", b"WEIGHTS"])
def test_model_with_unexpected_bytes_is_rejected(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "toy", content)
    with pytest.raises(ToolMissing) as damaged:
        find_model(make_card(), tmp_path)
    assert damaged.value.code == "model_damaged"
    assert "model.bin" in damaged.value.message
    assert "'cinemill models fetch toy'" in damaged.value.hint


def test_model_from_an_installed_package_is_verified(tmp_path: Path) -> None:
    # A member that exists in an installed package, and is no such model.
    card = make_card(member="hypothesis/__init__.py")
    with pytest.raises(ToolMissing) as missing:
        find_model(card, tmp_path)
    assert missing.value.code == "model_missing"


def test_every_model_size_has_a_card() -> None:
    speech = {name for name, card in MODELS.items() if card.role is ModelRole.SPEECH}
    assert set(SPEECH_MODELS) == speech


@pytest.mark.parametrize("card", MODELS.values(), ids=MODELS.keys())
def test_model_card_pins_everything(card: ModelCard) -> None:
    assert card.licence
    assert card.name != "centerface" or "Star-Clouds" in card.licence_source
    assert card.sources
    assert all(re.fullmatch(r"[0-9a-f]{64}|", file.sha256) for file in card.files)
    assert all(file.size_bytes > 0 for file in card.files)
    assert card.weights in {file.name for file in card.files}
    # Of a few optional models, the hub is asked for the hash, at a pinned commit.
    assert card.is_pinned or card.is_optional
    for source in card.sources:
        if isinstance(source, HubSource):
            is_commit = re.fullmatch(r"[0-9a-f]{40}", source.revision)
            assert is_commit or (card.is_pinned and source.revision == "main")
        elif isinstance(source, NpmSource):
            assert re.fullmatch(r"@?[a-z/-]+@[0-9.]+", source.requirement)
            assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
            assert {name for _, name in source.members} == {file.name for file in card.files}
        else:
            assert all("==" in requirement for requirement in source.requirements)
            assert {part.file for part in source.parts} == {file.name for file in card.files}


def test_models_have_different_weights() -> None:
    pinned = [card for card in MODELS.values() if card.is_pinned]
    assert len({card.revision for card in pinned}) == len(pinned)


def test_detectors_say_where_their_answer_is() -> None:
    detectors = (ModelRole.FORGERY_DETECTION, ModelRole.GENERATED_IMAGE)
    for card in MODELS.values():
        assert (card.role in detectors) == (card.score is not None)
        if card.score is not None:
            dimensions = {output.name: output.dimension for output in card.outputs}
            assert card.score.forged < dimensions[card.score.output]
            assert card.is_optional


def test_community_forensics_gets_pixels_as_its_authors_normalise_them() -> None:
    card = MODELS["community-forensics"]
    assert card.image is not None
    assert (card.image.mean, card.image.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert "440, which a card cannot express" in card.about


def test_names_of_others_lead_to_cards(tmp_path: Path) -> None:
    assert KNOWN_NAMES.keys().isdisjoint(MODELS)
    for name, known in KNOWN_NAMES.items():
        assert find_card(name, tmp_path) == MODELS[known]


EIGHT_BIT_NAMES = [
    "openai/clip-vit-base-patch16",
    "ViT-B/16",
    "prithivMLmods/Deep-Fake-Detector-v2-Model",
    "dima806/deepfake_vs_real_image_detection",
]


@pytest.mark.parametrize("name", EIGHT_BIT_NAMES)
def test_name_of_an_original_leads_to_no_8_bit_variant(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound) as unknown:
        find_card(name, tmp_path)
    assert unknown.value.code == "model_unknown"
    variant = EIGHT_BIT_VARIANTS[name]
    assert f"an 8-bit variant of it, whose numbers differ, called {variant!r}" in unknown.value.hint


def test_no_name_of_others_leads_to_an_8_bit_card() -> None:
    assert not [name for name, known in KNOWN_NAMES.items() if "8 bit" in MODELS[known].about]
    assert all("8 bit" in MODELS[variant].about for variant in EIGHT_BIT_VARIANTS.values())


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"sources": [], "files": {}}', '{"files": {"x": 1}}', "[" * 9000]
)
def test_damaged_record_of_hashes_counts_as_none(tmp_path: Path, content: str) -> None:
    card = next(card for card in MODELS.values() if not card.is_pinned)
    path = pins_path(card, tmp_path)
    path.parent.mkdir()
    path.write_text(content)
    assert apply_pins(card, tmp_path) == card


def test_unknown_model_is_not_found() -> None:
    with pytest.raises(NotFound) as unknown:
        get_card("huge")
    assert unknown.value.code == "model_unknown"
    assert "base" in unknown.value.hint
