"""What may be asked of a speech model; all else is refused with the reason."""

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


def test_without_wishes_it_is_base_in_the_language_that_is_spoken() -> None:
    assert read_speech({}) == SpeechRequest(model="base", language=None, task=SpeechTask.TRANSCRIBE)


@pytest.mark.parametrize("model", SPEECH_MODELS)
def test_every_model_can_be_asked_for_by_name(model: str) -> None:
    assert read_speech({"model": model}).model == model


def test_a_language_is_a_code_in_any_case() -> None:
    assert read_speech({"language": "DE"}).language == "de"


def test_a_translation_is_a_task_of_its_own() -> None:
    request = read_speech({"model": "small", "language": "fr", "translate": True})
    assert request == SpeechRequest(model="small", language="fr", task=SpeechTask.TRANSLATE)
    assert read_parameters(SpeechRequest, request.to_json()) == request


@pytest.mark.parametrize(
    ("wish", "code"),
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
def test_what_cannot_be_is_refused_with_a_way_on(wish: dict[str, Any], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_speech(wish)
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
def test_a_translation_is_read_in_english(task: SpeechTask, spoken: str, read: str) -> None:
    transcript = Transcript("base", "x", spoken, task, (Utterance(0, 1, "a"),), {})
    assert transcript.caption_language == read
