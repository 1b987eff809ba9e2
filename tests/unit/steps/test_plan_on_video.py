"""Tasks about one video: by an asset, by a path, or for all videos."""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.catalog import CATALOG
from cinemill.errors import InputRejected
from cinemill.jobs.adoption.arguments import bind_arguments

ASSET = "10f099dc-8f6f-4420-a722-2f8c33344cd3"
OF_ONE = ("extract_entities", "extract_relationships", "build_scene_graph")
OF_ALL_TOO = (
    "generate_text_embeddings",
    "generate_visual_embeddings",
    "generate_multimodal_embeddings",
    "index_embeddings",
)


def plan(kind: str, *args: Any, **kwargs: Any) -> list[str]:
    params = bind_arguments(CATALOG.jobs[kind], args, kwargs)
    asset_id = params.pop("asset_id", None)
    return [one.name for one in CATALOG.plan(kind, params, asset_id)]


@pytest.mark.parametrize("kind", [*OF_ONE, *OF_ALL_TOO])
@pytest.mark.parametrize("name", ["", "asset", "video_id", "video_path", "path"])
def test_task_takes_a_video_by_its_id_or_path(kind: str, name: str) -> None:
    for value, before in ((ASSET, []), ("/films/a.mp4", ["intake"])):
        args, kwargs = ([], {name: value}) if name else ([value], {})
        assert plan(kind, *args, **kwargs) == [*before, kind, "report"]


@pytest.mark.parametrize("kind", OF_ALL_TOO)
def test_task_without_a_video_is_about_all(kind: str) -> None:
    assert plan(kind) == [kind]


@pytest.mark.parametrize("kind", OF_ONE)
def test_task_that_needs_a_video_says_so(kind: str) -> None:
    with pytest.raises(InputRejected) as refused:
        plan(kind)
    assert refused.value.code == "source_missing"


def test_searches_take_a_limit_and_filters_as_other_systems_write_them() -> None:
    search = CATALOG.jobs["hybrid_search"]
    bound = bind_arguments(search, ("a street", 5), {"filters": {"asset_ids": [ASSET]}})
    assert bound == {"query": "a street", "limit": 5, "asset_ids": [ASSET]}
    assert bind_arguments(search, ("a street",), {"filters": None}) == {"query": "a street"}
    answer = CATALOG.jobs["answer_query"]
    bound = bind_arguments(answer, ("who?",), {"filters": {"collections": ["a"]}})
    assert bound == {"question": "who?", "collections": ["a"]}
    with pytest.raises(InputRejected, match="must be an object"):
        bind_arguments(search, ("a street",), {"filters": "all"})


def test_filters_and_features_may_stand_by_position() -> None:
    only = {"asset_ids": [ASSET]}
    for kind in ("semantic_search", "graph_traversal_search", "hybrid_search"):
        bound = bind_arguments(CATALOG.jobs[kind], ("a street", 5, only), {})
        assert bound == {"query": "a street", "limit": 5, "asset_ids": [ASSET]}
    for kind in ("analyze_with_rekognition", "analyze_with_nvidia"):
        job = CATALOG.jobs[kind]
        bound = bind_arguments(job, ("/films/a.mp4", ["labels"]), {})
        assert bound == {"path": "/films/a.mp4", "features": ["labels"]}
        assert CATALOG.plan(kind, bound, None)


@pytest.mark.parametrize(
    ("args", "bound"),
    [
        (("who?", {"collections": ["a"]}), {"collections": ["a"]}),
        (("who?", None, "c"), {"conversation_id": "c"}),
        (("who?", {"collections": ["a"]}, "c"), {"collections": ["a"], "conversation_id": "c"}),
        (("who?", "c"), {"conversation_id": "c"}),
    ],
)
def test_question_takes_filters_before_its_conversation(
    args: tuple[Any, ...], bound: dict[str, Any]
) -> None:
    named = bind_arguments(CATALOG.jobs["answer_query"], args, {})
    assert named == {"question": "who?", **bound}
