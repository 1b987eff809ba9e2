"""What a model replied: read as JSON of a known shape, or refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.core.documents import JsonObject
from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.nvidia.chat import MOST_LABELS
from cinemill.inference.providers.nvidia.spoken_times import remove_times
from cinemill.inference.providers.text import clean_text

LONGEST_DESCRIPTION = 2000
LONGEST_LABEL = 80
MOST_STATED_LABELS = 200
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_ANSWER = re.compile(r"^<answer>(.*)</answer>$", re.DOTALL)
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SceneReply:
    """What a model saw in the range that it was sent."""

    description: str
    """Plain sentences without times, at most 2,000 characters, never empty."""
    labels: tuple[str, ...]
    """At most 32, each once."""
    model: str
    """As the reply names it; empty where it names none."""
    removed_times: int
    """How many times of the model's own were taken out."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class _Message(_Part):
    content: str | None = None


class _Choice(_Part):
    finish_reason: str | None = None
    message: _Message


class _Usage(_Part):
    prompt_tokens: int | None = Field(default=None, ge=0, le=2**40)
    completion_tokens: int | None = Field(default=None, ge=0, le=2**40)


class _Completion(_Part):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage | None = None


class _Scene(_Part):
    description: str
    labels: list[str] = Field(max_length=MOST_STATED_LABELS)


def read_scene(document: JsonObject) -> SceneReply:
    """Return what a model saw, from the reply of ``chat/completions``.

    Raises ProviderReplyInvalid (``provider_reply_invalid``; ``provider_reply_cut`` where the model
    ran out of tokens, ``provider_reply_filtered``, ``provider_reply_empty``).
    """
    try:
        completion = _Completion.model_validate(document)
    except ValidationError as invalid:
        raise ProviderReplyInvalid("The server's reply is not as documented.") from invalid
    choice = completion.choices[0]
    _check_finish(choice.finish_reason)
    scene = _read_content(choice.message.content or "")
    description, times = remove_times(
        clean_text(scene.description, most_characters=LONGEST_DESCRIPTION)
    )
    if not any(one.isalnum() for one in description):
        raise _empty("The model's reply describes nothing.")
    usage = completion.usage or _Usage()
    return SceneReply(
        description=description,
        labels=_choose_labels(scene.labels),
        model=clean_text(completion.model or "", most_characters=200),
        removed_times=times,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
    )


def _check_finish(reason: str | None) -> None:
    if reason == "length":
        raise ProviderReplyInvalid(
            "The model's reply is cut off: it ran out of tokens.",
            code="provider_reply_cut",
            hint="Raise the most tokens of a reply, or analyze shorter chunks.",
        )
    if reason == "content_filter":
        raise ProviderReplyInvalid(
            "The server withheld the model's reply.", code="provider_reply_filtered"
        )
    if reason != "stop":
        raise ProviderReplyInvalid("The model's reply does not say that it is complete.")


def _read_content(content: str) -> _Scene:
    """Return the object that the model wrote, without its thoughts and the fence around it."""
    text = _THOUGHT.sub("", content)
    text = text.rpartition("</think>")[2].strip()  # some servers leave out where it began
    for wrapping in (_ANSWER, _FENCE):
        if found := wrapping.match(text):
            text = found[1].strip()
    if not text:
        raise _empty("The model's reply is empty.")
    try:
        return _Scene.model_validate(json.loads(text))
    except (ValidationError, ValueError, RecursionError) as error:
        raise ProviderReplyInvalid(
            "The model's reply is not the JSON object that was asked for."
        ) from error


def _choose_labels(stated: list[str]) -> tuple[str, ...]:
    """Return the labels that say something, each once, in the model's order."""
    chosen: dict[str, str] = {}
    for one in stated:
        label, _ = remove_times(clean_text(one, most_characters=LONGEST_LABEL))
        label = label.strip(" .,;:").casefold()
        if any(letter.isalpha() for letter in label):
            chosen.setdefault(label, label)
    return tuple(chosen)[:MOST_LABELS]


def _empty(sentence: str) -> ProviderReplyInvalid:
    return ProviderReplyInvalid(sentence, code="provider_reply_empty")
