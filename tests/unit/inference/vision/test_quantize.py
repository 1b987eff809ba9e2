"""A model in 8-bit integers is kept only if it finds the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.vision_models import make_card, make_resnet, resnet_input, write_zip_pth

from cinemill.inference.export.export import export_model
from cinemill.inference.models.cards import ModelCard, ModelOutput
from cinemill.inference.sessions.onnx_session import OnnxSession
from cinemill.inference.vision import quantize
from cinemill.inference.vision.quantize import QuantizationRejected, quantize_model


@pytest.fixture
def model(tmp_path: Path) -> tuple[ModelCard, Path]:
    path = write_zip_pth(tmp_path / "m.pth", make_resnet())
    card = make_card(path, resnet_input(32), (ModelOutput("stage4", 256),))
    export_model(card, path, tmp_path / "m.onnx")
    return card, tmp_path / "m.onnx"


def draw_pictures(count: int = 96) -> np.ndarray:
    """Flat colours with a little noise: pictures that differ."""
    random = np.random.default_rng(4)
    colours = random.integers(0, 256, (count, 1, 1, 3))
    noise = random.integers(-20, 20, (count, 32, 32, 3))
    pictures: np.ndarray = np.clip(colours + noise, 0, 255).astype(np.uint8)
    return pictures


def test_model_that_agrees_gets_a_card_with_the_figure(
    model: tuple[ModelCard, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.5)  # random weights are no trained model
    card, graph = model
    to = tmp_path / "q.onnx"
    made = quantize_model(card, graph, draw_pictures(), to)
    assert made.card.retrieval_agreement == min(one.retrieval for one in made.levels.values())
    assert made.card.name == "tiny-int8"
    assert made.card.revision != card.revision
    rows = OnnxSession(made.card, to, threads=1).run(draw_pictures(4))
    assert rows["stage4"].shape == (4, 256)


def test_model_that_disagrees_is_not_kept(
    model: tuple[ModelCard, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 1.01)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(QuantizationRejected):
        quantize_model(*model, draw_pictures(), tmp_path / "q.onnx")
    assert sorted(tmp_path.iterdir()) == before


def test_few_pictures_are_refused(model: tuple[ModelCard, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 64"):
        quantize_model(*model, draw_pictures(10), tmp_path / "q.onnx")
