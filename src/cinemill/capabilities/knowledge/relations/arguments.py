"""What a clause says of its subjects: predicates, each with its object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cinemill.capabilities.knowledge.relations import grammar
from cinemill.capabilities.knowledge.relations.clauses import Clause, is_relative
from cinemill.capabilities.knowledge.relations.tree import Tree
from cinemill.inference.language.parses import ParsedToken


@dataclass(frozen=True, slots=True)
class Argument:
    """A predicate and its object; of an agent, the subject."""

    predicate: str
    token: ParsedToken
    is_negated: bool = False
    is_agent: bool = False
    """Whether the verb is a passive one and this is who does it."""
    is_contrasted: bool = False
    """Whether a negated verb is not negated for this one: "not a doctor but a nurse"."""


def list_arguments(tree: Tree, clause: Clause) -> list[Argument]:
    """Return the objects, complements and phrases of a clause's verb, in this order."""
    predicate = _name_predicate(tree, clause.verb)
    objects = list(_list_objects(tree, clause, predicate))
    # "They had no industry until the war": all of it is negated.
    has_none = bool(objects) and all(one.is_negated for one in objects)
    phrases = _list_phrases(tree, clause, predicate)
    return [
        *_list_shared_agents(tree, clause, predicate),
        *objects,
        *_list_complements(tree, clause, predicate),
        *(replace(one, is_negated=one.is_negated or has_none) for one in phrases),
    ]


def _list_shared_agents(tree: Tree, clause: Clause, predicate: str) -> Iterator[Argument]:
    """Yield who does it where a later verb says so: "chosen and supported by the members"."""
    if not clause.is_passive or tree.child(clause.verb, "agent") is not None:
        return
    for verb in tree.children(clause.verb, ("conj",)):
        agent = tree.child(verb, "agent")
        if agent is not None and verb.tag == "VBN" and tree.child(verb, "auxpass") is None:
            for argument in _list_nouns(tree, clause, agent, predicate):
                yield replace(argument, is_agent=True)
            return


def _name_predicate(tree: Tree, verb: ParsedToken) -> str:
    particle = _find_particle(tree, verb)
    lemma = verb.lemma.lower()
    return f"{lemma} {particle.text.lower()}" if particle is not None else lemma


def _find_particle(tree: Tree, verb: ParsedToken) -> ParsedToken | None:
    found = tree.child(verb, "prt")
    if found is not None:
        return found
    return next(
        (
            child
            for child in tree.children(verb, ("advmod",))
            if child.index == verb.index + 1 and child.text.lower() in grammar.PARTICLES
        ),
        None,
    )


def _list_objects(tree: Tree, clause: Clause, predicate: str) -> Iterator[Argument]:
    if tree.child(clause.verb, "expl") is not None:
        return
    objects = tree.children(clause.verb, grammar.DIRECT_OBJECTS)
    for token in objects:
        for member in _resolve(tree, clause, token):
            yield _argue(tree, predicate, member)
    if not objects and _lacks_object(tree, clause):
        yield from (Argument(predicate, antecedent) for antecedent in clause.antecedents)
    for token in tree.children(clause.verb, ("dative",)):
        if token.part not in ("ADP", "SCONJ"):
            for member in _resolve(tree, clause, token):
                yield Argument(f"{predicate} to", member)


def _resolve(tree: Tree, clause: Clause, token: ParsedToken) -> Sequence[ParsedToken]:
    """Return the members of a list, or what a relative pronoun stands for."""
    return clause.antecedents if is_relative(token) else tree.members(token)


def _lacks_object(tree: Tree, clause: Clause) -> bool:
    """Return whether a clause without "that" describes its own object: "the thing I do"."""
    verb = clause.verb
    if verb.dependency != "relcl" or not clause.has_own_subject or clause.is_passive:
        return False
    if any(one.lemma in grammar.WHEN_AND_WHERE for one in clause.antecedents):
        return False
    if set(clause.antecedents) & set(clause.subjects) or verb.lemma == "be":
        return False
    if any(is_relative(token) for token in tree.subtree(verb)):
        return False
    # With a complement or a clause of its own, or a preposition that lacks its noun, the
    # place of the antecedent is elsewhere.
    if tree.child(verb, "ccomp", "xcomp", *grammar.COMPLEMENTS) is not None:
        return False
    return all(tree.child(prep, "pobj", "pcomp") for prep in tree.children(verb, ("prep",)))


