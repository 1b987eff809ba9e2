"""Features of pictures: speed against PyTorch's eager mode, memory, start, and 8-bit integers.

ResNet50 and CLIP ViT-B/32 have their architectures' shapes and seeded weights: speed depends on
shapes. Agreement is measured with EfficientNet-Lite0's published weights on frames of the sample
videos. PyTorch is run by the interpreter that ``CINEMILL_BENCH_TORCH`` names (with PyTorch and
Pillow); without one, the rows that compare with it are left out.

Everything is run in processes of their own, on one thread, and counted in processor seconds.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from tests.vision_models import (
    Tensors,
    clip_input,
    fetch_lite0,
    make_card,
    make_clip,
    make_resnet,
    resnet_input,
    write_safetensors,
)
from tools.samples import SAMPLES, fetch

from bench.report import BenchRow, print_table
from cinemill.inference.export.export import export_model, run_architecture
from cinemill.inference.export.prepared import find_or_export
from cinemill.inference.export.shapes import Shape, ShapeTracer
from cinemill.inference.export.weights import Floats, read_weights
from cinemill.inference.models.cards import ModelCard, ModelOutput
from cinemill.inference.vision.quantize import (
    QuantizationRejected,
    compare_models,
    quantize_graph,
    quantize_model,
)
from cinemill.inference.vision.resampling import resize

TORCH_VARIABLE = "CINEMILL_BENCH_TORCH"
SIDE = 224
VIDEOS = ("bigbuckbunny", "bikes", "obama_speech", "shot_change", "expressive_face", "no_face")
TARGETS = {
    # fp32 over torch, int8 over torch, share of the peak
    "resnet50": (1.5, 5.0, 85.0),
    "clip_vit_b32": (1.1, 3.0, 80.0),
}
STAGE_TARGETS = (0.52, 0.25)
MOST_MEMORY_MB, MOST_START_SECONDS = 450, 2
LEAST_AGREEMENT = 0.99

Model = tuple[ModelCard, Path]
Seconds = dict[str, dict[str, float]]


def measure() -> list[BenchRow]:
    """Measure speed, memory and agreement of 8-bit integers."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = np.stack([make_square(pixels) for pixels in read_sample_frames()])
        models = [*make_models(folder)]
        quantized = [quantize_seeded(model, frames) for model in models]
        _write_frame(folder / "frame.png")
        rows = [*_measure_speed(folder, models, quantized)]
        rows += [*_measure_start(folder, quantized)]
        return [*rows, *_measure_agreement(folder, frames)]


def read_sample_frames(each: int = 5) -> Iterator[np.ndarray]:
    """Yield one of ``each`` frames of the sample videos."""
    for name in VIDEOS:
        if name in SAMPLES:
            with av.open(str(fetch(name))) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number % each == 0:
                        yield frame.to_ndarray(format="rgb24")


