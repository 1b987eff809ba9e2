"""Clauses of a sentence: a verb, its subjects, and how firmly it is stated.

Clauses are found from the head of the sentence down, so that what a clause shares with the one
above it is known by then: a subject, a modal verb, who says so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.tree import Tree
from cinemill.inference.language.parses import ParsedToken

MOST_SUBJECTS = 20


@dataclass(frozen=True, slots=True)
class Clause:
    """A verb with what is known of it."""

    verb: ParsedToken
    subjects: tuple[ParsedToken, ...] = ()
    is_passive: bool = False
    is_negated: bool = False
    is_possible: bool = False
    according_to: ParsedToken | None = None
    antecedents: tuple[ParsedToken, ...] = ()
    """The noun that the clause describes, or the members of a list before it."""
    has_own_subject: bool = False


def find_clauses(tree: Tree) -> list[Clause]:
    """Return the clauses of a sentence; each after the one that it depends on."""
    clauses: dict[int, Clause] = {}
    pending = deque(token for token in tree.tokens if token.head == token.index)
    while pending:
        token = pending.popleft()
        pending.extend(tree.children(token))
        if _heads_clause(tree, token):
            clauses[token.index] = _describe(tree, token, clauses)
    return list(clauses.values())


def _heads_clause(tree: Tree, token: ParsedToken) -> bool:
    if token.dependency not in grammar.CLAUSE_HEADS:
        return False
    # A rare verb may be taken for an adjective; its auxiliaries show what it is.
    return token.part in ("VERB", "AUX") or tree.child(token, "aux", "auxpass") is not None


def _describe(tree: Tree, verb: ParsedToken, clauses: dict[int, Clause]) -> Clause:
    above = _find_governing(tree, verb, clauses)
    antecedents = _find_antecedents(tree, verb, above)
    clause = Clause(verb, antecedents=antecedents, is_passive=_is_passive(tree, verb, above))
    own = _find_own_subjects(tree, verb, antecedents)
    subjects = own or _borrow_subjects(tree, clause, above)
    clause = replace(clause, subjects=tuple(subjects[:MOST_SUBJECTS]), has_own_subject=bool(own))
    return replace(
        clause,
        is_negated=_is_negated(tree, clause, above),
        is_possible=_is_possible(tree, clause, above),
        according_to=_find_source(tree, clause, above),
    )


def _find_governing(tree: Tree, verb: ParsedToken, clauses: dict[int, Clause]) -> Clause | None:
    """Return the clause that this one depends on; through an adjective as well: "able to win"."""
    if verb.head == verb.index:
        return None
    head = tree.head(verb)
    if head.index in clauses:
        return clauses[head.index]
    if head.dependency in grammar.COMPLEMENTS | {"prt", "advmod"}:
        return clauses.get(head.head)
    return None


def _find_antecedents(
    tree: Tree, verb: ParsedToken, above: Clause | None
) -> tuple[ParsedToken, ...]:
    if verb.dependency in ("relcl", "acl"):
        head = tree.head(verb)
        if head.part not in grammar.NOMINALS:
            return ()
        return tuple(one for one in tree.members(head) if one.index < verb.index)
    if verb.dependency == "conj" and above is not None:
        return above.antecedents
    return ()


def _find_own_subjects(
    tree: Tree, verb: ParsedToken, antecedents: tuple[ParsedToken, ...]
) -> list[ParsedToken]:
    expletive = tree.child(verb, "expl")
    if expletive is not None and expletive.text.lower() == "there":
        there = tree.children(verb, ("attr", "nsubj", "dobj"))
        return [member for noun in there for member in tree.members(noun)]
    found: list[ParsedToken] = []
    for subject in tree.children(verb, grammar.SUBJECTS):
        found += antecedents if is_relative(subject) else tree.members(subject)
    return found


def is_relative(token: ParsedToken) -> bool:
    """Return whether a token is a pronoun that stands for the noun its clause describes."""
    return token.tag in grammar.RELATIVE_TAGS and token.text.lower() in grammar.RELATIVE_WORDS


def _borrow_subjects(tree: Tree, clause: Clause, above: Clause | None) -> list[ParsedToken]:
    verb = clause.verb
    if verb.dependency == "acl":
        return [] if _has_to(tree, verb) else list(clause.antecedents)
    if above is None:
        return []
    if verb.dependency == "conj":
        # A finite verb cannot share the subject of an infinitive.
        return list(above.subjects)
    if verb.dependency == "xcomp":
        return _find_controller(tree, verb, above)
    # After the verb, "sought by them" may say something of the object as well.
    is_clear = above.is_passive or verb.index < above.verb.index
    is_participle = verb.tag == "VBG" or (verb.tag == "VBN" and is_clear)
    if verb.dependency == "advcl" and (is_participle or _has_to(tree, verb)):
        return list(above.subjects)
    return []


def _find_controller(tree: Tree, verb: ParsedToken, above: Clause) -> list[ParsedToken]:
    """Return who does what an infinitive or a participle says."""
    if above.verb.lemma == "be" and tree.head(verb).dependency != "acomp":
        return []  # "our task is to win": the task does not win
    objects = tree.children(above.verb, (*grammar.DIRECT_OBJECTS, "dative"))
    if objects and (above.verb.lemma in grammar.OBJECT_CONTROL or not _has_to(tree, verb)):
        nouns = [one for one in objects if one.part in grammar.NOMINALS and not is_relative(one)]
        return [member for one in nouns for member in tree.members(one)]
    return list(above.subjects)


def _has_to(tree: Tree, verb: ParsedToken) -> bool:
    return any(child.tag == "TO" for child in tree.children(verb, ("aux",)))


def _is_passive(tree: Tree, verb: ParsedToken, above: Clause | None) -> bool:
    if tree.child(verb, "auxpass", "nsubjpass") is not None:
        return True
    if verb.tag != "VBN" or tree.child(verb, "aux", "nsubj") is not None:
        return False
    if verb.dependency == "conj":
        return above is not None and above.is_passive
    return verb.dependency in ("acl", "advcl")


def _shares_verb_phrase(tree: Tree, clause: Clause) -> bool:
    """Return whether a verb goes on under the auxiliaries of the verb before it."""
    verb = clause.verb
    return (
        verb.dependency == "conj"
        and not clause.has_own_subject
        and tree.child(verb, "aux", "auxpass") is None
        and verb.tag in ("VB", "VBP", "VBN", "VBG")
    )


def _is_negated(tree: Tree, clause: Clause, above: Clause | None) -> bool:
    verb = clause.verb
    if tree.is_negated(verb):
        return True
    if above is None or clause.has_own_subject:
        return False
    if verb.dependency == "xcomp":
        is_negative = above.verb.lemma in grammar.NEGATIVE_IMPLICATIVES
        return above.is_negated != is_negative
    if _shares_verb_phrase(tree, clause):
        return above.is_negated and tree.has_or(verb)
    return False


def _is_possible(tree: Tree, clause: Clause, above: Clause | None) -> bool:
    verb = clause.verb
    modals = (one.text.lower() in grammar.MODALS for one in tree.children(verb, ("aux",)))
    conditions = (_has_condition(tree, one) for one in (verb, *tree.children(verb, ("advcl",))))
    if tree.is_question or any(modals) or any(conditions):
        return True
    if above is None:
        return False
    if verb.dependency == "conj":
        return above.is_possible and _shares_verb_phrase(tree, clause)
    if verb.dependency == "ccomp":
        return above.is_negated or (verb.tag == "VB" and above.verb.lemma == "let")
    if _has_to(tree, verb):
        is_factual = above.verb.lemma in grammar.FACTUAL_INFINITIVES
        return above.is_possible or not is_factual or verb.dependency == "advcl"
    return above.is_possible and verb.dependency == "xcomp"


def _is_finite(tree: Tree, verb: ParsedToken) -> bool:
    """Return whether a clause stands by itself: "saw him leave" and "saw him leaving" do not."""
    auxiliaries = tree.children(verb, ("aux", "auxpass"))
    return any(token.tag in ("VBD", "VBZ", "VBP", "MD") for token in (verb, *auxiliaries))


def _has_condition(tree: Tree, verb: ParsedToken) -> bool:
    return any(one.text.lower() in grammar.CONDITIONS for one in tree.children(verb, ("mark",)))


def _find_source(tree: Tree, clause: Clause, above: Clause | None) -> ParsedToken | None:
    """Return who says, knows or thinks what a clause states."""
    verb = clause.verb
    for prep in tree.children(verb, ("prep",)):
        if prep.text.lower() == "according":
            to = tree.child(prep, "prep")
            noun = tree.child(to, "pobj") if to is not None else tree.child(prep, "pobj")
            if noun is not None:
                return noun
    if above is None:
        return None
    if verb.dependency == "ccomp" and clause.has_own_subject and _is_finite(tree, verb):
        if not _can_say(tree, above):
            return None
        named = [one for one in above.subjects if one.text.lower() not in ("it", "there")]
        return named[0] if named and not above.is_passive else above.according_to
    if verb.dependency in ("conj", "xcomp", "advcl", "ccomp"):
        return above.according_to
    return None


def _can_say(tree: Tree, clause: Clause) -> bool:
    """Return whether a verb can have what is said as its object.

    Where it has another object, the clauses only stand next to each other, unless somebody is told.
    """
    if clause.verb.lemma in ("be", "have", "let"):
        return False
    has_object = tree.child(clause.verb, *grammar.DIRECT_OBJECTS) is not None
    return not has_object or clause.verb.lemma in grammar.TELLING
