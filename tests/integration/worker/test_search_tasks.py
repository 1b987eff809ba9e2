"""Searches and questions as Celery tasks, on a running worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.result import AsyncResult
from tests.integration.search.library import VIDEOS, fill_library, fill_others
from tests.integration.storage.intelligence_rows import forget_models
from tests.integration.worker.conftest import Stack
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.job import DEFAULT_OWNER
from cinemill.errors import InputRejected, NotFound
from cinemill.storage.media.assets import delete_asset
from cinemill.worker.result_backend import JobFailed

WHO = "Who opened the rose garden in Oslo?"


@pytest.fixture(scope="module", autouse=True)
def library(stack: Stack) -> Iterator[None]:
    """A library of those who send tasks, without vectors, and a video of somebody else."""
    forget_models(stack.database)
    fill_library(stack.database, DEFAULT_OWNER)
    fill_others(stack.database, "bob")
    yield
    with stack.database.begin() as connection:
        for asset_id in VIDEOS:
            delete_asset(connection, asset_id)


def run(stack: Stack, kind: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Send a task and return its result."""
    sent: AsyncResult = stack.app.tasks[kind].apply_async(args=list(args), kwargs=kwargs)
    result: dict[str, Any] = sent.get(timeout=PATIENCE_SECONDS)
    return result


def test_hybrid_search_returns_moments(stack: Stack) -> None:
    found = run(stack, "hybrid_search", "rose garden", limit=1)
    assert found["hits"][0]["asset_id"] == "garden"
    assert found["vectors"] == "not_indexed"
    others = run(stack, "hybrid_search", "password of the vault")
    assert "theirs" not in {one["asset_id"] for one in others["hits"] + others["nearest"]}


def test_graph_search_follows_names(stack: Stack) -> None:
    found = run(stack, "graph_traversal_search", "alice walker")
    assert [(one["asset_id"], one["start"]) for one in found["hits"]] == [("garden", 10.0)]


def test_semantic_search_without_an_index_says_so(stack: Stack) -> None:
    found = run(stack, "semantic_search", query="rose garden")
    assert (found["hits"], found["vectors"]) == ([], "not_indexed")


def test_context_is_generated_for_one_video(stack: Stack) -> None:
    found = run(stack, "generate_context", "rose garden wind farm", asset_ids=["bank"])
    assert {one["asset_id"] for one in found["passages"]} == {"bank"}


def test_question_is_answered_and_followed_up(stack: Stack) -> None:
    first = run(stack, "answer_query", WHO)
    assert "Alice Walker opened" in first["answer"]
    assert first["citations"][0]["asset_id"] == "garden"
    second = run(stack, "answer_query", "When did she open it?", first["conversation_id"])
    assert "ninth of March" in second["answer"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"query": " "}, "query_empty"), ({"query": "rose", "limit": 0}, "params_invalid")],
)
def test_impossible_search_is_rejected(stack: Stack, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        stack.app.tasks["hybrid_search"].apply_async(kwargs=arguments)
    assert refused.value.code == code


def test_unknown_conversation_fails_the_job_at_once(stack: Stack) -> None:
    sent = stack.app.tasks["answer_query"].apply_async(args=[WHO, "no-id"])
    with pytest.raises((JobFailed, NotFound), match="no-id"):
        sent.get(timeout=PATIENCE_SECONDS)


def test_search_can_be_limited_to_the_job_of_a_video(stack: Stack) -> None:
    job = stack.service.create_job(
        "hybrid_search", owner=DEFAULT_OWNER, params={"query": "wind farm"}, asset_id="garden"
    )
    found = stack.app.AsyncResult(job.id).get(timeout=PATIENCE_SECONDS)
    assert {one["asset_id"] for one in found["hits"] + found["nearest"]} <= {"garden"}
