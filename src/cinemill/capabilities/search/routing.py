"""Which tracks and retrievers a query goes to, by rules that are logged and can be overridden."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from cinemill.capabilities.search.language.words import fold
from cinemill.capabilities.search.query import ParsedQuery
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.telemetry import get_logger

log = get_logger(__name__)

_ON_SCREEN = re.compile(
    r"\b(?:on|in) (?:the )?(?:screen|picture|image|frame|slide|sign|banner|subtitle|caption)s?\b"
    r"|\b(?:sign|slide|caption|banner|headline|subtitle|title card)s? (?:that )?"
    r"(?:say|says|read|reads|saying|reading|show|shows|with)\b"
    r"|^(?:the )?(?:sign|slide|caption|banner|headline)\b|\bwritten\b"
)
_SEEN = re.compile(
    r"\b(?:show|shows|shown|see|seen|visible|looks? like|wearing|wears|picture of|shot of|"
    r"scene with|appears?)\b"
)
_SAID = re.compile(
    r"\b(?:say|says|said|talk|talks|talked|talking|speak|speaks|spoke|mention|mentions|mentioned|"
    r"tells?|told|according to|discuss|discusses|discussed|explains?|explained)\b"
)
_SHOWN = (PassageTrack.PICTURE, PassageTrack.TEXT, PassageTrack.DESCRIPTION)


class Rule(StrEnum):
    """Why a query goes where it goes."""

    QUOTED = "quoted words are looked for as they are"
    UNKNOWN_NAME = "an unknown capitalised word may be spelled otherwise"
    ON_SCREEN = "it asks for what is written in the picture"
    SEEN = "it asks for what is seen"
    SAID = "it asks for what is said"
    ENTITY = "it names something that the graph knows"
    OVERRIDDEN = "the request says so"


@dataclass(frozen=True, slots=True)
class RetrieverWeights:
    """What each retriever counts; 0 leaves it out. Without rules, as it was fitted."""

    vector: float = 0.4
    text: float = 0.6
    trigram: float = 0.0
    graph: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where a query goes."""

    tracks: tuple[PassageTrack, ...]
    """Empty: all of them."""
    weights: RetrieverWeights
    trigram_words: tuple[str, ...] = ()
    """Folded words that may be misheard or misspelled."""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteOverrides:
    """What a request decides itself; None leaves it to the rules."""

    tracks: tuple[PassageTrack, ...] | None = None
    weights: RetrieverWeights | None = None


def route_query(
    query: ParsedQuery, *, things: Collection[str] = (), overrides: RouteOverrides | None = None
) -> Route:
    """Return where a query goes.

    ``things`` are folded labels that the picture models know, such as ``dog``. A query for what is
    seen goes to the tracks of the picture, except where it also asks for what is said.
    """
    rules: list[Rule] = []
    weights = RetrieverWeights()
    if query.phrases:
        rules.append(Rule.QUOTED)
        weights = replace(weights, vector=0.3, text=0.7)
    if words := _find_misspellable(query):
        rules.append(Rule.UNKNOWN_NAME)
        weights = replace(weights, trigram=0.3)
    if query.entity_ids:
        rules.append(Rule.ENTITY)
        weights = replace(weights, graph=0.2)
    tracks, why = _choose_tracks(query, things)
    rules += why
    route = Route(tracks, weights, words, tuple(rules))
    if overrides is not None and (overrides.tracks is not None or overrides.weights is not None):
        route = Route(
            tracks if overrides.tracks is None else overrides.tracks,
            weights if overrides.weights is None else overrides.weights,
            words,
            (*rules, Rule.OVERRIDDEN),
        )
    log.info(
        "query routed",
        query_class=query.query_class.value,
        tracks=[track.value for track in route.tracks],
        rules=[rule.name for rule in route.rules],
    )
    return route


def _find_misspellable(query: ParsedQuery) -> tuple[str, ...]:
    """Return unknown words that are capitalised or quoted, or make up the whole query.

    A word that no video has cannot be found by its letters; one that looks like it can.
    """
    marked = fold(" ".join((*query.names, *query.phrases))).split()
    is_short = len(query.terms) <= 2
    return tuple(word for word in query.unknown_words if is_short or word in marked)


def _choose_tracks(
    query: ParsedQuery, things: Collection[str]
) -> tuple[tuple[PassageTrack, ...], list[Rule]]:
    folded = fold(query.text)
    if _ON_SCREEN.search(folded):
        return (PassageTrack.TEXT,), [Rule.ON_SCREEN]
    is_said = bool(_SAID.search(folded))
    is_thing = bool(query.colours) or any(term in things for term in query.terms)
    if is_said:
        return (PassageTrack.SPEECH,), [Rule.SAID]
    if _SEEN.search(folded) and is_thing:
        return _SHOWN, [Rule.SEEN]
    if is_thing and not query.is_question and not query.names:
        return (*_SHOWN, PassageTrack.SPEECH), [Rule.SEEN]
    return (), []
