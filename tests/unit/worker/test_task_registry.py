"""The arguments of a Celery message become a job's parameters by name."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.catalog import CATALOG
from cinemill.core.parameters import NoParameters
from cinemill.errors import InputRejected
from cinemill.jobs.adoption.arguments import bind_arguments
from cinemill.jobs.catalog import JobKind

RENDER = JobKind("render", NoParameters, lambda params, asset_id: [], positional=("job", "draft"))


def test_positional_argument_is_bound_to_the_path() -> None:
    kind = CATALOG.jobs["process_video"]
    assert bind_arguments(kind, ["film.mp4"], {}) == {"path": "film.mp4"}


def test_positional_and_keyword_arguments_are_merged() -> None:
    named = bind_arguments(RENDER, [{"scenes": []}], {"draft": True})
    assert named == {"job": {"scenes": []}, "draft": True}


def test_too_many_positional_arguments_are_refused() -> None:
    with pytest.raises(InputRejected) as refused:
        bind_arguments(RENDER, [1, 2, 3], {})
    assert refused.value.code == "arguments_invalid"
    assert "2 arguments by position, got 3" in refused.value.message


def test_argument_given_twice_is_refused_by_name() -> None:
    with pytest.raises(InputRejected, match="draft twice") as refused:
        bind_arguments(RENDER, [{}, True], {"draft": False})
    assert refused.value.code == "arguments_invalid"


@given(
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["width", "height"]), st.integers()),
)
def test_bound_arguments_are_complete(args: list[int], kwargs: dict[str, int]) -> None:
    named = bind_arguments(RENDER, args, kwargs)
    assert [named[name] for name in RENDER.positional[: len(args)]] == args
    assert {name: named[name] for name in kwargs} == kwargs
    assert len(named) == len(args) + len(kwargs)


ASSET_ID = "0196f3a4-4d2e-7c1b-9a52-6f1f6a0c1b2d"


@pytest.mark.parametrize("kind", ["process_video", "caption", "extract_keyframes", "transcode"])
@pytest.mark.parametrize("name", ["asset", "video_id", "video_path", "path"])
def test_video_is_a_stored_one_or_a_path_whatever_the_argument_is_called(
    kind: str, name: str
) -> None:
    job = CATALOG.jobs[kind]
    assert bind_arguments(job, (), {name: "/films/a.mp4"}) == {"path": "/films/a.mp4"}
    assert bind_arguments(job, (), {name: ASSET_ID}) == {"asset_id": ASSET_ID}


def test_stored_video_is_found_by_position() -> None:
    named = bind_arguments(CATALOG.jobs["process_video"], [ASSET_ID, "quick"], {})
    assert named == {"asset_id": ASSET_ID, "profile": "quick"}


def test_detection_keeps_its_own_argument() -> None:
    named = bind_arguments(CATALOG.jobs["detect_video"], [ASSET_ID], {})
    assert named == {"asset": ASSET_ID}


@pytest.mark.parametrize("kind", ["detect_video", "retry_failed_tasks"])
@pytest.mark.parametrize("name", ["asset", "video_id", "video_path", "path"])
def test_kind_with_an_asset_takes_it_under_every_name(kind: str, name: str) -> None:
    job = CATALOG.jobs[kind]
    bound = bind_arguments(job, (), {name: ASSET_ID.upper()})
    assert bound == {"asset": ASSET_ID}
    CATALOG.plan(kind, bound, None)


@pytest.mark.parametrize(
    "spelled", [UUID(ASSET_ID), ASSET_ID.upper(), ASSET_ID.replace("-", ""), ASSET_ID]
)
def test_id_of_a_video_may_be_spelled_as_databases_do(spelled: object) -> None:
    assert bind_arguments(CATALOG.jobs["process_video"], [spelled], {}) == {"asset_id": ASSET_ID}
    assert bind_arguments(CATALOG.jobs["detect_video"], [spelled], {}) == {"asset": ASSET_ID}


def test_paths_and_ids_within_arguments_become_text() -> None:
    bound = bind_arguments(
        CATALOG.jobs["batch_process_videos"], [[Path("/films/a.mp4"), UUID(ASSET_ID)]], {}
    )
    assert bound == {"assets": ["/films/a.mp4", ASSET_ID]}
    scenes = [{"video_path": Path("/films/a.mp4")}]
    assert bind_arguments(RENDER, [{"scenes": scenes}], {}) == {
        "job": {"scenes": [{"video_path": "/films/a.mp4"}]}
    }


@pytest.mark.parametrize("text", ["a.mp4", f"{ASSET_ID}.mp4", "0196f3a4-4d2e7c1b9a526f1f6a0c1b2d"])
def test_path_is_no_id(text: str) -> None:
    assert bind_arguments(CATALOG.jobs["process_video"], [text], {}) == {"path": text}


def test_argument_that_holds_a_list_many_times_is_read_once() -> None:
    nested: list[object] = ["x"]
    for _ in range(40):
        nested = [nested, nested]
    assert bind_arguments(RENDER, [nested], {}).keys() == {"job"}
