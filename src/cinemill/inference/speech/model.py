"""Speech to text: Whisper, by faster-whisper on CTranslate2, one model per process.

faster-whisper's measures against hallucinated words are used (voice activity first, thresholds on
probability and repetition with a second attempt, silence around an improbable segment); its
sentences are then searched for loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from cinemill.core.transcript import SpeechTask, Utterance, Word
from cinemill.errors import InputRejected
from cinemill.inference.models.cards import ModelCard, find_model
from cinemill.inference.speech.audio import (
    SAMPLE_RATE_HZ,
    Batch,
    PcmAudio,
    Samples,
    find_speech,
    make_batches,
)
from cinemill.inference.speech.guards import drop_repeated_phrases
from cinemill.inference.speech.hotwords import choose_names, join_names
from cinemill.machine import usable_cpus
from cinemill.telemetry import get_logger

# CTranslate2 and faster-whisper are imported in functions to keep start-up cheap: they take 27 MB
# of memory that only a process with a model needs.

MAX_THREADS = 8
KEEP_LOADED_BYTES = 256 * 1024 * 1024
"""Largest total file size of a model that stays loaded between videos: tiny and base."""
SEED = 7
SILENCE_SECONDS = 2.0
"""Silence around a segment of improbable words that makes it a hallucination."""
_CPU_PRECISIONS = ("int8", "float32")
_GPU_PRECISIONS = ("float16", "int8_float16", "int8", "float32")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    """``cpu`` or ``cuda``."""
    precision: str
    fallback_reason: str = ""
    """Why an available GPU is not used."""


@dataclass(frozen=True, slots=True)
class Transcription:
    language: str
    """Empty if nobody speaks and no language was given."""
    language_probability: float
    utterances: tuple[Utterance, ...]
    speech_seconds: float
    """How much of the audio is speech."""
    hotwords: tuple[str, ...] = ()
    """Names that the model was given."""


class SpeechModel:
    """A loaded Whisper model. Use :func:`open_speech_model`; not thread-safe."""

    def __init__(self, folder: Path, device: Device, *, size_bytes: int) -> None:
        self.device = device
        self.size_bytes = size_bytes
        self._whisper = _load(folder, device)

    @property
    def is_multilingual(self) -> bool:
        return bool(self._whisper.model.is_multilingual)

    def transcribe(
        self,
        audio: PcmAudio,
        *,
        language: str | None,
        task: SpeechTask,
        on_progress: Callable[[float], None],
        should_stop: Callable[[], Exception | None],
        names: Iterable[str] = (),
    ) -> Transcription:
        """Transcribe ``audio`` into utterances with words and their times.

        ``names`` are likely to be said, the likeliest first; the model is given those that fit.
        ``on_progress`` is called with the share of the audio that is done, 0 to 1. ``should_stop``
        is called after each sentence (the model processes 30 s at a time); the exception that it
        returns is raised.

        Raises InputRejected (``translation_impossible``, ``language_unknown``).
        """
        self._check_supported(language, task)
        utterances: list[Utterance] = []
        probability, seconds = 0.0, 0.0
        hotwords = choose_names(names, self._count_tokens)
        for batch in make_batches(find_speech(audio, partial(_check_cancelled, should_stop))):
            samples = batch.collapse_silence(audio)
            segments, info = self._run_model(samples, language, task, hotwords)
            if not seconds:
                language, probability = str(info.language), float(info.language_probability)
            for segment in segments:
                utterances += read_segment(segment, batch)
                _check_cancelled(should_stop)
                done = batch.expand_timestamps(segment.end, segment.end)[1]
                on_progress(min(1.0, done * SAMPLE_RATE_HZ / 1000 / len(audio)))
            seconds += batch.seconds
        on_progress(1.0)
        heard = drop_repeated_phrases(utterances)
        return Transcription(language or "", probability, heard, seconds, hotwords)

    def _count_tokens(self, text: str) -> int:
        return len(self._whisper.hf_tokenizer.encode(text, add_special_tokens=False).ids)

    def _check_supported(self, language: str | None, task: SpeechTask) -> None:
        if self.is_multilingual:
            if language is not None and not self._knows(language):
                raise InputRejected(
                    f"This model does not know the language {language!r}.", code="language_unknown"
                )
            return
        if task is SpeechTask.TRANSLATE:
            raise InputRejected(
                "This model knows English only, so it cannot translate.",
                code="translation_impossible",
                hint="Use a multilingual model, such as base.",
            )
        if language not in (None, "en"):
            raise InputRejected("This model knows English only.", code="language_unknown")

    def _knows(self, language: str) -> bool:
        """Check the model's vocabulary.

        The library lists languages that only the largest model has.
        """
        return self._whisper.hf_tokenizer.token_to_id(f"<|{language}|>") is not None

    def _run_model(
        self, samples: Samples, language: str | None, task: SpeechTask, hotwords: Iterable[str]
    ) -> tuple[Iterator[Any], Any]:
        segments, info = self._whisper.transcribe(
            samples,
            language=language,
            task=task.value,
            word_timestamps=True,
            # A window that went wrong must not mislead the next one.
            condition_on_previous_text=False,
            hallucination_silence_threshold=SILENCE_SECONDS,
            # Unlike an initial prompt, they stand in front of every window.
            hotwords=join_names(hotwords),
        )
        return iter(segments), info


def read_segment(segment: Any, batch: Batch) -> list[Utterance]:
    """Convert a faster-whisper segment to the video's clock; return none if it has no words."""
    words = [_read_word(word, batch) for word in segment.words or ()]
    spoken = [word for word in words if word.text.strip()]
    if not spoken:
        return []
    text = " ".join(_clean(segment.text).split())
    start_ms, end_ms = spoken[0].start_ms, max(word.end_ms for word in spoken)
    return [Utterance(start_ms, max(start_ms, end_ms), text, tuple(spoken))]


