"""Entities in text: names of a list first, then those that the parser finds."""

from __future__ import annotations

from types import MappingProxyType

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.gazetteer import Gazetteer
from cinemill.core.knowledge.graph import EntityKind, Mention, TextSpan
from cinemill.inference.language.parses import NamedSpan, ParsedText

MOST_MENTIONS = 1_000
"""Of one text; further ones are left out."""
LONGEST_NAME_CHARACTERS = 200

KINDS = MappingProxyType(
    {
        "PERSON": EntityKind.PERSON,
        "NORP": EntityKind.ORGANIZATION,
        "ORG": EntityKind.ORGANIZATION,
        "GPE": EntityKind.PLACE,
        "LOC": EntityKind.PLACE,
        "FAC": EntityKind.PLACE,
        "EVENT": EntityKind.EVENT,
        "WORK_OF_ART": EntityKind.WORK,
        "LAW": EntityKind.WORK,
        "PRODUCT": EntityKind.PRODUCT,
        "DATE": EntityKind.DATE,
        "MONEY": EntityKind.QUANTITY,
        "QUANTITY": EntityKind.QUANTITY,
        "PERCENT": EntityKind.QUANTITY,
    }
)
"""Kinds of OntoNotes that are entities here. Times of day, ordinals, bare numbers and languages
are none: they would connect everything with everything."""
_ARTICLES = ("the ", "a ", "an ")
_QUOTES = "\"'“”‘’«» "


def extract_entities(
    source: SourceText, parsed: ParsedText, gazetteer: Gazetteer | None = None
) -> list[Mention]:
    """Return the mentions of entities in a text, in order of their characters, without overlaps.

    ``parsed`` is the same text, parsed. Names of the gazetteer go first: what the parser finds at
    the same characters is left out. At most :data:`MOST_MENTIONS`.
    """
    known = gazetteer.find(source.text) if gazetteer is not None else []
    found = [_mention(source, span, name.kind) for name, span in known]
    taken = [span for _name, span in known]
    for name in parsed.names:
        kind = KINDS.get(name.label)
        span = _trim(source.text, name)
        if kind is EntityKind.PERSON:
            span = TextSpan(_find_title(parsed, name, span.start), span.end)
        if kind is None or span.end - span.start > LONGEST_NAME_CHARACTERS:
            continue
        if _has_letter_or_digit(source.text, span) and not _overlaps(span, taken):
            found.append(_mention(source, span, kind))
    found.sort(key=lambda mention: mention.span.start if mention.span else 0)
    return found[:MOST_MENTIONS]


def _mention(source: SourceText, span: TextSpan, kind: EntityKind) -> Mention:
    start_ms, end_ms = source.locate(span)
    return Mention(
        name=" ".join(source.text[span.start : span.end].split()),
        kind=kind,
        modality=source.modality,
        start_ms=start_ms,
        end_ms=end_ms,
        span=span,
    )


def _trim(text: str, name: NamedSpan) -> TextSpan:
    """Return the characters of a name without its article, possessive ending and quotes."""
    start, end = name.span.start, name.span.end
    for article in _ARTICLES:
        if text[start:end].lower().startswith(article):
            start += len(article)
            break
    while start < end and text[start] in _QUOTES:
        start += 1
    if text[start:end].endswith(("'s", "’s")):
        end -= 2
    while start < end and text[end - 1] in _QUOTES:
        end -= 1
    return TextSpan(start, end)


def _find_title(parsed: ParsedText, name: NamedSpan, start: int) -> int:
    """Return where a person's name begins with the titles before it."""
    index = name.first_token
    while index > 0 and parsed.tokens[index - 1].text.lower() in grammar.TITLES:
        index -= 1
        if not parsed.tokens[index].text[:1].isupper():
            break
        start = min(start, parsed.tokens[index].span.start)
    return start


def _has_letter_or_digit(text: str, span: TextSpan) -> bool:
    return any(character.isalnum() for character in text[span.start : span.end])


def _overlaps(span: TextSpan, taken: list[TextSpan]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in taken)
