"""Kinds of job and step of searches and answers, which run in the queue ``runtime``."""

from __future__ import annotations

from cinemill.jobs.catalog import StepKind

SEMANTIC_SEARCH = "semantic_search"
GRAPH_SEARCH = "graph_traversal_search"
HYBRID_SEARCH = "hybrid_search"
GENERATE_CONTEXT = "generate_context"
ANSWER_QUERY = "answer_query"

QUEUE = "runtime"
STEPS = tuple(
    # A person waits: what failed once is reported, not repeated a minute later.
    StepKind(kind, QUEUE, max_retries=0)
    for kind in (SEMANTIC_SEARCH, GRAPH_SEARCH, HYBRID_SEARCH, GENERATE_CONTEXT, ANSWER_QUERY)
)
