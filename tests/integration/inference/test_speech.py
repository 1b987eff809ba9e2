"""Transcription of real speech by a real model: words, their times, and nothing in silence."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.model_files import fetch_models
from tests.speech import SPEECH, bare_words, word_error_rate
from tools.samples import fetch

from cinemill.core.transcript import SpeechTask, list_words
from cinemill.errors import InputRejected, JobCancelled
from cinemill.inference.models.catalog import get_card
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio, Span, find_speech
from cinemill.inference.speech.model import (
    SpeechModel,
    Transcription,
    choose_device,
    open_speech_model,
    release_model,
)
from cinemill.media.ffmpeg.binary import find_ffmpeg


def decode(path: Path) -> PcmAudio:
    samples = ["-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-f", "s16le", "-"]
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-i", str(path), *samples]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)


@pytest.fixture(scope="module")
def speech() -> PcmAudio:
    return decode(fetch("obama_speech"))


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    return open_speech_model(get_card("tiny.en"), fetch_models("tiny.en"))


def transcribe(
    model: SpeechModel,
    sound: PcmAudio,
    shares: list[float] | None = None,
    *,
    names: Sequence[str] = (),
) -> Transcription:
    return model.transcribe(
        sound,
        language=None,
        task=SpeechTask.TRANSCRIBE,
        on_progress=(shares if shares is not None else []).append,
        should_stop=lambda: None,
        names=names,
    )


def make_noise(seconds: int, loudness: int) -> PcmAudio:
    noise = np.random.default_rng(1).normal(0, 1, seconds * SAMPLE_RATE_HZ) * loudness
    return noise.clip(-32768, 32767).astype(np.int16)


def with_silence(sound: PcmAudio, before_seconds: float, between_seconds: float) -> PcmAudio:
    """Return silence, the audio, silence, and the audio again."""
    lead, gap = (
        np.zeros(int(seconds * SAMPLE_RATE_HZ), np.int16)
        for seconds in (before_seconds, between_seconds)
    )
    return np.concatenate([lead, sound, gap, sound])


def test_transcription_has_words_with_their_times(model: SpeechModel, speech: PcmAudio) -> None:
    shares: list[float] = []
    transcription = transcribe(model, speech, shares)
    assert transcription.language == "en"
    assert word_error_rate(SPEECH, " ".join(one.text for one in transcription.utterances)) < 0.25
    words = list_words(transcription.utterances)
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(words))
    assert words[-1].end_ms <= len(speech) * 1000 / SAMPLE_RATE_HZ
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_transcription_skips_silence_and_keeps_the_videos_times(
    model: SpeechModel, speech: PcmAudio
) -> None:
    once = list_words(transcribe(model, speech).utterances)
    transcription = transcribe(model, with_silence(speech, 20, 40))
    again = list_words(transcription.utterances)
    assert transcription.speech_seconds < 2 * len(speech) / SAMPLE_RATE_HZ + 2
    assert bare_words(again[0].text) == bare_words(once[0].text) == ["today"]
    assert abs(again[0].start_ms - once[0].start_ms - 20_000) < 500
    second = [word for word in again if bare_words(word.text) == ["today"]][1]
    shift_ms = 60_000 + len(speech) * 1000 / SAMPLE_RATE_HZ
    assert abs(second.start_ms - once[0].start_ms - shift_ms) < 500


@pytest.mark.parametrize("loudness", [0, 3, 3000])
def test_transcription_without_speech_is_empty(model: SpeechModel, loudness: int) -> None:
    transcription = transcribe(model, make_noise(30, loudness))
    assert transcription.utterances == ()
    assert transcription.language == ""


NAMES = ("Zarif", "Elinor Dashwood", "Xanthe Quillfeather", "Norland Park")


def play_melody(seconds: int) -> PcmAudio:
    """Return plucked notes of a scale, two a second."""
    time = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    notes = np.array([261.6, 293.7, 329.6, 349.2, 392, 440, 493.9, 523.3])
    phase = 2 * np.pi * np.cumsum(notes[(time * 2).astype(int) % 8]) / SAMPLE_RATE_HZ
    return (9000 * np.sin(phase) * np.exp(-3 * (time * 2 % 1))).astype(np.int16)


@pytest.mark.parametrize(
    "sound",
    [make_noise(30, 0), make_noise(30, 3), make_noise(30, 3000), play_melody(30)],
    ids=["silence", "faint noise", "loud noise", "music"],
)
def test_names_are_not_heard_in_what_is_mistaken_for_speech(
    model: SpeechModel, sound: PcmAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this mistake the model is not even asked."""
    whole = Span(0, len(sound))
    monkeypatch.setattr("cinemill.inference.speech.model.find_speech", lambda *_: iter([whole]))
    found = transcribe(model, sound, names=NAMES)
    assert (found.speech_seconds, found.hotwords) == (30, NAMES)
    heard = " ".join(one.text for one in found.utterances)
    assert [name for name in NAMES if name in heard] == []