def _list_complements(tree: Tree, clause: Clause, predicate: str) -> Iterator[Argument]:
    if tree.child(clause.verb, "expl") is not None:
        return
    for token in tree.children(clause.verb, grammar.COMPLEMENTS):
        for member in _resolve(tree, clause, token):
            yield _argue(tree, predicate, member)
            if member.part == "ADJ" or token.dependency == "acomp":
                for prep in tree.children(member, ("prep",)):
                    yield from _list_nouns(tree, clause, prep, f"{predicate} {member.text.lower()}")


def _list_phrases(tree: Tree, clause: Clause, predicate: str) -> Iterator[Argument]:
    verb = clause.verb
    expletive = tree.child(verb, "expl")
    if expletive is not None:
        for noun in clause.subjects:
            for prep in tree.children(noun, ("prep",)):
                if prep.text.lower() in grammar.LOCATIVES:
                    yield from _list_nouns(tree, clause, prep, predicate)
    # "run away to the hills": the phrase may depend on the particle.
    for base in (verb, *tree.children(verb, ("advmod", "prt"))):
        for prep in tree.children(base, grammar.PREPOSITIONS):
            if _describes_noun(tree, verb, prep):
                continue
            if prep.part in ("ADP", "SCONJ", "VERB") or prep.dependency != "dative":
                yield from _list_nouns(tree, clause, prep, predicate)


def _describes_noun(tree: Tree, verb: ParsedToken, prep: ParsedToken) -> bool:
    if verb.lemma != "be" or prep.text.lower() not in grammar.DESCRIBING:
        return False
    nouns = tree.children(verb, ("attr",))
    return any(one.index < prep.index and one.part == "NOUN" for one in nouns)


def _list_nouns(
    tree: Tree, clause: Clause, first: ParsedToken, predicate: str
) -> Iterator[Argument]:
    """Yield the nouns of a preposition, of those joined to it, and of one after it ("out of")."""
    pending = [(first, predicate)]
    while pending:
        prep, before = pending.pop(0)
        word = prep.text.lower()
        if word == "according":
            continue
        name = f"{before} {word}"
        is_agent = clause.is_passive and prep.dependency == "agent"
        for token in _find_nouns(tree, clause, prep):
            for member in _resolve(tree, clause, token):
                argument = _argue(tree, before if is_agent else name, member)
                yield replace(
                    argument,
                    is_negated=argument.is_negated or tree.is_negated(prep),
                    is_agent=clause.is_passive and prep.dependency == "agent",
                    is_contrasted=argument.is_contrasted or tree.is_contrasted(prep),
                )
        pending += [(one, before) for one in tree.children(prep, ("conj",)) if one.part == "ADP"]
        pending += [(one, name) for one in tree.children(prep, ("prep",))]


def _argue(tree: Tree, predicate: str, member: ParsedToken) -> Argument:
    return Argument(
        predicate,
        member,
        is_negated=tree.is_negated_member(member),
        is_contrasted=tree.is_contrasted(member),
    )


def _find_nouns(tree: Tree, clause: Clause, prep: ParsedToken) -> Sequence[ParsedToken]:
    nouns = [
        noun
        for noun in tree.children(prep, ("pobj",))
        if not (
            (prep.text.lower(), noun.text.lower()) in grammar.IDIOMS
            and not tree.children(noun, ("det", "poss", "amod", "compound", "prep"))
        )
    ]
    is_stranded = not tree.children(prep, ("pobj", "pcomp", "prep"))
    if is_stranded and not set(clause.antecedents) & set(clause.subjects):
        return clause.antecedents  # "the house he lived in"
    return nouns
