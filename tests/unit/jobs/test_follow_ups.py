"""Celery's signatures, which are dictionaries from outside, as jobs that follow a call."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.messages import odd_values

from cinemill.catalog import CATALOG
from cinemill.errors import CinemillError, InputRejected
from cinemill.jobs.adoption.follow_ups import MOST_FOLLOWERS, FollowUps
from cinemill.jobs.adoption.release import adapt
from cinemill.storage.jobs.waiting.followers import Follower


def sign(task: str = "process_video", *args: object, **options: Any) -> dict[str, Any]:
    return {
        "task": task,
        "args": list(args),
        "kwargs": {},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


def combine(kind: str, **kwargs: object) -> dict[str, Any]:
    return {**sign(f"celery.{kind}"), "kwargs": kwargs, "subtask_type": kind}


def read(**options: Any) -> dict[str, Follower]:
    follow_ups = FollowUps(CATALOG, owner="ann")
    follow_ups.add_all("first", options)
    return follow_ups.found


def refuse(**options: Any) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        read(**options)
    return refused.value


def test_nothing_follows_a_call_without_options() -> None:
    assert read() == read(link=None, chain=[], link_error=[]) == {}


def test_link_follows_with_its_own_id_and_options() -> None:
    found = read(link=sign("transcode_task", 1, task_id="second", priority=9, countdown=5))
    second = found["second"]
    assert (second.kind, second.owner, second.after) == ("transcode", "ann", ["first"])
    assert second.priority == 9
    assert second.call["args"] == [1]
    assert second.call["timing"] == {"countdown": 5}


def test_chain_is_read_from_its_end() -> None:
    found = read(chain=[sign(task_id="third"), sign(task_id="second")])
    assert {one.id: one.after for one in found.values()} == {
        "second": ["first"],
        "third": ["second"],
    }


def test_chain_within_a_link_of_a_link() -> None:
    inner = combine("chain", tasks=[sign(task_id="b"), sign(task_id="c")])
    found = read(link=[sign(task_id="a", link=[inner])])
    assert [found[name].after for name in ("a", "b", "c")] == [["first"], ["a"], ["b"]]


def test_group_waits_for_the_same_and_what_follows_waits_for_all() -> None:
    both = combine("group", tasks=[sign(task_id="a"), sign(task_id="b")])
    found = read(chain=[sign(task_id="c"), both])
    assert found["a"].after == found["b"].after == ["first"]
    assert found["c"].after == ["a", "b"]
    assert found["c"].call["is_body"] is True


@pytest.mark.parametrize("is_group", [True, False])
def test_body_of_a_chord_waits_for_its_header(is_group: bool) -> None:
    tasks = [sign(task_id="a"), sign(task_id="b")]
    header = combine("group", tasks=tasks) if is_group else tasks
    found = read(chain=[combine("chord", header=header, body=sign(task_id="body"))])
    assert found["body"].after == ["a", "b"]
    assert found["body"].call["is_body"] is True


def test_chord_of_chains_waits_for_their_ends() -> None:
    chains = [combine("chain", tasks=[sign(task_id=f"{n}1"), sign(task_id=f"{n}2")]) for n in "ab"]
    body = combine("chain", tasks=[sign(task_id="x"), sign(task_id="y")])
    found = read(link=combine("chord", header=chains, body=body))
    assert found["x"].after == ["a2", "b2"]
    assert (found["x"].call["is_body"], found["y"].call["is_body"]) == (True, False)
    assert found["y"].after == ["x"]


@pytest.mark.parametrize("is_chain", [True, False])
def test_what_follows_a_chord_is_an_option_of_its_body(is_chain: bool) -> None:
    """So Celery hands over chain(chord(…), …)."""
    rest = {"chain": [sign(task_id="y"), sign(task_id="x")]}
    body = combine("chain", tasks=[sign(task_id="b")]) if is_chain else sign(task_id="b")
    follow_ups = FollowUps(CATALOG, owner="ann")
    follow_ups.add_body({**body, "options": {**body["options"], **rest}}, ["h"])
    after = {one.id: one.after for one in follow_ups.found.values()}
    assert after == {"b": ["h"], "x": ["b"], "y": ["x"]}


def test_empty_group_is_passed_over() -> None:
    found = read(chain=[sign(task_id="last"), combine("group", tasks=[])])
    assert found["last"].after == ["first"]


def test_ids_that_are_not_given_are_the_same_each_time() -> None:
    options: dict[str, Any] = {"link": [sign(), sign()], "chain": [sign()]}
    assert list(read(**options)) == list(read(**options))
    assert len(read(**options)) == 3


def test_error_link_is_for_the_case_of_a_failure() -> None:
    (found,) = read(link_error={**sign(), "immutable": True}).values()
    assert (found.call["on"], found.after) == ("failure", ["first"])


def test_error_link_of_several_is_one_job_for_any_of_them() -> None:
    """Celery gives a chain's error link to each of its tasks."""
    link = {**sign(task_id="failed"), "immutable": True}
    found = read(chain=[sign(task_id="b", link_error=[link])], link_error=[link])
    assert found["failed"].after == ["first", "b"]


