"""Where a language model is. Apart from what opens it, which loads an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Api = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True)
class LanguageModelAddress:
    """A server of language models, and what the model is called there."""

    name: str
    api: Api = "openai"
    url: str = ""
    """Up to the version: ``http://127.0.0.1:8000/v1``. Empty: Anthropic's own server."""
    key: str = field(default="", repr=False)
