"""Which messages become Celery tasks, with valid headers, and which are refused and why."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.transport.virtual import Base64
from kombu.transport.virtual import Message as VirtualMessage
from tests.messages import EMBED, any_items, encode_body, make_message, nest, odd_values

from cinemill.worker.messages.envelope import INTERRUPTED_HEADER, exceeds_depth, read_envelope
from cinemill.worker.messages.guard import OPTIONS_HEADER, MessageGuard, MessageRefused

JOBS = frozenset({"process_video", "get_queue_stats"})
shallow_values = odd_values.filter(lambda value: not exceeds_depth(value, 5))
TASKS = JOBS | {"step.probe_source", "celery.backend_cleanup"}


class _Channel:
    no_ack_consumers = None

    def decode_body(self, body: str, encoding: str | None = None) -> Any:
        return Base64().decode(body) if encoding == "base64" else body


def receive(message: Any) -> VirtualMessage:
    """Return the message as the consumer gets it."""
    item = message if isinstance(message, bytes) else json.dumps(message).encode()
    return VirtualMessage(read_envelope(item, "default"), channel=_Channel())


def admit(message: Any) -> VirtualMessage:
    received = receive(message)
    MessageGuard(JOBS, TASKS).admit(received)
    return received


def check(item: bytes) -> VirtualMessage | MessageRefused:
    try:
        return admit(item)
    except MessageRefused as refused:
        return refused


def refuse(message: Any) -> MessageRefused:
    with pytest.raises(MessageRefused) as refused:
        admit(message)
    return refused.value


def assert_computable(message: VirtualMessage) -> None:
    """Assert all that Celery's strategy, request and pool rely on."""
    headers = message.headers
    assert isinstance(headers["id"], str)
    assert headers["task"] in TASKS
    assert headers["retries"] >= 0
    hard, soft = headers["timelimit"]
    assert all(limit is None or limit > 0 for limit in (hard, soft))
    assert len(headers["argsrepr"]) <= 200
    args, kwargs, embed = message.payload
    assert isinstance(args, list)
    assert isinstance(kwargs, dict)
    assert embed.keys() == EMBED.keys()
    decoded = message.decode()
    assert decoded == message.payload or "nan" in repr(decoded)
    pickle.dumps((headers, message.properties, message.payload))


@settings(deadline=None, max_examples=300)
@given(any_items)
def test_every_broker_item_is_admitted_valid_or_refused_with_a_reason(item: bytes) -> None:
    outcome = check(item)
    if isinstance(outcome, VirtualMessage):
        assert_computable(outcome)
    else:
        assert outcome.error.code
        assert 0 < len(outcome.error.message) < 1000
        assert len(outcome.task) <= 155


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_job_message_is_admitted_whatever_its_headers_except_the_id(data: st.DataObject) -> None:
    """Celery computes with each of these headers, and a job with none."""
    ignored = sorted(make_message()["headers"].keys() - {"id", "task", "eta", "expires"})
    names = data.draw(st.lists(st.sampled_from(ignored), min_size=1, max_size=5))
    message = make_message("process_video", ["film.mp4"])
    for name in names:
        message["headers"][name] = data.draw(shallow_values)
    admitted = admit(message)
    assert_computable(admitted)
    assert admitted.payload[0] == ["film.mp4"]


@pytest.mark.parametrize("name", ["task", "self", "args", "kwargs", "request", "asset_id"])
def test_guard_admits_any_keyword_argument(name: str) -> None:
    """The job itself checks later whether there is such a parameter."""
    assert admit(make_message("process_video", [], {name: {}})).payload[1] == {name: {}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eta": "9999-12-31T23:59:59-14:00"}, "'eta' is no time"),
        ({"eta": 5}, "'eta' is no time"),
        ({"eta": "x" * 100_000}, "'eta' is no time"),
        ({"expires": "yesterday"}, "'expires' is no time"),
        ({"expires": {"a": 1}}, "'expires' is no time"),
    ],
)
def test_job_message_with_an_invalid_time_is_refused(changes: dict[str, Any], words: str) -> None:
    message = make_message("process_video", **changes)
    refused = refuse(message)
    assert refused.error.message.startswith(words)
    assert refused.error.code == "arguments_invalid"
    assert (refused.task, refused.task_id) == ("process_video", message["headers"]["id"])