def _read_word(word: Any, batch: Batch) -> Word:
    start_ms, end_ms = batch.expand_timestamps(word.start, word.end)
    return Word(start_ms, end_ms, _clean(word.word), round(float(word.probability), 3))


def _clean(text: str) -> str:
    """Remove characters that no file and no database accepts."""
    return "".join(char for char in text if char.isprintable() or char.isspace())


def _check_cancelled(should_stop: Callable[[], Exception | None]) -> None:
    stop = should_stop()
    if stop is not None:
        raise stop


@lru_cache(maxsize=1)
def open_speech_model(card: ModelCard, folder: Path) -> SpeechModel:
    """Return the model, loaded once per process (see :func:`release_model`); it replaces any other.

    ``folder`` holds the models. Raises ToolMissing (``model_missing``, ``model_damaged``).
    """
    files = find_model(card, folder)
    device = choose_device()
    if device.name != "cpu":
        device = _probe_gpu(files, device)
    model = SpeechModel(files, device, size_bytes=card.size_bytes)
    log.info("model loaded", model=card.name, device=device.name, precision=device.precision)
    return model


def release_model(model: SpeechModel) -> None:
    """Keep a small model loaded for the next video, and drop a large one.

    This process may also serve other queues and is held to their memory limits, and loading takes
    little time compared with what a large model takes to transcribe.
    """
    if model.size_bytes > KEEP_LOADED_BYTES:
        open_speech_model.cache_clear()


def choose_device() -> Device:
    """Return a GPU if CTranslate2 sees one, else the CPU.

    Uses the fastest precision that the device supports.
    """
    import ctranslate2

    if ctranslate2.get_cuda_device_count() > 0:
        return Device("cuda", _choose_precision("cuda", _GPU_PRECISIONS))
    return choose_cpu()


def choose_cpu(fallback_reason: str = "") -> Device:
    return Device("cpu", _choose_precision("cpu", _CPU_PRECISIONS), fallback_reason)


def _choose_precision(device: str, wanted: tuple[str, ...]) -> str:
    import ctranslate2

    able = ctranslate2.get_supported_compute_types(device)
    return next((precision for precision in wanted if precision in able), "default")


def _probe_gpu(files: Path, device: Device) -> Device:
    """Return the GPU if it really transcribes a second of silence, else the CPU.

    Libraries may be missing, or its memory full.
    """
    try:
        model = _load(files, device)
        list(model.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32), language="en")[0])
    except (RuntimeError, ValueError, OSError) as error:
        log.warning("the GPU cannot be used", why=str(error))
        return choose_cpu(fallback_reason=str(error))
    return device


def _load(folder: Path, device: Device) -> Any:
    import ctranslate2
    from faster_whisper import WhisperModel

    # Second attempts are sampled at random; the same video must give the same words again.
    ctranslate2.set_random_seed(SEED)
    return WhisperModel(
        str(folder),
        device=device.name,
        compute_type=device.precision,
        cpu_threads=min(MAX_THREADS, usable_cpus()),
    )
