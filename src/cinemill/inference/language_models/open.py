"""Opens the language model that an installation is set to use."""

from __future__ import annotations

from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.inference.language_models.anthropic import DEFAULT_URL, AnthropicModel
from cinemill.inference.language_models.openai import OpenAIModel
from cinemill.inference.language_models.server_model import ServerModel


def open_language_model(address: LanguageModelAddress) -> ServerModel:
    """Return a client of a language model; nothing is connected yet.

    Raises LanguageModelRefused (``language_model_address``).
    """
    if address.api == "anthropic":
        return AnthropicModel(address.name, address.key, address.url or DEFAULT_URL)
    return OpenAIModel(address.url, address.name, address.key)
