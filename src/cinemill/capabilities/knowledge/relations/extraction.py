"""Relations of a video's text: what its sentences state, of whom, and how firmly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.arguments import Argument, list_arguments
from cinemill.capabilities.knowledge.relations.clauses import Clause, find_clauses
from cinemill.capabilities.knowledge.relations.phrases import name_phrase
from cinemill.capabilities.knowledge.relations.pronouns import (
    REACH_SENTENCES,
    SpokenSentence,
    read_sentence,
    resolve_pronoun,
)
from cinemill.capabilities.knowledge.relations.tree import Tree
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.graph import (
    EntityKind,
    Mention,
    Relation,
    RelationKind,
    TextSpan,
)
from cinemill.inference.language.parses import ParsedText, ParsedToken

MOST_SENTENCE_TOKENS = 200
"""A longer sentence is no sentence, and its parse a guess."""
MOST_SENTENCE_RELATIONS = 50
MOST_RELATIONS = 1_000
"""Of one text; further ones are left out."""


@dataclass(frozen=True, slots=True)
class TextKnowledge:
    """What a text states, and the pronouns in it whose person was found."""

    relations: tuple[Relation, ...]
    inferred: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A sentence that is being read, with those before it."""

    source: SourceText
    sentence: SpokenSentence
    before: Sequence[SpokenSentence]

    @property
    def tree(self) -> Tree:
        return self.sentence.tree


def extract_relationships(
    sources: Sequence[SourceText],
    parsed: Sequence[ParsedText],
    mentions: Sequence[Sequence[Mention]],
) -> list[TextKnowledge]:
    """Return what each text states, in order of its words.

    ``sources`` are texts of one track of one video in order of time, ``parsed`` and ``mentions``
    what was found in each of them. A pronoun may stand for a person of the text before it. What is
    said of a pronoun whose person is not known has the pronoun as its subject or object; see
    :func:`is_unnamed`. Evidence is the whole sentence. At most :data:`MOST_RELATIONS` a text;
    sentences of more than :data:`MOST_SENTENCE_TOKENS` state nothing.
    """
    before: list[SpokenSentence] = []
    found = []
    for source, text, named in zip(sources, parsed, mentions, strict=True):
        relations: list[Relation] = []
        inferred: list[Mention] = []
        for first, end in text.sentences:
            if end - first > MOST_SENTENCE_TOKENS:
                continue
            sentence = read_sentence(Tree(text, first, end), source, named)
            reader = _Reader(source, sentence, tuple(before))
            relations += _list_relations(reader)
            inferred += _list_inferred(reader)
            before = [*before, sentence][-REACH_SENTENCES:]
        found.append(TextKnowledge(tuple(relations[:MOST_RELATIONS]), tuple(inferred)))
    return found


def is_unnamed(name: str) -> bool:
    """Return whether an end of a relation names nothing by itself, such as "it" or "we"."""
    return name.casefold() in grammar.UNNAMED


def _list_relations(reader: _Reader) -> list[Relation]:
    found: dict[tuple[str, str, str], Relation] = {}
    for relation in (*_read_clauses(reader), *_read_appositions(reader)):
        found.setdefault((relation.subject, relation.predicate, relation.object), relation)
        if len(found) >= MOST_SENTENCE_RELATIONS:
            break
    return list(found.values())


def _read_clauses(reader: _Reader) -> Iterator[Relation]:
    for clause in find_clauses(reader.tree):
        for argument in list_arguments(reader.tree, clause):
            for subject in clause.subjects:
                if subject.index == argument.token.index:
                    continue
                ends = (subject, argument.token)
                if argument.is_agent:
                    ends = (argument.token, subject)
                relation = _relate(reader, ends, argument.predicate)
                if relation is not None:
                    yield _qualify(reader, relation, clause, argument, subject)


def _read_appositions(reader: _Reader) -> Iterator[Relation]:
    tree = reader.tree
    for token in tree.tokens:
        if token.dependency != "appos":
            continue
        head = tree.head(token)
        if not _states_something(tree, head, token):
            continue
        relation = _relate(reader, (head, token), "be")
        if relation is not None:
            yield replace(relation, is_negated=tree.is_negated(head))


def _states_something(tree: Tree, head: ParsedToken, token: ParsedToken) -> bool:
    """Return whether an apposition says what its noun is.

    "Hiroshima, Japan" does not, nor a number or "some of them"; "her sorrows, her joys" is a list,
    and "the shuttle Challenger" one name.
    """
    if head.part == token.part == "PROPN" or token.part == "NUM" or tree.is_list(head, token):
        return False
    if token.text.lower() in grammar.UNNAMED:
        return False
    first, last = sorted((head.index, token.index))
    return any(one.part == "PUNCT" for one in tree.tokens if first < one.index < last)


def _relate(
    reader: _Reader, ends: tuple[ParsedToken, ParsedToken], predicate: str
) -> Relation | None:
    """Return the relation between two tokens, or None where one of them names nothing."""
    if not all(_can_be_end(token) for token in ends):
        return None
    subject, is_subject_inferred = _name(reader, ends[0])
    thing, is_object_inferred = _name(reader, ends[1])
    if not subject or not thing or subject == thing:
        return None
    tokens = reader.tree.tokens
    span = TextSpan(tokens[0].span.start, tokens[-1].span.end)
    start_ms, end_ms = reader.source.locate(span)
    is_inferred = is_subject_inferred or is_object_inferred
    return Relation(
        subject=subject,
        predicate=predicate,
        object=thing,
        kind=RelationKind.INFERRED if is_inferred else RelationKind.STATED,
        start_ms=start_ms,
        end_ms=end_ms,
        span=span,
    )


def _qualify(
    reader: _Reader,
    relation: Relation,
    clause: Clause,
    argument: Argument,
    subject: ParsedToken,
) -> Relation:
    source = clause.according_to
    return replace(
        relation,
        is_negated=(clause.is_negated and not argument.is_contrasted)
        or argument.is_negated
        or reader.tree.is_negated_member(subject),
        is_possible=clause.is_possible,
        according_to=_name(reader, source)[0] if source is not None else "",
    )


def _can_be_end(token: ParsedToken) -> bool:
    return (
        token.part in grammar.NOMINALS | {"VERB"}
        and token.tag not in grammar.RELATIVE_TAGS
        and token.dependency != "expl"
        and any(character.isalnum() for character in token.text)
    )


def _name(reader: _Reader, token: ParsedToken) -> tuple[str, bool]:
    """Return what a token names, and whether that is a guess.

    An entity has the name of its mention, so that both meet in the graph.
    """
    if token.part == "PRON":
        name = resolve_pronoun(token, reader.sentence, reader.before)
        return (name, True) if name is not None else (token.text, False)
    known = reader.sentence.names.get(token.index)
    return known or name_phrase(reader.tree, token), False


def _list_inferred(reader: _Reader) -> Iterator[Mention]:
    for token in reader.tree.tokens:
        if token.text.lower() not in grammar.PERSONAL_PRONOUNS:
            continue
        name = resolve_pronoun(token, reader.sentence, reader.before)
        if name is None:
            continue
        start_ms, end_ms = reader.source.locate(token.span)
        yield Mention(
            name=name,
            kind=EntityKind.PERSON,
            modality=reader.source.modality,
            start_ms=start_ms,
            end_ms=end_ms,
            span=token.span,
            is_inferred=True,
        )
