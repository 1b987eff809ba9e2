"""Captions: seconds of audio transcribed in a second, and word error rate on known texts.

Each model transcribes twice; the second run counts, so that loading is measured separately. Words
are compared without case and punctuation. Models and recordings are downloaded if they are not
cached yet.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
from tests.model_files import fetch_models
from tests.speech import SPEECH, TWO_CITIES, word_error_rate
from tools.samples import fetch

from bench.report import BenchRow, cpu_seconds_of, print_table
from cinemill.core.transcript import SpeechTask
from cinemill.inference.models.catalog import get_card
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio
from cinemill.inference.speech.model import SpeechModel, Transcription, open_speech_model
from cinemill.media.ffmpeg.binary import find_ffmpeg

MODELS = ("tiny.en", "base")
READINGS = {"two_cities": TWO_CITIES, "obama_speech": SPEECH}


def measure() -> list[BenchRow]:
    """Measure speed and word error rate of each model on each recording."""
    folder = fetch_models(*MODELS)
    sounds = {name: _decode(fetch(name)) for name in READINGS}
    rows: list[BenchRow] = []
    for name in MODELS:
        began = time.monotonic()
        model = open_speech_model(get_card(name), folder)
        loaded = time.monotonic() - began
        how = f"{model.device.name} {model.device.precision}, loaded in {loaded:.1f} s"
        for reading, sound in sounds.items():
            rows += _measure_reading(model, f"{name}, {reading}", sound, READINGS[reading], how)
    return rows


def _measure_reading(
    model: SpeechModel, label: str, sound: PcmAudio, said: str, how: str
) -> list[BenchRow]:
    transcriptions: list[Transcription] = [_transcribe(model, sound)]
    began = time.monotonic()
    cpu_seconds = cpu_seconds_of(lambda: transcriptions.append(_transcribe(model, sound)))
    wall_seconds = time.monotonic() - began
    length_seconds = len(sound) / SAMPLE_RATE_HZ
    text = " ".join(utterance.text for utterance in transcriptions[-1].utterances)
    return [
        BenchRow(
            f"captions: audio per second, {label}",
            length_seconds / wall_seconds,
            None,
            "s/s",
            f"{length_seconds:.1f} s in {wall_seconds:.2f} s, {cpu_seconds:.1f} s of CPU; {how}",
        ),
        BenchRow(
            f"captions: word error rate, {label}", word_error_rate(said, text) * 100, None, "%"
        ),
    ]


def _transcribe(model: SpeechModel, sound: PcmAudio) -> Transcription:
    return model.transcribe(
        sound,
        language="en",
        task=SpeechTask.TRANSCRIBE,
        on_progress=lambda share: None,
        should_stop=lambda: None,
    )


def _decode(path: Path) -> PcmAudio:
    samples = ["-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-f", "s16le", "-"]
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-i", str(path), *samples]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)


if __name__ == "__main__":
    print_table(measure())
