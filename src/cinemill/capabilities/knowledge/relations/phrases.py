"""What a noun phrase names, as text: without articles, possessives and what only describes it."""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.tree import Tree
from cinemill.core.knowledge.graph import TextSpan
from cinemill.inference.language.parses import ParsedToken

MOST_WORDS = 10
"""Of a phrase. A longer one is cut."""


def name_phrase(tree: Tree, head: ParsedToken) -> str:
    """Return the text of the phrase with this head: ``red wine``, ``House of Commons``."""
    first, end = find_phrase(tree, head)
    tokens = tree.parsed.tokens[first:end]
    span = TextSpan(tokens[0].span.start, tokens[-1].span.end)
    return " ".join(tree.parsed.text[span.start : span.end].split())


def find_phrase(tree: Tree, head: ParsedToken) -> tuple[int, int]:
    """Return the tokens of the phrase with this head: the first, and the one after the last."""
    first, end = _find_name(tree, head)
    first = _include_modifiers(tree, head, first)
    is_noun = head.part in grammar.NAMES_AND_NOUNS | {"NUM"}
    if end == head.index + 1 and (is_noun or head.dependency not in grammar.COMPLEMENTS):
        end = _include_of(tree, head, end)
    # Whatever is cut, the head stays.
    end = min(end, max(first + MOST_WORDS, head.index + 1))
    return max(first, end - MOST_WORDS), end


def _find_name(tree: Tree, head: ParsedToken) -> tuple[int, int]:
    """Return the tokens of the name that a head is in, without its article; else the head."""
    tokens = tree.parsed.tokens
    for name in tree.parsed.names:
        if not name.first_token <= head.index < name.end_token <= tree.end:
            continue
        first, end = max(name.first_token, tree.first), name.end_token
        if tokens[end - 1].tag == "POS":
            end -= 1
        while first < head.index and tokens[first].part in ("DET", "PUNCT"):
            first += 1
        if head.index < end:
            return first, end
    return head.index, head.index + 1


def _include_modifiers(tree: Tree, head: ParsedToken, first: int) -> int:
    """Return the first token with what stands before a noun and belongs to what it names."""
    for child in reversed(tree.children(head)):
        if child.index >= first:
            continue
        if child.dependency not in grammar.NAME_PARTS or not _belongs(tree, child):
            break
        if tree.ends_at_comma(child):
            break
        first = min(one.index for one in tree.subtree(child))
    tokens = tree.parsed.tokens
    # "good-looking" is three tokens.
    if tokens[first].text == "-":
        first += 1
    while first - 2 >= tree.first and tokens[first - 1].text == "-" and _touch(tokens, first):
        first -= 2
    return first


def _touch(tokens: Sequence[ParsedToken], index: int) -> bool:
    """Return whether no space is between a token and the two before it."""
    before, hyphen, token = tokens[index - 2 : index + 1]
    return before.span.end == hyphen.span.start and hyphen.span.end == token.span.start


def _belongs(tree: Tree, child: ParsedToken) -> bool:
    if child.dependency in ("advmod", "punct"):
        return child.dependency == "punct" and child.text in ("-", "‐", "–")
    return not any(one.part in ("DET", "PRON", "CCONJ") for one in tree.subtree(child)[:1])


def _include_of(tree: Tree, head: ParsedToken, end: int) -> int:
    """Return the end of the phrase with "of" and its noun, where they follow the head at once."""
    of = tree.child(head, "prep")
    if of is None or of.index != end or of.text.lower() != "of":
        return end
    noun = tree.child(of, "pobj")
    if noun is None or noun.part not in grammar.NAMES_AND_NOUNS:
        return end
    return noun.index + 1 if noun.index - of.index <= MOST_WORDS // 2 else end
