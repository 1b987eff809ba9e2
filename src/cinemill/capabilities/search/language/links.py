"""Addresses in texts, also in those forms that are meant to get past a filter."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "[link removed]"
_ENDINGS = (
    "com|net|org|info|biz|io|co|dev|app|ai|gg|me|tv|sh|to|xyz|site|online|top|click|zip|mov|link|"
    "shop|page|web|cloud|live|store|edu|gov|int|mil|test|example|invalid|local|onion|eu|uk|us|de|"
    "fr|es|it|nl|ch|at|ru|cn|jp|in|br|au|ca|pl|se|no|fi|dk|be|cz|pt|gr|tr|ua|kr|ly|be|su"
)
_LINK = re.compile(
    # A scheme, also as it is written to be read by people only: hxxp[:]//
    r"(?:\b[a-z][a-z0-9+.-]{1,15}\s*(?:\[:\]|:)\s*/\s*/\s*\S+)"
    r"|(?:\b(?:javascript|vbscript|mailto)\s*:\s*\S+)|(?:\bdata:[a-z]+/\S*)|(?:\btel:\+?\d\S*)"
    r"|(?://[a-z0-9-]+\.\S+)"
    r"|(?:\bwww\s*(?:\.|\[\.\]|\bdot\b)\s*\S+)"
    # Addresses of numbers, with a port or a path.
    r"|(?:\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:/\S*)?)"
    r"|(?:\b[a-z0-9][\w-]{0,62}(?:(?:\.|\s?\[\.\]\s?|\s?\(\.\)\s?)[\w-]{1,63}){0,8}"
    rf"(?:\.|\s?\[\.\]\s?|\s?\(\.\)\s?|\s+[\[(]?dot[\])]?\s+)(?:{_ENDINGS})\b(?::\d+)?(?:/\S*)?)"
    r"|(?:(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})"
    # Markdown and HTML make a link of anything.
    r"|(?:\]\()"
    r"|(?:<[/!]?[a-z][^<>]*>?)",
    re.IGNORECASE,
)
_INVISIBLE = {"Cf", "Cc", "Co", "Cn", "Cs"}


def clean_text(text: str) -> str:
    """Return a text without invisible and control characters, in compatible forms, on one line."""
    normal = unicodedata.normalize("NFKC", text)
    kept = (
        " " if char.isspace() else char
        for char in normal
        if char.isspace() or unicodedata.category(char) not in _INVISIBLE
    )
    return " ".join("".join(kept).split())


def contains_link(text: str) -> bool:
    """Return whether a text has an address, a tag or a Markdown link, hidden or not."""
    return _LINK.search(clean_text(text)) is not None


def remove_links(text: str) -> str:
    """Return the text, cleaned, with ``[link removed]`` in the place of each address."""
    return _LINK.sub(REPLACEMENT, clean_text(text))
