"""Every item of the broker is parsed within limits, and becomes an envelope valid for kombu."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.messages import any_items, encode_body, make_message, nest

from cinemill.core.documents import check_text
from cinemill.errors import InputRejected
from cinemill.worker.messages.envelope import (
    BODY_BYTES,
    ENVELOPE_BYTES,
    INTERRUPTED_HEADER,
    MAX_DEPTH,
    UNREADABLE_HEADER,
    check_broadcast,
    exceeds_depth,
    is_json,
    is_name,
    parse_body,
    read_envelope,
    read_held,
)
from cinemill.worker.messages.transport import read_interruptions

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(message: Any) -> dict[str, Any]:
    return read_envelope(json.dumps(message).encode(), "default")


def find_reason(message: Any) -> Any:
    return read(message)["headers"].get(UNREADABLE_HEADER, {}).get("code")


def assert_fit(envelope: dict[str, Any]) -> None:
    """Assert all that kombu relies on when it delivers, acknowledges or restores a message."""
    properties = envelope["properties"]
    assert isinstance(envelope["headers"], dict)
    assert isinstance(envelope["body"], str)
    assert isinstance(properties["delivery_tag"], str)
    assert properties["delivery_info"]["exchange"] == ""
    assert properties["delivery_info"]["routing_key"] == "default"
    assert isinstance(properties["priority"], int | str | None)
    assert "compression" not in envelope["headers"]
    if properties.get("body_encoding") == "base64":
        base64.b64decode(envelope["body"])
    json.dumps(envelope)


@settings(deadline=None, max_examples=300)
@given(any_items)
def test_every_broker_item_becomes_a_valid_envelope(item: bytes) -> None:
    assert_fit(read_envelope(item, "default"))


@settings(deadline=None, max_examples=200)
@given(any_items)
def test_held_message_is_restored_as_a_valid_envelope(item: bytes) -> None:
    once = read_envelope(item, "default")
    entry = json.dumps([once, "", "default"]).encode()
    again, queue = read_held(entry, "fallback")
    assert queue == "default"
    assert_fit(again)
    assert again["body"] == once["body"]
    assert again["headers"] == json.loads(json.dumps(once["headers"])) or "NaN" in str(once)


@settings(deadline=None)
@given(any_items)
def test_invalid_held_entry_goes_to_the_fallback_queue(entry: bytes) -> None:
    envelope, queue = read_held(entry, "default")
    assert isinstance(queue, str)
    assert_fit(envelope | {"properties": {**envelope["properties"], **_sent_to("default")}})


def _sent_to(queue: str) -> dict[str, Any]:
    return {"delivery_info": {"exchange": "", "routing_key": queue}}


def test_valid_message_is_read_unchanged() -> None:
    message = make_message("process_video", ["film.mp4"])
    envelope = read(message)
    assert envelope["headers"] == message["headers"]
    assert envelope["body"] == message["body"]


def test_messages_with_equal_delivery_tags_get_unique_ones() -> None:
    message = make_message()
    tags = {read(message)["properties"]["delivery_tag"] for _ in range(3)}
    assert len(tags) == 3


def test_envelope_is_addressed_to_the_queue_it_came_from() -> None:
    message = make_message()
    message["properties"]["delivery_info"] = {"exchange": "nowhere", "routing_key": "nothing"}
    info = read(message)["properties"]["delivery_info"]
    assert (info["exchange"], info["routing_key"]) == ("", "default")


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("application/x-gzip", zlib.compress),
        ("application/x-bz2", bz2.compress),
        ("application/x-lzma", lzma.compress),
    ],
)
class TestCompression:
    def test_compressed_body_is_decompressed(
        self, name: str, compress: Callable[[bytes], bytes]
    ) -> None:
        message = make_message(compression=name)
        plain = base64.b64decode(message["body"])
        message["body"] = base64.b64encode(compress(plain)).decode()
        assert base64.b64decode(read(message)["body"]) == plain

    def test_decompression_bomb_is_rejected(
        self, name: str, compress: Callable[[bytes], bytes]
    ) -> None:
        message = make_message(compression=name)
        message["body"] = base64.b64encode(compress(b" " * (BODY_BYTES * 8))).decode()
        assert find_reason(message) == "message_too_large"


def test_wrongly_declared_compression_is_rejected() -> None:
    assert find_reason(make_message(compression="application/x-gzip")) == "message_malformed"


@pytest.mark.parametrize("compression", ["zstd", "brotli", ["zlib"], {"a": 1}, 7])
def test_unknown_compression_is_rejected(compression: object) -> None:
    assert find_reason(make_message(compression=compression)) == "message_malformed"


@pytest.mark.parametrize("member", ["headers", "properties", "body", "content-type"])
@pytest.mark.parametrize("value", [[1], 5, True])
def test_envelope_member_of_the_wrong_type_is_rejected(member: str, value: object) -> None:
    assert find_reason({**make_message(), member: value}) == "message_malformed"


def test_invalid_message_keeps_its_task_and_id() -> None:
    message = {**make_message("process_video"), "body": [1]}
    headers = read(message)["headers"]
    assert (headers["task"], headers["id"]) == ("process_video", message["headers"]["id"])


def test_oversized_item_is_rejected_without_parsing() -> None:
    envelope = read_envelope(b"[" * (ENVELOPE_BYTES + 1), "default")
    reason = envelope["headers"][UNREADABLE_HEADER]
    assert reason["code"] == "message_too_large"
    assert reason["size_bytes"] == ENVELOPE_BYTES + 1
    assert len(json.dumps(envelope)) < 10_000


def test_timeline_of_ten_thousand_full_clips_fits_a_message() -> None:
    clip = {
        "video_path": "/srv/films/holiday 2026/scene-00012345.mp4",
        "start_time": 12.345,
        "end_time": 15.678,
        "speed": 1.25,
        "volume": 0.8,
        "fade_in": 0.5,
        "fade_out": 0.5,
        "transition": {"type": "crossfade", "duration": 0.5},
        "title": {"text": "A title of some forty characters, or so", "position": "bottom"},
    }
    job = {"scenes": [clip] * 10_000, "output_format": {"width": 1920, "height": 1080, "fps": 30}}
    envelope = read(make_message("render_video", [job]))
    assert UNREADABLE_HEADER not in envelope["headers"]
    body = parse_body(base64.b64decode(envelope["body"]))
    assert len(body[0][0]["scenes"]) == 10_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "message_not_json"),
        (b"nonsense", "message_not_json"),
        (b"\xff\xfe", "message_not_json"),
        (b"1" * 10_000, "message_not_json"),
        (b'{"__type__": "datetime", "__value__": "never"}', "message_not_json"),
        (b"[" * 50_000, "message_too_deep"),
        (json.dumps(nest(MAX_DEPTH + 2)).encode(), "message_too_deep"),
        (b" " * (BODY_BYTES + 1), "message_too_large"),
        (b"[" + b"0," * 600_000 + b"0]", "message_too_large"),
    ],
    ids=[
        *("empty", "text", "bytes", "long number", "forged type"),
        *("brackets", "nested", "blanks", "many values"),
    ],
)
def test_message_body_beyond_its_limits_is_rejected(body: bytes, code: str) -> None:
    with pytest.raises(InputRejected) as refused:
        parse_body(body)
    assert refused.value.code == code


@given(json_values, st.integers(1, 6))
def test_nesting_depth_is_counted_correctly(value: Any, most: int) -> None:
    def measure(one: Any) -> int:
        if isinstance(one, dict):
            one = list(one.values())
        return 1 + max(map(measure, one), default=0) if isinstance(one, list) else 0

    assert exceeds_depth(value, most) is (measure(value) > most)


@pytest.mark.parametrize("name", ["a", "delivered-thrice", "x" * 155, "Größe 7"])
def test_valid_ids_are_accepted(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "影" * 100, "x" * 156, "a\x00", "a\n", "\ud800", " a", 5, None, ["a"]]
)
def test_invalid_ids_are_rejected(name: object) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("name", ["影" * 85, "é" * 127])
def test_id_of_the_maximum_length_in_bytes_is_accepted(name: str) -> None:
    assert is_name(name)
    check_text(name, "job_id")


@given(st.text())
def test_every_accepted_id_can_be_a_job_id(name: str) -> None:
    if is_name(name):
        check_text(name, "job_id")


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ('Application/JSON;charset="UTF-8"', True),
        ("application/json; charset=utf-16", False),
        ("application/json; version=2", False),
        ("text/plain; charset=utf-8", False),
        ("", False),
        (None, False),
    ],
)
def test_json_is_recognized_by_its_content_type(content_type: str | None, is_read: bool) -> None:
    assert is_json(content_type, "utf-8") is is_read


@pytest.mark.parametrize("counted", [None, "3", -5, 2.5, [3], {}])
def test_invalid_interruption_count_is_zero(counted: object) -> None:
    assert read_interruptions({INTERRUPTED_HEADER: counted}) == 0


@settings(deadline=None)
@given(any_items)
def test_broadcast_is_valid_or_rejected(item: bytes) -> None:
    try:
        document = json.loads(item)
    except (ValueError, RecursionError):
        return
    try:
        checked = check_broadcast(document)
    except InputRejected:
        return
    assert isinstance(checked["properties"]["delivery_info"], dict)
    assert is_name(checked["properties"]["delivery_tag"])


def test_compressed_broadcast_is_rejected() -> None:
    with pytest.raises(InputRejected):
        check_broadcast(make_message(compression="zlib"))


def test_valid_broadcast_keeps_its_body() -> None:
    message = {**make_message(), "body": encode_body({"method": "ping"})}
    assert check_broadcast(message)["body"] == message["body"]
