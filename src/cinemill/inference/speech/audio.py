"""Audio as speech models take it, and where in it somebody speaks.

A video's audio is a file of 16-bit samples that is memory-mapped, not read: memory stays bounded
however long the video is. Only speech is passed to the model, in batches, because models
hallucinate words in the silence between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
BLOCK_SECONDS = 600
"""Length of the block that is searched for speech at once."""
LONGEST_SPEECH_SECONDS = 240
"""Speech without a pause is cut after this time, at its shortest breath."""
BATCH_SECONDS = 300
"""Speech passed to the model at once; its spectrogram temporarily takes 160 kB a second."""
PAUSE_MS = 2000
"""Shorter silences stay in, so that the model receives the sentence as it was spoken."""
PAD_MS = 400
_FULL_SCALE = 32_768.0

PcmAudio: TypeAlias = NDArray[np.int16]
Samples: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """Range of the video's audio samples, half-open."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans of speech, concatenated without the silence between them."""

    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return sum(span.seconds for span in self.spans)

    def collapse_silence(self, audio: PcmAudio) -> Samples:
        return np.concatenate([to_float(audio[span.start : span.end]) for span in self.spans])

    def expand_timestamps(self, start_seconds: float, end_seconds: float) -> tuple[int, int]:
        """Convert times in the batch to milliseconds of the video.

        Both lie in the span that holds their middle.
        """
        middle = (start_seconds + end_seconds) / 2 * SAMPLE_RATE_HZ
        offset = 0
        for span in self.spans:
            length = span.end - span.start
            if middle < offset + length or span is self.spans[-1]:
                break
            offset += length
        timestamps = (start_seconds, end_seconds)
        samples = [span.start + timestamp * SAMPLE_RATE_HZ - offset for timestamp in timestamps]
        start, end = (min(max(sample, span.start), span.end) for sample in samples)
        return to_ms(start), to_ms(max(start, end))


def memory_map(path: Path) -> PcmAudio:
    """Memory-map the file's samples (signed, 16 bit, little-endian, mono, 16 kHz)."""
    if path.stat().st_size < np.dtype(np.int16).itemsize:
        return np.zeros(0, np.int16)
    return np.memmap(path, np.dtype("<i2"), "r")


def to_float(samples: PcmAudio) -> Samples:
    return samples.astype(np.float32) / np.float32(_FULL_SCALE)


def to_ms(sample: float) -> int:
    return round(sample * 1000 / SAMPLE_RATE_HZ)


def find_speech(
    audio: PcmAudio, check_cancelled: Callable[[], None] = lambda: None
) -> Iterator[Span]:
    """Yield the spans in which somebody speaks, in order.

    Uses Silero's voice activity model, by faster-whisper. Speech that reaches the end of a block is
    examined again as the beginning of the next. ``check_cancelled`` is called before each block,
    and may raise.
    """
    start, block = 0, BLOCK_SECONDS * SAMPLE_RATE_HZ
    while start < len(audio):
        check_cancelled()
        spans = [
            Span(start + int(found["start"]), start + int(found["end"]))
            for found in _detect(to_float(audio[start : start + block]))
        ]
        end = start + block
        reaches_end = bool(spans) and spans[-1].end >= end and spans[-1].start > start
        if end < len(audio) and reaches_end:
            end = spans.pop().start
        yield from spans
        start = end


def _detect(samples: Samples) -> list[dict[str, Any]]:
    # Imported here to keep start-up cheap: it loads CTranslate2 and ONNX Runtime.
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        max_speech_duration_s=LONGEST_SPEECH_SECONDS,
        min_silence_duration_ms=PAUSE_MS,
        speech_pad_ms=PAD_MS,
    )
    found: list[dict[str, Any]] = get_speech_timestamps(samples, options)
    return found


def make_batches(spans: Iterable[Span]) -> Iterator[Batch]:
    """Group spans, in order, into batches of at most ``BATCH_SECONDS``."""
    kept: list[Span] = []
    for span in spans:
        if kept and sum(one.seconds for one in kept) + span.seconds > BATCH_SECONDS:
            yield Batch(tuple(kept))
            kept = []
        kept.append(span)
    if kept:
        yield Batch(tuple(kept))
