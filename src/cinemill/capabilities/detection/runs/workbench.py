"""What a run works with: folders, models, limits, and where its progress goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from cinemill.capabilities.detection.detector import DetectorOptions
from cinemill.capabilities.detection.ensemble.registry_files import (
    ENSEMBLES_FOLDER,
    HEADS_FOLDER,
)
from cinemill.capabilities.detection.runs.progress import RunProgress
from cinemill.errors import ToolMissing
from cinemill.inference.models.cards import ModelCard, find_model
from cinemill.inference.models.fetch import fetch_model
from cinemill.inference.models.transfer import Transfer, describe_progress
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox

TRAINING_FOLDER = "training"
"""Folder below the home folder for everything that a run keeps."""
_EXTRAS = {"train": ("Pillow", "PIL"), "faces": ("LiteRT", "ai_edge_litert")}
"""By extra: the library's name, and the module that it brings."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What a run works with."""

    home: Path
    models_dir: Path
    clip_model: str
    limits: Limits
    sandbox: Sandbox
    ffmpeg_path: Path | None = None
    """FFmpeg to use, if a person chose one."""
    may_fetch: bool = True
    """Whether missing models are downloaded."""
    weights: Mapping[str, float] | None = None
    """Of the members of an ensemble, if a person set them."""
    resnet50_path: Path | None = None
    """A file of ResNet50, if a person named one."""
    progress: RunProgress = field(default_factory=RunProgress)

    @property
    def heads(self) -> Path:
        return self.home / HEADS_FOLDER

    @property
    def ensembles(self) -> Path:
        return self.home / ENSEMBLES_FOLDER

    @property
    def examined(self) -> Path:
        """Return the folder with the features of videos that were calibrated or evaluated with."""
        return self.home / TRAINING_FOLDER / "examined"

    @property
    def detector_options(self) -> DetectorOptions:
        return DetectorOptions(
            home=self.home,
            models_dir=self.models_dir,
            clip_model=self.clip_model,
            weights=self.weights,
            resnet50_path=self.resnet50_path,
        )


def require_extras(*extras: str) -> None:
    """Raise ToolMissing (``extra_missing``) naming all of these extras that are not installed."""
    missing = [extra for extra in extras if find_spec(_EXTRAS[extra][1]) is None]
    if missing:
        names = " and ".join(_EXTRAS[extra][0] for extra in missing)
        raise ToolMissing(
            f"This needs {names}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            code="extra_missing",
            hint=f"Install with: pip install 'cinemill[{','.join(missing)}]'.",
        )


def ensure_models(bench: Workbench, cards: Iterable[ModelCard]) -> None:
    """Make sure that these models are here; download them if that is allowed.

    Raises ToolMissing (``model_missing``, ``model_damaged``), DependencyUnavailable
    (``model_unavailable``), DiskFull.
    """
    for card in cards:
        try:
            find_model(card, bench.models_dir)
        except ToolMissing as missing:
            if missing.code != "model_missing" or not bench.may_fetch:
                raise
            _fetch(bench, card)


def _fetch(bench: Workbench, card: ModelCard) -> None:
    def report(done_bytes: int, total_bytes: int) -> None:
        sentence = describe_progress(card.name, done_bytes, total_bytes)
        bench.progress.report(0, 1, sentence, is_reused=True)

    fetch_model(card, bench.models_dir, transfer=Transfer(on_progress=report))
