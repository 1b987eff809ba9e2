"""Passages that speak to a language model rather than to people.

A second line of defence: what such a passage makes a model say is checked like everything else. But
a false figure that stands in the passage itself would pass that check. So these passages are not
shown to a model; search finds them, extractive answers quote them, and answers count them.

People say nearly all of these words to each other. So a word alone is no reason: it must be an
order, or speak of what only a model has.
"""

from __future__ import annotations

import re

from cinemill.capabilities.search.language.links import clean_text
from cinemill.capabilities.search.language.words import fold

_ORDER = r"(?:^|[.!?:;·]\s+|\bplease\s+|\band\s+)"
"""Before an order: the beginning of a sentence, where people seldom speak of themselves."""
_FORGET = r"(?:ignore|disregard|forget|override|bypass)"
_WRITE = (
    r"(?:reply|respond|answer|output|print|say|state|claim|write|cite|return|report|include|add|"
    r"append|insert|put|quote|use|link|reveal|repeat|mention|show|leak)"
)
_MODEL = r"(?:ai|ais|ai assistants?|ai models?|language models?|llms?|chat ?bots?|bots?|gpt)"
_REPLY = r"(?:answers?|reply|replies|responses?|outputs?)"

_INSTRUCTION = re.compile(
    # What was said before does not count.
    rf"\b{_FORGET} (?:\w+ ){{0,3}}(?:previous|prior|earlier|above|preceding) (?:\w+ ){{0,2}}"
    r"(?:instruction|prompt|rule|context|message|guideline|polic)"
    rf"|\b{_FORGET} (?:\w+ ){{0,3}}(?:instruction|prompt|rule|guideline)s? (?:above|you were given|"
    r"you have been given|you got)\b"
    rf"|\b{_FORGET} (?:\w+ ){{0,2}}(?:your instructions|your prompt|system prompt|evidence rules)\b"
    rf"|{_ORDER}{_FORGET} (?:the |this |that )?(?:user'?s? )?(?:question|passages?|evidence) and\b"
    r"|\bnew instructions?\s*:"
    # What only a model has: a prompt, ids of evidence, claims.
    rf"|{_ORDER}{_WRITE}\b.{{0,30}}\b(?:system|hidden|developer|initial) "
    r"(?:prompt|message|instruction)s?\b"
    rf"|{_ORDER}{_WRITE}\b.{{0,40}}\b(?:evidence|passage) ids?\b"
    r"|\bids of (?:\w+ ){0,2}passages\b"
    r"|\{\s*[\"']?claims"
    # Who it is, and who is spoken to.
    r"|\b(?:you are|act as|pretend to be|behave (?:as|like)|roleplay as) (?:now )?(?:an?|the|my) "
    rf"(?:\w+ )?(?:{_MODEL}|dan)\b"
    rf"|\b(?:dear|attention|notes? to|messages? to|instructions? (?:to|for)|hey|hello),? "
    rf"(?:the |all |any |every )?{_MODEL}\b"
    r"|\b(?:dear|attention|hey),? assistant\b"
    rf"|(?:^|[.!?]\s+)(?:ai|assistant|chatbot), (?:{_WRITE}|tell|replace|ignore)\b"
    # What its reply must be.
    rf"|{_ORDER}{_WRITE}\b.{{0,60}}\b(?:in|to|into|of) (?:your|every) {_REPLY}\b"
    rf"|{_ORDER}(?:reply|respond|answer) only with\b"
    rf"|\b(?:your|every|each) {_REPLY} (?:must|has to|have to|should) "
    r"(?:always |only )?(?:say|state|claim|end|mention|cite|link)\b"
    # What to say to whom.
    r"|\b(?:when|if) (?:you are |you're )?asked\b[^.!?]{0,60}, (?:please |always |only |just )?"
    rf"{_WRITE}\b"
    r"|\bif (?:anyone|someone|the user) asks?\b[^.!?]{0,60}, "
    r"(?:the answer is|answer|reply|respond)\b"
    # Marks of a conversation with a model.
    r"|<\s*/?\s*(?:system|user|assistant|instructions?|im_start|im_end)\b|<\||\[/?inst\]"
    r"|\b(?:begin|end) [0-9a-f]{12,}"
)
_ROLE = re.compile(r"(?:^|· )\s*(?:system|assistant|user)\s*:", re.MULTILINE)
"""At the beginning of a line; "the operating system: Linux" is not one."""


def addresses_model(text: str) -> bool:
    """Return whether a text reads like instructions to a language model. English only.

    It should begin where the passage or the title does.
    """
    if _INSTRUCTION.search(fold(clean_text(text))) is not None:
        return True
    lines = "\n".join(fold(clean_text(line)) for line in text.splitlines())
    return _ROLE.search(lines) is not None
