"""Passages that speak to a language model rather than to people.

A second line of defence: what such a passage makes a model say is checked like everything else. But
a false figure that stands in the passage itself would pass that check. So these passages are not
shown to a model; search finds them, and extractive answers quote them.
"""

from __future__ import annotations

import re

from cinemill.capabilities.search.language.links import clean_text
from cinemill.capabilities.search.language.words import fold

_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|rule|context|"
    r"polic|guideline|above|previous|prior|earlier|everything|question|passage|evidence)"
    r"|\b(?:system|developer|hidden|initial) (?:prompt|message|instruction|note)s?\b"
    r"|\b(?:you are|act as|pretend to be|behave as|roleplay)\b.{0,30}\b(?:assistant|ai|bot|chatbot|"
    r"language model|model|dan|jailbroken|unrestricted)\b"
    r"|\b(?:as an?|dear|attention|note to|message to|hey|hello) (?:the )?(?:ai|assistant|language "
    r"model|llm|chatbot|model)\b"
    r"|\b(?:reply|respond|answer|output|print|say|state|claim|write|cite|return|report|include|"
    r"add|append|insert|quote|use|link|reveal|mention|tell)\b.{0,60}\b(?:only with|exactly|"
    r"verbatim|evidence id|passage id|the id|citation|claims?|json|the user|the reader|"
    r"the viewer asks|in your (?:answer|reply|response)|to every question|no matter what|"
    r"regardless)\b"
    r"|\b(?:your|the) (?:answer|reply|response|output) (?:must|should|has to|is to|will)\b"
    r"|\bwhen (?:you are )?asked\b|\bif (?:you are |anyone |someone |the user )?asks?(?:ed)?\b"
    r"|<\s*/?\s*(?:system|user|assistant|instructions?|im_start|im_end)\b|<\|"
    r"|\[/?inst\]|\b(?:system|assistant|user)\s*:|\bbegin [0-9a-f]{6,}|\bend [0-9a-f]{6,}"
    r"|\{\s*[\"']?claims"
)


def addresses_model(text: str) -> bool:
    """Return whether a text reads like instructions to a language model. English only."""
    return _INSTRUCTION.search(fold(clean_text(text))) is not None
