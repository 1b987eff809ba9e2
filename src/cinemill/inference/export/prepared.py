"""ONNX graphs of models that were published as weights, exported once and kept."""

from __future__ import annotations

import fcntl
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from cinemill.inference.export.export import EXPORT_VERSION, export_model
from cinemill.inference.models.cards import ModelCard, hash_file

EXPORTED_FOLDER = "exported"
"""Folder below the one that holds the models."""


def find_or_export(card: ModelCard, files: Path, folder: Path) -> Path:
    """Return the ONNX graph of the model whose checked files are in ``files``.

    Where the weights are a graph themselves, that is the graph. An exported one is kept in
    ``folder``, with its hash next to it; one with other bytes is replaced.

    Raises WeightsInvalid.
    """
    weights = files / card.weights
    if weights.suffix == ".onnx":
        return weights
    home = folder / EXPORTED_FOLDER
    home.mkdir(parents=True, exist_ok=True)
    graph = home / f"{card.name}-{export_key(card)[:16]}.onnx"
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers start at once
        if not _is_intact(graph):
            export_model(card, weights, graph)
            _hash_path(graph).write_text(hash_file(graph))
    return graph


def export_key(card: ModelCard) -> str:
    """Return the hash of all that decides the exported graph."""
    parts = {
        "version": EXPORT_VERSION,
        "weights": card.revision,
        "image": asdict(card.image) if card.image else None,
        "outputs": [asdict(output) for output in card.outputs],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _is_intact(graph: Path) -> bool:
    try:
        return hash_file(graph) == _hash_path(graph).read_text().strip()
    except OSError:
        return False


def _hash_path(graph: Path) -> Path:
    return graph.with_suffix(".sha256")