@pytest.mark.parametrize("kind", ["chain", "group"])
def test_error_link_that_is_several_tasks_is_for_the_case_of_a_failure_too(kind: str) -> None:
    tasks = [{**sign(task_id=name), "immutable": True} for name in "ab"]
    found = read(link_error=combine(kind, tasks=tasks))
    assert (found["a"].call["on"], found["a"].after) == ("failure", ["first"])
    expected = ("success", ["a"]) if kind == "chain" else ("failure", ["first"])
    assert (found["b"].call["on"], found["b"].after) == expected


def test_error_link_of_a_chord_is_for_its_header_too() -> None:
    link = {**sign(task_id="failed"), "immutable": True}
    header = [combine("chain", tasks=[sign(task_id="a"), sign(task_id="b")]), sign(task_id="c")]
    chord = combine("chord", header=header, body=sign(task_id="body", link_error=[link]))
    assert read(link=chord)["failed"].after == ["body", "a", "b", "c"]


@pytest.mark.parametrize("kind", ["chain", "group", "chord"])
def test_links_of_several_tasks_wait_for_all_of_them(kind: str) -> None:
    links = {
        "link": [sign(task_id="ok")],
        "link_error": [{**sign(task_id="no"), "immutable": True}],
    }
    tasks = [sign(task_id="a"), sign(task_id="b")]
    kwargs = {"header": tasks, "body": sign(task_id="c")} if kind == "chord" else {"tasks": tasks}
    found = read(link={**combine(kind, **kwargs), "options": links})
    ends = {"chain": ["b"], "group": ["a", "b"], "chord": ["c"]}[kind]
    assert found["ok"].after == ends
    assert found["no"].after == (["a", "b", "c"] if kind == "chord" else ["a", "b"])


def test_error_link_that_celery_writes_twice_is_one_job() -> None:
    links = {"link_error": [{**sign(), "immutable": True}]}
    body = {**sign(task_id="body"), "options": {"task_id": "body", **links}}
    chord = {**combine("chord", header=[sign(task_id="a")], body=body), "options": links}
    assert len(read(link=chord)) == 3


def test_options_of_a_chain_are_those_of_its_beginning() -> None:
    tasks = [sign(task_id="a"), sign(task_id="b")]
    options = {"countdown": 5, "priority": 0, "task_id": "b"}
    found = read(link={**combine("chain", tasks=tasks), "options": options})
    assert [found[name].call["timing"] for name in "ab"] == [{"countdown": 5}, {}]
    assert [found[name].priority for name in "ab"] == [0, None]