@pytest.mark.parametrize("option", ["eta", "expires"])
def test_job_message_with_a_future_time_keeps_it_for_its_job(option: str) -> None:
    """Celery itself would hold the message until then, and lose it with the worker."""
    moment = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    admitted = admit(make_message("process_video", **{option: moment}))
    assert admitted.headers[OPTIONS_HEADER] == {option: moment}
    assert (admitted.headers["eta"], admitted.headers["expires"]) == (None, None)


@pytest.mark.parametrize(
    ("member", "option"), [("callbacks", "link"), ("errbacks", "link_error"), ("chain", "chain")]
)
def test_job_message_keeps_what_follows_for_its_job(member: str, option: str) -> None:
    following = [{"task": "next"}]
    admitted = admit(make_message("process_video", embed={**EMBED, member: following}))
    assert admitted.headers[OPTIONS_HEADER] == {option: following}
    assert not any(admitted.payload[2].values())
    assert not any(json.loads(admitted.body)[2].values())


def test_job_message_without_either_has_no_such_header() -> None:
    assert OPTIONS_HEADER not in admit(make_message("process_video")).headers


def test_job_message_cannot_bring_that_header_itself() -> None:
    message = make_message("process_video", **{OPTIONS_HEADER: {"link": [{"task": "x"}]}})
    assert OPTIONS_HEADER not in admit(message).headers


@pytest.mark.parametrize(
    "name", ["process_video_task", "farm.tasks.process_video", "farm.tasks.process_video_task"]
)
def test_job_message_under_another_name_is_that_of_the_kind(name: str) -> None:
    admitted = admit(make_message(name, ["film.mp4"]))
    assert admitted.headers["task"] == "process_video"
    assert admitted.payload[0] == ["film.mp4"]


def test_job_message_with_a_chord_is_refused() -> None:
    refused = refuse(make_message("process_video", embed={**EMBED, "chord": {"task": "next"}}))
    assert "chord" in refused.error.message
    assert "cinemill.worker.tasks" in refused.error.hint


@pytest.mark.parametrize("task_id", [None, 5, [], {}, "", "x" * 1000, "a\x00b", "a\nb", "\ud800"])
def test_message_with_an_invalid_id_is_refused(task_id: Any) -> None:
    refused = refuse(make_message("process_video", id=task_id))
    assert refused.error.code == "message_malformed"
    assert refused.task_id == ""


LOOPS = ("celery.map", "celery.starmap", "celery.chunks")


@pytest.mark.parametrize("task", LOOPS)
def test_loop_over_jobs_within_a_worker_is_refused(task: str) -> None:
    """Each job ends the task that makes it, so that all but the first item would be lost."""
    loop = {"task": {"task": "process_video"}, "it": ["/films/a.mp4", "/films/b.mp4"]}
    received = receive(make_message(task, kwargs=loop))
    with pytest.raises(MessageRefused) as caught:
        MessageGuard(JOBS, TASKS | {*LOOPS}).admit(received)
    refused = caught.value
    assert refused.error.code == "arguments_invalid"
    assert "group" in refused.error.hint


@pytest.mark.parametrize("task", ["no_such_task", "step.no_such_step", "x" * 155])
def test_message_of_an_unknown_task_is_refused_by_name(task: str) -> None:
    refused = refuse(make_message(task))
    assert refused.error.code == "task_unknown"
    assert refused.task == task


@pytest.mark.parametrize("task", [None, 5, [], {}, "", "x" * 1000, "a\x00b"])
def test_message_with_an_invalid_task_name_is_refused(task: Any) -> None:
    assert refuse(make_message(task)).error.code == "message_malformed"


@pytest.mark.parametrize("run_id", [None, 5, [], {}, "", "x" * 1000, "a\x00b", "\ud800"])
def test_step_message_without_a_run_id_is_refused(run_id: Any) -> None:
    assert refuse(make_message("step.probe_source", [run_id])).error.code == "message_malformed"


@pytest.mark.parametrize(
    "limits", [5, "ab", [1], [1, 2, 3], ["1", None], [-1, None], [10**20, None], [True, None]]
)
def test_step_message_with_invalid_time_limits_is_refused(limits: Any) -> None:
    message = make_message("step.probe_source", ["run"], timelimit=limits)
    assert refuse(message).error.code == "message_malformed"


def test_step_message_keeps_its_time_limit() -> None:
    message = make_message("step.probe_source", ["run"], timelimit=[3600, None])
    assert admit(message).headers["timelimit"] == [3600, None]


