"""What is asked of a speech model: which one, which language, and whether to translate.

Pure: parameters as people write them in, a request out, or the reason why there can be none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cinemill.core.transcript import SpeechTask
from cinemill.errors import InputRejected
from cinemill.steps.parameters import read_flag

ENGLISH = "en"
ENGLISH_ONLY = frozenset({"tiny.en"})
"""Models that know no other language, and so cannot translate."""
SPEECH_MODELS = ("tiny", "tiny.en", "base", "small", "medium", "large")
DEFAULT_MODEL = "base"
_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha "
    "haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr "
    "ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg "
    "th tk tl tr tt uk ur uz vi yi yo yue zh "
)
LANGUAGES = frozenset(_CODES.split())
"""The codes of Whisper's vocabulary (large-v3; only large knows yue)."""
PARAMETERS = ("model", "language", "translate", "words")


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    model: str = DEFAULT_MODEL
    language: str | None = None
    """What is spoken; None has the model find out."""
    task: SpeechTask = SpeechTask.TRANSCRIBE

    def to_json(self) -> dict[str, Any]:
        """Names the work: no two requests that differ in it have the same transcript."""
        return {"model": self.model, "language": self.language, "task": self.task.value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SpeechRequest:
        return cls(document["model"], document["language"], SpeechTask(document["task"]))


def read_speech(params: Mapping[str, Any]) -> SpeechRequest:
    """A request out of a caption job's parameters.

    Raises InputRejected: ``params_invalid``, ``language_unknown``, ``translation_impossible``.
    """
    model = _read_model(params.get("model"))
    language = _read_language(params.get("language"))
    translate = read_flag(params, "translate", default=False)
    if translate and model in ENGLISH_ONLY:
        raise InputRejected(
            f"The model {model} knows English only, so it cannot translate.",
            code="translation_impossible",
            way_on=f"Use a model of many languages: {_format_choices()}.",
        )
    if language not in (None, ENGLISH) and model in ENGLISH_ONLY:
        raise InputRejected(
            f"The model {model} knows English only, not {language!r}.",
            code="language_unknown",
            way_on=f"Use a model of many languages: {_format_choices()}.",
        )
    task = SpeechTask.TRANSLATE if translate else SpeechTask.TRANSCRIBE
    return SpeechRequest(model, language, task)


def _read_model(value: Any) -> str:
    if value is None:
        return DEFAULT_MODEL
    if not isinstance(value, str) or value not in SPEECH_MODELS:
        raise InputRejected(
            f"There is no speech model called {value!r}.",
            code="params_invalid",
            way_on=f"Use one of: {', '.join(SPEECH_MODELS)}.",
        )
    return value


def _read_language(value: Any) -> str | None:
    if value is None:
        return None
    code = str(value).lower()
    if code not in LANGUAGES:
        raise InputRejected(
            f"There is no language called {value!r} here.",
            code="language_unknown",
            way_on="Use a code such as en, de or ja, or leave it out to have it found.",
        )
    return code


def _format_choices() -> str:
    return ", ".join(name for name in SPEECH_MODELS if name not in ENGLISH_ONLY)