def test_delay_of_a_chord_is_that_of_its_header() -> None:
    chord = combine("chord", header=[sign(task_id="a")], body=sign(task_id="b"))
    found = read(link={**chord, "options": {"countdown": 5, "expires": 9}})
    assert found["a"].call["timing"] == {"countdown": 5, "expires": 9}
    assert found["b"].call["timing"] == {"expires": 9}


@pytest.mark.parametrize("queue", ["default", "celery", "render_queue", "caption_queue"])
def test_queue_of_ours_or_theirs_is_taken(queue: str) -> None:
    assert len(read(link=sign(queue=queue))) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"link": sign(queue="nobodys")}, "no queue called 'nobodys'"),
        ({"link": sign(priority=11)}, "0 to 10"),
        ({"link": sign(priority=True)}, "0 to 10"),
        ({"link": combine("chord", header=[], body=sign())}, "without a header"),
        ({"link_error": combine("chain", tasks=[sign()])}, "immutable"),
        ({"link": sign("notify")}, "'notify' is no kind of job"),
        ({"chain": [sign("celery.map")]}, "'celery.map' is no kind of job"),
        ({"chain": [sign("celery.starmap")]}, "no kind of job"),
        ({"link": sign("step.probe_source")}, "no kind of job"),
        ({"link_error": sign()}, "immutable"),
        ({"link": 5}, "no list"),
        ({"link": [5]}, "no signature"),
        ({"chain": [{}]}, "names no task"),
        ({"link": {**sign(), "args": {"a": 1}, "options": []}}, "no object"),
        ({"link": sign(task_id=5)}, "task_id must be a text"),
        ({"link": sign(eta="soon")}, "'eta' is no time"),
        ({"link": sign("process_video", float("nan"))}, "NaN"),
        ({"link": [sign(task_id=str(n)) for n in range(MOST_FOLLOWERS + 1)]}, "More than"),
    ],
)
def test_what_cannot_be_kept_is_refused(options: dict[str, object], words: str) -> None:
    refused = refuse(**options)
    assert words in refused.message
    assert refused.hint


def test_deep_nesting_is_refused() -> None:
    nested = sign()
    for _ in range(100):
        nested = combine("chain", tasks=[nested])
    assert "nested too deep" in refuse(link=nested).message


@given(st.sampled_from(["link", "link_error", "chain"]), st.lists(odd_values, max_size=3))
def test_anything_is_read_or_refused(name: str, values: list[object]) -> None:
    for options in ({name: values}, {name: [{**sign(), "options": dict.fromkeys("ab", values)}]}):
        with suppress(CinemillError):
            read(**options)


@given(st.sampled_from(["args", "kwargs", "options", "immutable", "task"]), odd_values)
def test_any_member_of_a_signature_is_read_or_refused(name: str, value: object) -> None:
    with suppress(CinemillError):
        read(link=[{**sign(), name: value}])


RENDERED = {"asset_id": "1", "output_path": "/renders/a.mp4", "hits": [1]}


@pytest.mark.parametrize(
    ("result", "name", "value"),
    [
        (RENDERED, "path", "/renders/a.mp4"),
        (RENDERED, "asset", "/renders/a.mp4"),
        ({"asset_id": "1"}, "asset", "1"),
        ({"asset_id": "1", "output_path": "/a/master.m3u8"}, "path", "1"),
        ({"total": 1}, "path", {"total": 1}),
        (RENDERED, "hits", [1]),
        (RENDERED, "query", RENDERED),
        ([{"asset_id": "1"}, {"asset_id": "2"}], "assets", ["1", "2"]),
        ({"asset_id": "1"}, "assets", ["1"]),
        ([{"asset_id": "1"}], "path", "1"),
        ("text", "path", "text"),
        (None, "path", None),
    ],
)
def test_result_becomes_what_the_parameter_is_about(
    result: object, name: str, value: object
) -> None:
    assert adapt(result, name) == value