@pytest.mark.parametrize(
    "changes", [{"eta": 5}, {"retries": "many"}, {"retries": -1}, {"timelimit": 7}]
)
def test_celery_task_with_invalid_headers_is_refused(changes: dict[str, Any]) -> None:
    assert refuse(make_message("celery.backend_cleanup", **changes)).error.code in {
        "message_malformed",
        "arguments_invalid",
    }


def test_celery_task_is_admitted() -> None:
    assert admit(make_message("celery.backend_cleanup", retries=3)).headers["retries"] == 3


@pytest.mark.parametrize("counted", [3, 4, 10**30])
def test_message_interrupted_three_times_is_refused(counted: int) -> None:
    message = make_message("process_video", **{INTERRUPTED_HEADER: counted})
    assert refuse(message).error.code == "message_interrupted"


@pytest.mark.parametrize("counted", [0, 1, 2, -1, "9", None])
def test_message_interrupted_less_often_is_admitted(counted: Any) -> None:
    admitted = admit(make_message("process_video", **{INTERRUPTED_HEADER: counted}))
    assert admitted.headers["task"] == "process_video"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "application/x-python-serialize"),
        ("content-type", "application/x-yaml"),
        ("content-type", None),
        ("content-encoding", "zlib_codec"),
        ("content-encoding", "utf-16"),
    ],
)
def test_message_that_is_not_utf_8_json_is_refused(name: str, value: str | None) -> None:
    refused = refuse({**make_message("process_video"), name: value})
    assert refused.error.code == "message_not_json"
    assert refused.task == "process_video"


@pytest.mark.parametrize("body", [None, 5, "text", [], [[]], [[], {}], [5, {}, {}], [[], [], {}]])
def test_message_body_of_another_shape_is_refused(body: Any) -> None:
    message = {**make_message("process_video"), "body": encode_body(body)}
    refused = refuse(message)
    assert refused.error.code == "message_malformed"
    assert refused.task_id == message["headers"]["id"]


@pytest.mark.parametrize(("depth", "is_fit"), [(31, True), (32, False), (600, False)])
def test_message_arguments_have_a_maximum_depth(depth: int, is_fit: bool) -> None:
    """The parameters are a dictionary that contains them: 32 levels in total."""
    message = make_message("process_video", [nest(depth)])
    if is_fit:
        assert_computable(admit(message))
    else:
        assert refuse(message).error.code == "message_too_deep"


def test_message_of_protocol_1_is_admitted() -> None:
    body = {"task": "process_video", "id": "by-protocol-1", "args": ["film.mp4"], "kwargs": {}}
    message = {**make_message(), "headers": {}, "body": encode_body(body)}
    admitted = admit(message)
    assert_computable(admitted)
    assert admitted.headers["id"] == "by-protocol-1"
    assert json.loads(admitted.body)[0] == ["film.mp4"]


def test_embedded_options_cannot_rename_a_task() -> None:
    embed = {**EMBED, "id": "another", "args": [1], "hostname": 5}
    admitted = admit(make_message("process_video", ["film.mp4"], embed=embed))
    assert json.loads(admitted.body)[2].keys() == EMBED.keys()


def test_job_message_with_a_past_eta_is_admitted() -> None:
    admitted = admit(make_message("process_video", eta="2020-01-01T00:00:00"))
    assert admitted.headers["eta"] is None


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ([60, 50], {"time_limit": 60, "soft_time_limit": 50}),
        ([None, 50], {"soft_time_limit": 50}),
        ([None, None], None),
        ([0, "soon"], None),
        ([60 * 24 * 3600, None], {"time_limit": 60 * 24 * 3600}),
    ],
)
def test_time_limits_are_those_of_the_job(limits: object, kept: object) -> None:
    admitted = admit(make_message("process_video", timelimit=limits))
    assert admitted.headers.get(OPTIONS_HEADER) == kept
    assert admitted.headers["timelimit"] == [None, None]


@pytest.mark.parametrize("year", [1990, 2020])
def test_expired_message_is_a_job_that_expires_at_once(year: int) -> None:
    """Celery revokes such a task; a refused message would be a failed job."""
    admitted = admit(make_message("process_video", expires=f"{year}-01-01T00:00:00+00:00"))
    expires = datetime.fromisoformat(admitted.headers[OPTIONS_HEADER]["expires"])
    assert timedelta() <= datetime.now(UTC) - expires < timedelta(hours=1)