def test_speech_without_the_names_is_heard_as_before(model: SpeechModel, speech: PcmAudio) -> None:
    found = transcribe(model, speech, names=NAMES)
    assert found.hotwords == NAMES
    heard = " ".join(one.text for one in found.utterances)
    assert word_error_rate(SPEECH, heard) < 0.25
    assert [name for name in NAMES if name in heard] == []


def test_model_is_given_no_more_names_than_it_takes(model: SpeechModel, speech: PcmAudio) -> None:
    many = [f"Zarathustra Featherstonehaugh {number}" for number in range(1000)]
    found = transcribe(model, speech, names=many)
    assert 1 < len(found.hotwords) < 50
    assert found.hotwords == tuple(many[: len(found.hotwords)])
    heard = " ".join(one.text for one in found.utterances)
    assert word_error_rate(SPEECH, heard) < 0.3


def test_transcription_of_empty_audio_is_empty(model: SpeechModel) -> None:
    assert transcribe(model, np.zeros(0, np.int16)).utterances == ()


def test_speech_across_a_block_edge_is_found_whole(
    speech: PcmAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = with_silence(speech, 5, 5)
    whole = list(find_speech(long))
    # A block edge in the middle of each reading.
    monkeypatch.setattr("cinemill.inference.speech.audio.BLOCK_SECONDS", 10)
    found = list(find_speech(long))
    assert [span.start for span in found] == sorted(span.start for span in found)
    assert abs(sum(span.seconds for span in found) - sum(span.seconds for span in whole)) < 2


def test_transcription_is_deterministic(model: SpeechModel, speech: PcmAudio) -> None:
    assert transcribe(model, speech).utterances == transcribe(model, speech).utterances


def test_transcription_can_be_cancelled_after_each_sentence(
    model: SpeechModel, speech: PcmAudio
) -> None:
    with pytest.raises(JobCancelled):
        model.transcribe(
            speech,
            language="en",
            task=SpeechTask.TRANSCRIBE,
            on_progress=lambda share: None,
            should_stop=lambda: JobCancelled("Cancelled: enough"),
        )


@pytest.mark.parametrize(
    ("language", "task", "code"),
    [
        ("de", SpeechTask.TRANSCRIBE, "language_unknown"),
        (None, SpeechTask.TRANSLATE, "translation_impossible"),
    ],
)
def test_english_model_rejects_other_languages_and_translation(
    model: SpeechModel, speech: PcmAudio, language: str | None, task: SpeechTask, code: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        model.transcribe(
            speech,
            language=language,
            task=task,
            on_progress=lambda share: None,
            should_stop=lambda: None,
        )
    assert refused.value.code == code


def test_multilingual_model_detects_the_language_and_rejects_unknown_ones(
    speech: PcmAudio,
) -> None:
    base = open_speech_model(get_card("base"), fetch_models("base"))
    transcription = transcribe(base, speech)
    assert transcription.language == "en"
    assert transcription.language_probability > 0.9
    with pytest.raises(InputRejected) as refused:
        base.transcribe(
            speech,
            language="yue",
            task=SpeechTask.TRANSCRIBE,
            on_progress=lambda share: None,
            should_stop=lambda: None,
        )
    assert refused.value.code == "language_unknown"


def test_small_model_stays_loaded_and_large_one_is_released() -> None:
    card, folder = get_card("tiny.en"), fetch_models("tiny.en")
    model = open_speech_model(card, folder)
    release_model(model)
    assert open_speech_model(card, folder) is model
    model.size_bytes = 10**9
    release_model(model)
    assert open_speech_model(card, folder) is not model


def test_speech_device_exists_on_this_machine() -> None:
    device = choose_device()
    assert device.name in ("cpu", "cuda")
    assert device.precision != "default"
