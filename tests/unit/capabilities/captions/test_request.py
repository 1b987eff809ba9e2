"""Requests for a speech model; invalid ones are rejected with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.capabilities.captions.request import (
    SPEECH_MODELS,
    SpeechParameters,
    SpeechRequest,
)
from cinemill.core.parameter_reader import read_parameters
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.errors import InputRejected


def read_speech(params: dict[str, Any]) -> SpeechRequest:
    return read_parameters(SpeechParameters, params).as_request()


def test_speech_request_defaults_to_base_and_detected_language() -> None:
    assert read_speech({}) == SpeechRequest(model="base", language=None, task=SpeechTask.TRANSCRIBE)


@pytest.mark.parametrize("model", SPEECH_MODELS)
def test_speech_request_accepts_every_model_name(model: str) -> None:
    assert read_speech({"model": model}).model == model


def test_speech_request_accepts_language_codes_in_any_case() -> None:
    assert read_speech({"language": "DE"}).language == "de"


def test_speech_request_translation_sets_the_task() -> None:
    request = read_speech({"model": "small", "language": "fr", "translate": True})
    assert request == SpeechRequest(model="small", language="fr", task=SpeechTask.TRANSLATE)
    assert read_parameters(SpeechRequest, request.to_json()) == request


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"model": "huge"}, "params_invalid"),
        ({"model": ["base"]}, "params_invalid"),
        ({"language": "klingon"}, "language_unknown"),
        ({"language": 7}, "language_unknown"),
        ({"translate": "yes"}, "params_invalid"),
        ({"model": "tiny.en", "translate": True}, "translation_impossible"),
        ({"model": "tiny.en", "language": "de"}, "language_unknown"),
    ],
)
def test_speech_request_rejection_has_a_hint(params: dict[str, Any], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_speech(params)
    assert refused.value.code == code
    assert refused.value.hint


@pytest.mark.parametrize(
    ("task", "spoken", "read"),
    [
        (SpeechTask.TRANSCRIBE, "de", "de"),
        (SpeechTask.TRANSLATE, "de", "en"),
        (SpeechTask.TRANSLATE, "", ""),
    ],
)
def test_caption_language_of_a_translation_is_english(
    task: SpeechTask, spoken: str, read: str
) -> None:
    transcript = Transcript("base", "x", spoken, task, (Utterance(0, 1, "a"),), {})
    assert transcript.caption_language == read
