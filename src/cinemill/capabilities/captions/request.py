"""What is asked of a speech model: which one, which language, and whether to translate.

Pure: parameters as people write them in, a request out, or the reason why there can be none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, model_validator

from cinemill.core.parameters import Expected, Parameters, choice_of, expect, none_as, reject
from cinemill.core.transcript import SpeechTask

ENGLISH = "en"
ENGLISH_ONLY = frozenset({"tiny.en"})
"""Models that know no other language, and so cannot translate."""
SpeechModel = Literal["tiny", "tiny.en", "base", "small", "medium", "large"]
SPEECH_MODELS: tuple[SpeechModel, ...] = get_args(SpeechModel)
DEFAULT_MODEL: SpeechModel = "base"
_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha "
    "haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr "
    "ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg "
    "th tk tl tr tt uk ur uz vi yi yo yue zh "
)
LANGUAGES = frozenset(_CODES.split())
"""The codes of Whisper's vocabulary (large-v3; only large knows yue)."""


def _check_language(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.lower() not in LANGUAGES:
        raise expect("the code of a language that the models know")
    return value.lower()


class SpeechParameters(Parameters):
    """A transcription as people ask for it."""

    model: Annotated[SpeechModel, none_as(DEFAULT_MODEL)] = DEFAULT_MODEL
    """Speech model. Larger models are better and slower; tiny.en knows English only."""
    language: Annotated[
        str | None,
        BeforeValidator(_check_language),
        Expected(
            code="language_unknown",
            hint="Use a code such as en, de or ja, or leave it out to have it detected.",
        ),
    ] = None
    """Spoken language, as a code such as en or de. Null detects it."""
    translate: Annotated[bool, none_as(False)] = False
    """Translate the captions into English."""

    @model_validator(mode="after")
    def _check_languages(self) -> SpeechParameters:
        if self.model not in ENGLISH_ONLY:
            return self
        hint = f"Use a multilingual model: {_format_choices()}."
        if self.translate:
            sentence = f"The model {self.model} knows English only, so it cannot translate."
            raise reject(sentence, code="translation_impossible", hint=hint)
        if self.language not in (None, ENGLISH):
            sentence = f"The model {self.model} knows English only, not {self.language!r}."
            raise reject(sentence, code="language_unknown", hint=hint)
        return self

    def as_request(self) -> SpeechRequest:
        task = SpeechTask.TRANSLATE if self.translate else SpeechTask.TRANSCRIBE
        return SpeechRequest(model=self.model, language=self.language, task=task)


class SpeechRequest(Parameters):
    """A transcription as the model is asked for it."""

    model: str = DEFAULT_MODEL
    """The speech model."""
    language: str | None = None
    """What is spoken; null detects it."""
    task: Annotated[SpeechTask, choice_of(SpeechTask)] = SpeechTask.TRANSCRIBE
    """Whether what is said is written down as it is, or in English."""

    def to_json(self) -> dict[str, Any]:
        """Return what names the work: no two requests that differ in it have the same transcript.

        Content keys are made of it: what it is for a request must never change.
        """
        return self.model_dump(mode="json")


def _format_choices() -> str:
    return ", ".join(name for name in SPEECH_MODELS if name not in ENGLISH_ONLY)
