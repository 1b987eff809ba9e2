"""What speaks the sentences of the corpus, and the samples it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SILENCE_LEVEL = 300
"""Samples (of 32,767) up to this one are silence at the beginning and the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One spoken sentence: mono, signed, 16 bit."""

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate_hz


class Synthesizer(Protocol):
    """Turns sentences into speech, the same each time."""

    @property
    def name(self) -> str:
        """Return the name of the program with its version, for the corpus' description."""

    @property
    def voices(self) -> tuple[str, ...]:
        """Return the names of its speakers."""

    @property
    def rate_hz(self) -> int:
        """Return the samples a second of everything that it speaks."""

    def speak(self, text: str, voice: str) -> Speech:
        """Return the sentence as this speaker says it. Raises WorkFailed."""


def trim_silence(speech: Speech) -> Speech:
    """Return the sentence from its first sound to its last one."""
    loud = np.flatnonzero(np.abs(speech.samples.astype(np.int32)) > SILENCE_LEVEL)
    if not loud.size:
        return Speech(speech.samples[:0], speech.rate_hz)
    return Speech(speech.samples[loud[0] : loud[-1] + 1], speech.rate_hz)
