"""Who a pronoun stands for: the nearest person within two sentences of the same speaker.

A guess, and marked as one. Among the persons of one sentence its subject goes first. Titles say
whether a person can be "he" or "she"; a name without one can be both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cinemill.capabilities.knowledge.relations import grammar
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


def read_sentence(tree: Tree, source: SourceText, mentions: Sequence[Mention]) -> SpokenSentence:
    """Return a sentence with the persons among these mentions that lie in it."""
    persons = [
        person
        for mention in mentions
        if mention.kind is EntityKind.PERSON and (person := _find_person(tree, mention)) is not None
    ]
    return SpokenSentence(tree, source.speaker, tuple(persons))


def resolve_pronoun(
    pronoun: ParsedToken, sentence: SpokenSentence, before: Sequence[SpokenSentence]
) -> str | None:
    """Return the name that a pronoun stands for, or None.

    ``before`` are the sentences before this one, in order.
    """
    word = pronoun.text.lower()
    if word in grammar.SPEAKER_PRONOUNS:
        return sentence.speaker or None
    if word not in grammar.MALE_PRONOUNS | grammar.FEMALE_PRONOUNS:
        return None
    own = [one for one in sentence.persons if _may_mean(sentence.tree, pronoun, one)]
    groups = [own]
    for earlier in reversed(before[-REACH_SENTENCES:]):
        if earlier.speaker != sentence.speaker:
            break
        groups.append(list(earlier.persons))
    for group in groups:
        fitting = [one for one in group if _fits(word, one)]
        if fitting:
            return max(fitting, key=lambda one: (one.is_subject, one.head.index)).name
    return None


def _find_person(tree: Tree, mention: Mention) -> Person | None:
    if mention.span is None:
        return None
    tokens = [
        token
        for token in tree.tokens
        if token.span.start < mention.span.end and mention.span.start < token.span.end
    ]
    if not tokens:
        return None
    inside = {token.index for token in tokens}
    head = next((one for one in reversed(tokens) if one.head not in inside), tokens[-1])
    words = {token.text.lower() for token in tokens}
    words |= {child.text.lower() for child in tree.children(head, ("compound", "nmod"))}
    return Person(
        name=mention.name,
        head=head,
        is_subject=_is_about(tree, head),
        is_male=bool(words & grammar.MALE_WORDS),
        is_female=bool(words & grammar.FEMALE_WORDS),
    )


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

    It has to come later, and the object of a verb is not its subject, unless it ends in "self".
    """
    if person.head.index >= pronoun.index:
        return False
    if pronoun.text.lower().endswith("self"):
        return True
    return _find_verb(tree, pronoun) != _find_verb(tree, person.head) or not person.is_subject


def _find_verb(tree: Tree, token: ParsedToken) -> int:
    """Return the index of the verb whose clause a token is in."""
    for above in tree.ancestors(token):
        if above.part in ("VERB", "AUX"):
            return above.index
    return token.index
