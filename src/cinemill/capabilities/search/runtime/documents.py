"""Searches and answers as JSON, the same in results of tasks and in the HTTP API.

Times are seconds from a video's start.
"""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.capabilities.search.answers.events import (
    AnswerEvent,
    CitationsEvent,
    DeltaEvent,
    RetrievalEvent,
    RewritingEvent,
)
from cinemill.capabilities.search.context import AnswerContext
from cinemill.capabilities.search.runtime.answers import AnswerStream
from cinemill.capabilities.search.runtime.requests import SearchResult
from cinemill.core.documents import JsonObject, JsonValue
from cinemill.core.retrieval.hits import Citation, Hit, Scores
from cinemill.storage.knowledge.labels import EntityLabel


def write_search(result: SearchResult) -> JsonObject:
    """Return what a search found: ``hits``, ``nearest``, and how it was searched."""
    return {
        "query": result.query.text,
        "mode": result.mode.value,
        "hits": [_write_hit(hit, result.titles) for hit in result.hits],
        "nothing_found": result.is_nothing_found,
        "nearest": [_write_hit(hit, result.titles) for hit in result.nearest],
        "relevance": {
            "probability": result.relevance.probability,
            "threshold": result.relevance.threshold,
            "is_fitted": result.is_fitted,
        },
        "tracks": [track.value for track in result.route.preferred],
        "rules": [rule.name.lower() for rule in result.route.rules],
        "entities": [write_entity(one) for one in result.entities],
        "vectors": result.vectors.value,
        "vectors_hint": result.vectors_hint,
    }


def write_context(result: SearchResult, context: AnswerContext) -> JsonObject:
    """Return the passages that an answer may use, by rank of their hits."""
    passages: list[JsonValue] = [
        {
            **_write_place(one.passage.asset_id, one.passage.start_ms, one.passage.end_ms),
            "passage_id": one.passage.passage_id,
            "track": one.passage.track.value,
            "text": one.text,
            "title": one.title,
            "hit": one.hit,
            "is_neighbour": one.is_neighbour,
        }
        for one in context.evidence
    ]
    return {
        "query": result.query.text,
        "passages": passages,
        "is_cut": context.is_cut,
        "nothing_found": result.is_nothing_found,
        "vectors": result.vectors.value,
        "vectors_hint": result.vectors_hint,
    }


def write_answer(stream: AnswerStream) -> JsonObject:
    """Return an answer whose events have all been read."""
    answer, titles = stream.answer, stream.found.titles
    return {
        "answer": answer.text,
        "citations": [write_citation(one, titles) for one in answer.citations],
        "moments": [write_citation(one, titles) for one in answer.moments],
        **_write_end(stream),
    }


def name_event(event: AnswerEvent) -> str:
    """Return what an event is called in a stream."""
    if isinstance(event, RewritingEvent):
        return "rewriting"
    if isinstance(event, RetrievalEvent):
        return "retrieval"
    if isinstance(event, DeltaEvent):
        return "delta"
    return "citations" if isinstance(event, CitationsEvent) else "done"


def write_event(event: AnswerEvent, stream: AnswerStream) -> JsonObject:
    """Return the data of an event of this stream."""
    if isinstance(event, RewritingEvent):
        return {"question": event.question}
    titles = stream.found.titles
    if isinstance(event, RetrievalEvent):
        return {
            "question": stream.standalone.text,
            "is_follow_up": stream.standalone.is_follow_up,
            "moments": [write_citation(one, titles) for one in event.moments],
            "vectors": stream.found.vectors.value,
            "vectors_hint": stream.found.vectors_hint,
        }
    if isinstance(event, DeltaEvent):
        return {"text": event.text}
    if isinstance(event, CitationsEvent):
        return {"citations": [write_citation(one, titles) for one in event.citations]}
    return _write_end(stream)


def write_citation(citation: Citation, titles: Mapping[str, str]) -> JsonObject:
    """Return a moment of a video that an answer rests on."""
    return {
        **_write_place(citation.asset_id, citation.start_ms, citation.end_ms),
        "passage_id": citation.passage_id,
        "track": citation.track.value,
        "text": citation.text,
        "title": titles.get(citation.asset_id, ""),
    }


def write_entity(label: EntityLabel) -> JsonObject:
    """Return an entity's id, kind and name."""
    return {"id": label.id, "kind": label.kind.value, "name": label.name}


def _write_end(stream: AnswerStream) -> JsonObject:
    done = stream.answer.done
    return {
        "question": stream.standalone.text,
        "is_follow_up": stream.standalone.is_follow_up,
        "mode": done.mode.value,
        "abstained": done.abstained is not None,
        "abstain_reason": None if done.abstained is None else done.abstained.value,
        "model": done.model,
        "model_error": done.failure,
        "dropped": dict(done.dropped),
        "hidden_passages": done.hidden,
        "conversation_id": stream.conversation_id,
        "vectors": stream.found.vectors.value,
        "vectors_hint": stream.found.vectors_hint,
    }


def _write_hit(hit: Hit, titles: Mapping[str, str]) -> JsonObject:
    return {
        **_write_place(hit.asset_id, hit.start_ms, hit.end_ms),
        "score": hit.score,
        "text": hit.text,
        "title": titles.get(hit.asset_id, ""),
        "passage_ids": [*hit.passage_ids],
        "scores": _write_scores(hit.scores),
    }


def _write_place(asset_id: str, start_ms: int, end_ms: int) -> dict[str, JsonValue]:
    return {"asset_id": asset_id, "start": start_ms / 1000, "end": end_ms / 1000}


def _write_scores(scores: Scores) -> JsonObject:
    return {
        "vector": scores.vector,
        "text": scores.text,
        "trigram": scores.trigram,
        "graph": scores.graph,
    }
