"""Who a pronoun stands for: the nearest person within two sentences of the same speaker.

A guess, and marked as one. Among the persons of one sentence its subject goes first. Titles say
whether a person can be "he" or "she"; a name without one can be both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.phrases import name_phrase
from cinemill.capabilities.knowledge.relations.tree import Tree
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.graph import EntityKind, Mention
from cinemill.inference.language.parses import ParsedToken

REACH_SENTENCES = 2
"""Sentences before the pronoun's own in which a person is looked for."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person whom a sentence names."""

    name: str
    head: ParsedToken
    """The token of the name that the others depend on."""
    is_subject: bool
    """Whether the sentence is about them, or about something of theirs."""
    is_male: bool
    is_female: bool


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A sentence with the persons that it names and who says it."""

    tree: Tree
    speaker: str
    persons: tuple[Person, ...]
    names: Mapping[int, str]
    """Names of entities by the index of the token that the others of the name depend on."""


def read_sentence(tree: Tree, source: SourceText, mentions: Sequence[Mention]) -> SpokenSentence:
    """Return a sentence with the persons among these mentions that lie in it.

    A sentence without any has those that it calls king, mother or the like.
    """
    named, names = [], {}
    for mention in mentions:
        tokens = _list_tokens(tree, mention)
        if not tokens:
            continue
        head = _find_head(tokens)
        if mention.kind not in (EntityKind.DATE, EntityKind.QUANTITY):
            names[head.index] = mention.name
        if mention.kind is EntityKind.PERSON:
            named.append(_describe_person(tree, mention.name, head, tokens))
    return SpokenSentence(tree, source.speaker, tuple(named or _find_unnamed_persons(tree)), names)


def resolve_pronoun(
    pronoun: ParsedToken, sentence: SpokenSentence, before: Sequence[SpokenSentence]
) -> str | None:
    """Return the name that a pronoun stands for, or None.

    ``before`` are the sentences before this one, in order; at most :data:`REACH_SENTENCES`.
    """
    word = pronoun.text.lower()
    if word in grammar.SPEAKER_PRONOUNS:
        return sentence.speaker or None
    if word not in grammar.MALE_PRONOUNS | grammar.FEMALE_PRONOUNS:
        return None
    own = [one for one in sentence.persons if _may_mean(sentence.tree, pronoun, one)]
    groups = [own]
    for earlier in reversed(before):
        if earlier.speaker != sentence.speaker:
            break
        groups.append(list(earlier.persons))
    for group in groups:
        fitting = [one for one in group if _fits(word, one)]
        if fitting:
            return max(fitting, key=lambda one: (one.is_subject, one.head.index)).name
    return None


def _list_tokens(tree: Tree, mention: Mention) -> list[ParsedToken]:
    span = mention.span
    if span is None:
        return []
    return [one for one in tree.tokens if one.span.start < span.end and span.start < one.span.end]


def _find_head(tokens: Sequence[ParsedToken]) -> ParsedToken:
    inside = {token.index for token in tokens}
    outside = (one for one in reversed(tokens) if one.head not in inside or one.head == one.index)
    return next(outside, tokens[-1])


def _describe_person(
    tree: Tree, name: str, head: ParsedToken, tokens: Sequence[ParsedToken]
) -> Person:
    words = {token.text.lower() for token in tokens}
    words |= {child.text.lower() for child in tree.children(head, ("compound", "nmod"))}
    return Person(
        name=name,
        head=head,
        is_subject=_is_about(tree, head),
        is_male=bool(words & grammar.MALE_WORDS),
        is_female=bool(words & grammar.FEMALE_WORDS),
    )


def _find_unnamed_persons(tree: Tree) -> list[Person]:
    """Return the persons of a sentence that names nobody: "the present King", "her mother"."""
    return [
        Person(
            name=name_phrase(tree, token),
            head=token,
            is_subject=_is_about(tree, token),
            is_male=token.lemma.lower() in grammar.MALE_NOUNS,
            is_female=token.lemma.lower() in grammar.FEMALE_NOUNS,
        )
        for token in tree.tokens
        if token.tag in ("NN", "NNP")
        and token.lemma.lower() in grammar.MALE_NOUNS | grammar.FEMALE_NOUNS
        and tree.child(token, "det", "poss") is not None
    ]


def _is_about(tree: Tree, head: ParsedToken) -> bool:
    """Return whether a name is the subject, or owns it, or is joined to it."""
    token = head
    while token.dependency in ("poss", "conj") and token.head != token.index:
        token = tree.head(token)
    return token.dependency in grammar.SUBJECTS


def _fits(word: str, person: Person) -> bool:
    if person.is_male == person.is_female:
        return True
    return person.is_male == (word in grammar.MALE_PRONOUNS)


def _may_mean(tree: Tree, pronoun: ParsedToken, person: Person) -> bool:
    """Return whether a pronoun may mean a person of its own sentence.

    It has to come later, and in another clause, unless it ends in "self".
    """
    if person.head.index >= pronoun.index:
        return False
    if pronoun.text.lower().endswith("self"):
        return True
    return _find_verb(tree, pronoun) != _find_verb(tree, person.head)


def _find_verb(tree: Tree, token: ParsedToken) -> int:
    """Return the index of the verb whose clause a token is in."""
    for above in tree.ancestors(token):
        if above.part in ("VERB", "AUX"):
            return above.index
    return token.index
