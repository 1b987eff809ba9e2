"""Relations of sentences that we did not write, compared with what was annotated beforehand.

``relation_sentences/README.md`` says what counts as a relation and when one is found. The
sentences that are held back are only counted here: ``python -m bench.relations development`` prints
what is wrong in the others.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.model_files import fetch_models

from bench.report import BenchRow, print_table
from cinemill.capabilities.knowledge.entities import extract_entities
from cinemill.capabilities.knowledge.relations.extraction import extract_relationships
from cinemill.capabilities.knowledge.source_text import SourceText
from cinemill.core.knowledge.graph import Relation
from cinemill.inference.language.parses import TextParser
from cinemill.inference.language.spacy_parser import CARD, open_parser

FOLDER = Path(__file__).parent / "relation_sentences"
DEVELOPMENT = "development"
HELD_BACK = ("held_back", "held_back_second")
"""Counted only."""
SETS = (DEVELOPMENT, "held_back_first", *HELD_BACK)
PRECISION_TARGET, RECALL_TARGET = 0.85, 0.7
_NOT_COMPARED = {*("the", "a", "an", "this", "that", "these", "those"), *("my", "your", "his")} | {
    *("her", "its", "our", "their")
}
_CASES = {"me": "i", "us": "we", "him": "he", "them": "they"}
_WORD = re.compile(r"[\w'-]+")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A relation that a sentence states."""

    subject: str
    predicate: str
    object: str
    is_negated: bool = False
    is_possible: bool = False
    according_to: str = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedSentence:
    """A sentence, the one before it where a pronoun needs it, and its relations."""

    text: str
    before: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What of a sentence was found: pairs that agree, and what is left on both sides."""

    sentence: AnnotatedSentence
    agreed: tuple[tuple[Annotation, Relation], ...]
    missed: tuple[Annotation, ...]
    wrong: tuple[Relation, ...]


def measure() -> list[BenchRow]:
    """Measure precision and recall of each set, and milliseconds a sentence."""
    parser = open_parser(fetch_models(CARD))
    rows: list[BenchRow] = []
    for name in SETS:
        sentences = read_sentences(name)
        began = time.monotonic()
        compared = compare_all(parser, sentences)
        spent_ms = (time.monotonic() - began) * 1000 / len(sentences)
        rows += _count(name.replace("_", " "), compared, spent_ms)
    return rows


def read_sentences(name: str) -> list[AnnotatedSentence]:
    """Return the annotated sentences of one of ``SETS``."""
    blocks = (FOLDER / f"{name}.txt").read_text("utf-8").strip().split("\n\n")
    return [_read_block(block.splitlines()) for block in blocks]


def compare_all(parser: TextParser, sentences: Sequence[AnnotatedSentence]) -> list[Comparison]:
    """Return what is found in each sentence next to what was annotated."""
    return [_compare(sentence, _extract(parser, sentence)) for sentence in sentences]


def score(compared: Sequence[Comparison]) -> tuple[float, float]:
    """Return precision and recall, each from 0 to 1, over all relations."""
    agreed = sum(len([a for a, _r in one.agreed if not a.is_optional]) for one in compared)
    wrong = sum(len(one.wrong) for one in compared)
    missed = sum(len(one.missed) for one in compared)
    return agreed / max(1, agreed + wrong), agreed / max(1, agreed + missed)


def _read_block(lines: Sequence[str]) -> AnnotatedSentence:
    text = lines[1]
    before = "".join(line[2:] for line in lines[2:] if line.startswith("@ "))
    annotations = [_read_annotation(line) for line in lines[2:] if line.startswith("    ")]
    return AnnotatedSentence(text, before, tuple(annotations))


def _read_annotation(line: str) -> Annotation:
    subject, predicate, thing, *rest = (field.strip() for field in line.split("|"))
    sources = [field for field in rest if field.startswith("according to ")]
    known = {"not", "possible", "optional", *sources}
    if not set(rest) <= known:
        raise ValueError(f"unknown field in {line!r}")
    return Annotation(
        subject,
        predicate,
        thing,
        is_negated="not" in rest,
        is_possible="possible" in rest,
        according_to=sources[0].removeprefix("according to ") if sources else "",
        is_optional="optional" in rest,
    )


def _extract(parser: TextParser, sentence: AnnotatedSentence) -> tuple[Relation, ...]:
    texts = [text for text in (sentence.before, sentence.text) if text]
    sources = [SourceText(text, n * 10_000, (n + 1) * 10_000) for n, text in enumerate(texts)]
    parsed = parser.parse(texts)
    mentions = [extract_entities(source, one) for source, one in zip(sources, parsed, strict=True)]
    return extract_relationships(sources, parsed, mentions)[-1].relations


def _compare(sentence: AnnotatedSentence, found: Sequence[Relation]) -> Comparison:
    left = list(sentence.annotations)
    # What has to be found goes first: an optional one must not take its place.
    left.sort(key=lambda annotation: annotation.is_optional)
    agreed, wrong = [], []
    for relation in found:
        match = next((one for one in left if _agree(one, relation)), None)
        if match is None:
            wrong.append(relation)
        else:
            left.remove(match)
            agreed.append((match, relation))
    missed = [one for one in left if not one.is_optional]
    return Comparison(sentence, tuple(agreed), tuple(missed), tuple(wrong))


def _agree(annotation: Annotation, relation: Relation) -> bool:
    return (
        annotation.predicate == relation.predicate
        and _name_the_same(annotation.subject, relation.subject)
        and _name_the_same(annotation.object, relation.object)
    )


def _name_the_same(one: str, other: str) -> bool:
    left, right = _list_words(one), _list_words(other)
    return bool(left and right) and (left <= right or right <= left)


def _list_words(text: str) -> frozenset[str]:
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(_CASES.get(word, word) for word in words if word not in _NOT_COMPARED)


def _count(title: str, compared: Sequence[Comparison], spent_ms: float) -> Iterator[BenchRow]:
    precision, recall = score(compared)
    pairs = [pair for one in compared for pair in one.agreed if not pair[0].is_optional]
    wrong = sum(len(one.wrong) for one in compared)
    missed = sum(len(one.missed) for one in compared)
    detail = f"{len(compared)} sentences, {len(pairs)} right, {wrong} wrong, {missed} missed"
    name = f"relations, {title}"
    yield BenchRow(f"{name}: precision", precision, PRECISION_TARGET, "", detail, True)
    yield BenchRow(f"{name}: recall", recall, RECALL_TARGET, "", detail, True)
    yield BenchRow(
        f"{name}: negation, possibility and source right, of those found",
        sum(_is_qualified_so(*pair) for pair in pairs) / max(1, len(pairs)),
        None,
        "",
        f"{len(pairs)} relations",
        True,
    )
    yield BenchRow(f"{name}: time a sentence", spent_ms, None, "ms", "parsing included")


def _is_qualified_so(annotation: Annotation, relation: Relation) -> bool:
    source = annotation.according_to
    return (
        annotation.is_negated == relation.is_negated
        and annotation.is_possible == relation.is_possible
        and (_name_the_same(source, relation.according_to) if source else not relation.according_to)
    )


def _print_differences(name: str) -> None:
    if name in HELD_BACK:
        raise SystemExit("These sentences are held back: they are counted and not read.")
    for one in compare_all(open_parser(fetch_models(CARD)), read_sentences(name)):
        if one.missed or one.wrong:
            print(one.sentence.text)
        for missed in one.missed:
            print(f"    missed: {missed.subject} | {missed.predicate} | {missed.object}")
        for wrong in one.wrong:
            print(f"    wrong:  {wrong.subject} | {wrong.predicate} | {wrong.object}")
        for annotation, relation in one.agreed:
            if not annotation.is_optional and not _is_qualified_so(annotation, relation):
                print(f"    qualified otherwise: {relation}")


if __name__ == "__main__":
    if sys.argv[1:]:
        _print_differences(sys.argv[1])
    else:
        print_table(measure())