def make_square(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a picture, SIDE × SIDE × 3."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(pixels[top : top + side, left : left + side], SIDE, SIDE)


def make_models(folder: Path) -> Iterator[Model]:
    """Yield ResNet50 and CLIP ViT-B/32 with seeded weights, exported into the folder."""
    resnet = make_resnet((3, 4, 6, 3), width=64)
    outputs = [ModelOutput("stage2", 512), ModelOutput("stage3", 1024), ModelOutput("stage4", 2048)]
    yield _export(folder, "resnet50", resnet, resnet_input(SIDE), outputs)
    clip = make_clip(layers=12, channels=768, patch=32, side=SIDE, projection=512)
    outputs = [ModelOutput("layer6", 768), ModelOutput("embedding", 512)]
    yield _export(folder, "clip_vit_b32", clip, clip_input(SIDE), outputs)


def _export(
    folder: Path, name: str, tensors: Tensors, image: Any, outputs: Sequence[ModelOutput]
) -> Model:
    np.savez(folder / f"{name}.npz", **tensors)  # type: ignore[arg-type]
    path = write_safetensors(folder / f"{name}.safetensors", tensors)
    card = make_card(path, image, tuple(outputs), name=name)
    graph = folder / f"{name}.onnx"
    export_model(card, path, graph)
    return card, graph


def quantize_seeded(model: Model, frames: np.ndarray) -> Model:
    """Quantise a model of seeded weights, whose agreement says nothing."""
    card, graph = model
    path = graph.with_suffix(".int8.onnx")
    quantize_graph(card, graph, frames[::4], path)
    return replace(card, name=f"{card.name} int8"), path


def _write_frame(path: Path) -> None:
    """Write a frame of the size that most videos have."""
    frame = next(read_sample_frames())
    Image.fromarray(frame).resize((1920, 1080)).save(path)


def _measure_speed(
    folder: Path, models: Sequence[Model], quantized: Sequence[Model]
) -> Iterator[BenchRow]:
    own = _run_child("speed", write_cards(folder, [*models, *quantized]), folder / "frame.png")
    eager = _run_torch(folder)
    peak = float(_run_child("peak"))
    for (card, _), (eight, _) in zip(models, quantized, strict=True):
        floats, integers, share = TARGETS[card.name]
        seconds, fast = own[card.name]["model"], own[eight.name]["model"]
        speed = f"{1 / seconds:.1f} pictures a CPU second, int8 {1 / fast:.1f}; seeded weights"
        flops = _count_operations(folder / f"{card.name}.safetensors", card)
        yield BenchRow(
            f"inference: share of the matrix peak, {card.name} fp32",
            100 * flops / seconds / peak,
            share,
            "%",
            f"peak {peak / 1e9:.0f} GFLOP/s; {flops / 1e9:.2f} GFLOP a picture; {speed}",
            more_is_better=True,
        )
        if eager is None:
            print(f"inference: set {TORCH_VARIABLE} to compare with PyTorch", file=sys.stderr)
            continue
        slow = eager[card.name]
        how = f"PyTorch eager {1 / slow['model']:.1f}; {speed}"
        for label, target, ours in (("fp32", floats, seconds), ("int8", integers, fast)):
            name = f"inference: features a CPU second over PyTorch, {card.name} {label}"
            yield BenchRow(name, slow["model"] / ours, target, "x", how, more_is_better=True)
        for label, target, key in zip(
            ("fp32", "int8"), STAGE_TARGETS, (card.name, eight.name), strict=True
        ):
            name = f"inference: model stage over JPEG, PIL and PyTorch, {card.name} {label}"
            yield BenchRow(name, own[key]["stage"] / slow["stage"], target, "", "1080p frames")


def _measure_start(folder: Path, quantized: Sequence[Model]) -> Iterator[BenchRow]:
    found = _run_child("start", write_cards(folder, quantized))
    how = "ResNet50 and CLIP ViT-B/32 int8, a batch of 8 run"
    megabytes = found["rss_bytes"] / 2**20
    yield BenchRow("inference: memory with both models", megabytes, MOST_MEMORY_MB, "MiB", how)
    name = "inference: start with both models"
    yield BenchRow(name, found["cpu_seconds"], MOST_START_SECONDS, "CPU s", how)


def _measure_agreement(folder: Path, frames: np.ndarray) -> Iterator[BenchRow]:
    card, models = fetch_lite0()
    graph = find_or_export(card, models / card.name, models)
    path = folder / "lite0.int8.onnx"
    try:
        levels = quantize_model(card, graph, frames, path).levels
        verdict = "accepted"
    except QuantizationRejected as error:
        quantize_graph(card, graph, frames[::2], path)
        levels = compare_models(card, graph, path, frames[1::2])
        verdict = f"rejected ({error})"
    how = ", ".join(
        f"{level} {one.retrieval:.4f} (cosine {one.cosine:.4f})" for level, one in levels.items()
    )
    yield BenchRow(
        "inference: retrieval agreement of EfficientNet-Lite0 int8",
        min(one.retrieval for one in levels.values()),
        LEAST_AGREEMENT,
        "",
        f"{verdict}; {len(frames) - len(frames) // 2} frames of {len(VIDEOS)} videos; {how}",
        more_is_better=True,
    )


def write_cards(folder: Path, models: Sequence[Model]) -> Path:
    """Write the list of models for a child process and return its path."""
    path = folder / "cards.pickle"
    path.write_bytes(pickle.dumps(list(models)))
    return path


def _run_child(mode: str, *arguments: Path) -> Any:
    command = [sys.executable, "-m", "bench.inference_child", mode, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _run_torch(folder: Path) -> Seconds | None:
    python = os.environ.get(TORCH_VARIABLE)
    if not python:
        return None
    script = Path(__file__).with_name("torch_eager.py")
    done = subprocess.run(
        [python, str(script), str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: Seconds = json.loads(done.stdout)
    return found


class _OperationCounter(ShapeTracer):
    """Counts multiplications and additions of products and convolutions."""

    def __init__(self) -> None:
        self.operations = 0

    def conv(self, x: Shape, weight: Floats, bias: Floats, **options: Any) -> Shape:
        after = super().conv(x, weight, bias, **options)
        self.operations += 2 * weight.size * after[1] * after[2]
        return after

    def linear(self, x: Shape, weight: Floats, bias: Floats | None = None) -> Shape:
        rows = x[0] if len(x) > 1 else 1
        self.operations += 2 * weight.size * rows
        return super().linear(x, weight, bias)

    def attention(self, x: Shape, heads: int) -> Shape:
        tokens, channels = super().attention(x, heads)
        self.operations += 4 * tokens * tokens * channels
        return tokens, channels


def _count_operations(weights: Path, card: ModelCard) -> int:
    counter = _OperationCounter()
    assert card.image is not None
    run_architecture(counter, read_weights(weights), card.image)
    return counter.operations


if __name__ == "__main__":
    print_table(measure())
