"""When everything happens in a video: scenes in whole frames, sentences where they are spoken.

Scenes that end within a frame, or audio that is joined after its encoding, drift by half a second
in thirty: here, each scene's audio is filled up to its last frame before anything is encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinemill.capabilities.search.evaluation.making.speech import Speech
from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueSentence, TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import PlannedVideo

FPS = 12
LEAD_SECONDS = 0.3
"""Of silence, before the first sentence of a scene."""
PAUSE_SECONDS = 0.35
TAIL_SECONDS = 0.6


@dataclass(frozen=True, slots=True)
class SpokenScene:
    """A scene's sentences as they are spoken."""

    voice: str
    sentences: tuple[Speech, ...]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class SceneAudio:
    """A scene's samples, its sentences' positions among them, and its length in frames."""

    samples: NDArray[np.int16]
    rate_hz: int
    ranges: tuple[tuple[int, int], ...]
    """Of each sentence: first sample, and the one after the last."""
    frames: int


def lay_out_audio(spoken: SpokenScene) -> SceneAudio:
    """Return the sentences in a row, with silence before, between and after them."""
    rate = spoken.rate_hz
    lead, pause, tail = (
        np.zeros(round(seconds * rate), np.int16)
        for seconds in (LEAD_SECONDS, PAUSE_SECONDS, TAIL_SECONDS)
    )
    parts, ranges, length = [lead], [], len(lead)
    for number, sentence in enumerate(spoken.sentences):
        if number:
            parts.append(pause)
            length += len(pause)
        parts.append(sentence.samples)
        ranges.append((length, length + len(sentence.samples)))
        length += len(sentence.samples)
    samples = np.concatenate([*parts, tail])
    frames = -(-len(samples) * FPS // rate)
    return SceneAudio(samples, rate, tuple(ranges), frames)


def time_video(
    video: PlannedVideo, spoken: Sequence[SpokenScene], audio: Sequence[SceneAudio]
) -> TrueVideo:
    """Return the video with the times of its scenes and sentences."""
    scenes, frame = [], 0
    for scene, said, sound in zip(video.scenes, spoken, audio, strict=True):
        start_ms = frame * 1000 // FPS
        sentences = tuple(
            TrueSentence(
                start_ms + first * 1000 // sound.rate_hz,
                start_ms + last * 1000 // sound.rate_hz,
                text,
            )
            for text, (first, last) in zip(scene.sentences, sound.ranges, strict=True)
        )
        frame += sound.frames
        scenes.append(
            TrueScene(
                number=scene.number,
                family=scene.family,
                start_ms=start_ms,
                end_ms=frame * 1000 // FPS,
                picture=scene.picture,
                sign=scene.sign,
                voice=said.voice,
                sentences=sentences,
                evidence=scene.evidence,
            )
        )
    return TrueVideo(video.name, video.split, FPS, frame, tuple(scenes))
