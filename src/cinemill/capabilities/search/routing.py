"""Which tracks and retrievers a query goes to, by rules that are logged and can be overridden."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from cinemill.capabilities.search.language.words import fold
from cinemill.capabilities.search.query import ParsedQuery
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.telemetry import get_logger

log = get_logger(__name__)

_SIGN = (
    r"(?:sign|slide|caption|banner|headline|subtitle|poster|placard|label|plaque|billboard|board|"
    r"title card)s?"
)
_ON_SCREEN = re.compile(
    rf"\b(?:on|in) (?:(?:the|a|this|that) )?(?:screens?|pictures?|images?|frames?|{_SIGN})\b"
    rf"|\b{_SIGN} (?:that )?(?:say|says|read|reads|saying|reading|show|shows|with)\b"
    r"|\bwritten on\b"
)
_SEEN = re.compile(r"\b(?:show|shows|shown|see|seen|visible|looks? like|wearing|wears|appears?)\b")
"""Of a thing with a colour."""
_TO_BE_SEEN = re.compile(
    r"\bshow me (?!how|what|when|where|which|who|why)|\b(?:pictures?|images?|shots?|footage) of\b"
    r"|\bscenes? with\b"
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
    """Searched alone, since the request says so; empty: all of them."""
    weights: RetrieverWeights
    preferred: tuple[PassageTrack, ...] = ()
    """Whose passages rank higher, by a rule. A rule may be wrong, so that it hides no track."""
    trigram_words: tuple[str, ...] = ()
    """Folded words that may be misheard or misspelled."""
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteOverrides:
    """What a request decides itself; None leaves it to the rules."""

    tracks: tuple[PassageTrack, ...] | None = None
    weights: RetrieverWeights | None = None


def route_query(query: ParsedQuery, *, overrides: RouteOverrides | None = None) -> Route:
    """Return where a query goes, and which tracks it prefers.

    Tracks that ``overrides`` names are searched alone, and none is preferred then.
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
    preferred, why = _prefer_tracks(query)
    rules += why
    route = Route((), weights, preferred, words, tuple(rules))
    if overrides is not None and (overrides.tracks is not None or overrides.weights is not None):
        route = Route(
            tracks=overrides.tracks or (),
            weights=weights if overrides.weights is None else overrides.weights,
            preferred=preferred if overrides.tracks is None else (),
            trigram_words=words,
            rules=(*rules, Rule.OVERRIDDEN),
        )
    log.info(
        "query routed",
        query_class=query.query_class.value,
        tracks=[track.value for track in route.tracks],
        preferred=[track.value for track in route.preferred],
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


def _prefer_tracks(query: ParsedQuery) -> tuple[tuple[PassageTrack, ...], list[Rule]]:
    folded = fold(query.text)
    if _ON_SCREEN.search(folded):
        return (PassageTrack.TEXT,), [Rule.ON_SCREEN]
    if _SAID.search(folded):
        return (PassageTrack.SPEECH,), [Rule.SAID]
    if _TO_BE_SEEN.search(folded) or (query.colours and _SEEN.search(folded)):
        return _SHOWN, [Rule.SEEN]
    return (), []
