"""Clients of language models against a real HTTP server that replies what servers reply."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.model_servers import (
    ModelServer,
    ServerReply,
    anthropic_document,
    anthropic_stream,
    openai_document,
    openai_stream,
    reply_json,
    serve_replies,
)

from cinemill.errors import CinemillError
from cinemill.inference.language_models.anthropic import AnthropicModel
from cinemill.inference.language_models.connection import Clock, ServerLimits, read_retry_after
from cinemill.inference.language_models.events import read_events
from cinemill.inference.language_models.openai import OpenAIModel
from cinemill.inference.language_models.protocol import (
    Completion,
    LanguageModel,
    Message,
    Prompt,
    ReplySchema,
    Speaker,
)

KEY = "sk-secret-key"
PROMPT = Prompt("Be brief.", (Message(Speaker.USER, "How are you?"),), most_tokens=77)
SCHEMA = ReplySchema("answer", {"type": "object", "properties": {"a": {"type": "string"}}})
WITH_SCHEMA = Prompt("Be brief.", PROMPT.messages, SCHEMA)


@dataclass(slots=True)
class Time:
    """A clock that moves only while the client waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Provider:
    """One of the two protocols."""

    open: Callable[[str, ServerLimits, Clock], Any]
    whole: Callable[..., dict[str, Any]]
    streamed: Callable[..., ServerReply]
    cut: str
    """How it says that a reply reached the limit of tokens."""


PROVIDERS = {
    "openai": Provider(
        lambda url, limits, clock: OpenAIModel(url, "m", KEY, limits=limits, clock=clock),
        openai_document,
        openai_stream,
        "length",
    ),
    "anthropic": Provider(
        lambda url, limits, clock: AnthropicModel("m", KEY, url, limits=limits, clock=clock),
        anthropic_document,
        anthropic_stream,
        "max_tokens",
    ),
}


@pytest.fixture(params=list(PROVIDERS.values()), ids=list(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def open_model(provider: Provider, time: Time) -> Iterator[Callable[..., LanguageModel]]:
    opened = []

    def open_one(server: ModelServer, **limits: Any) -> LanguageModel:
        clock = Clock(lambda: time.now, time.sleep)
        model = provider.open(server.url, ServerLimits(**limits), clock)
        opened.append(model)
        return model  # type: ignore[no-any-return]

    yield open_one
    for model in opened:
        model.close()


OpenModel = Callable[..., LanguageModel]


def fail(call: Callable[[], object]) -> CinemillError:
    """Return what a call raises, without the key in it."""
    with pytest.raises(CinemillError) as failed:
        call()
    assert KEY not in f"{failed.value.message} {failed.value.hint}"
    return failed.value


def test_reply_is_returned_with_its_tokens(provider: Provider, open_model: OpenModel) -> None:
    with serve_replies(reply_json(provider.whole("Well."))) as server:
        completion = open_model(server).complete(PROMPT)
    assert completion == Completion("Well.", "served-model", 9, 12)
    (request,) = server.requests
    assert request.path in ("/v1/chat/completions", "/v1/messages")
    assert KEY in (request.headers.get("Authorization", "") + request.headers.get("x-api-key", ""))
    assert request.document["model"] == "m"
    assert request.document["max_tokens"] == 77
    assert {"role": "user", "content": "How are you?"} in request.document["messages"]
    assert "tools" not in request.document


def test_reply_is_streamed_in_pieces(provider: Provider, open_model: OpenModel) -> None:
    pieces = ["Very ", "well, ", "ünd yöu?"]
    with serve_replies(provider.streamed(*pieces)) as server:
        assert list(open_model(server).stream(PROMPT)) == pieces
    assert server.requests[0].document["stream"] is True


ODD = "a\x00b \ud83d-\udcff"
STORABLE = "ab ?-?"


def test_reply_with_text_that_cannot_be_stored_is_made_storable(
    provider: Provider, open_model: OpenModel
) -> None:
    with serve_replies(reply_json({**provider.whole(ODD), "model": ODD})) as server:
        completion = open_model(server).complete(PROMPT)
    assert (completion.text, completion.model) == (STORABLE, STORABLE)
    with serve_replies(provider.streamed(*ODD)) as server:
        assert "".join(open_model(server).stream(PROMPT)) == STORABLE


def test_schema_is_sent_along(provider: Provider, open_model: OpenModel) -> None:
    with serve_replies(reply_json(provider.whole('{"a": "b"}'))) as server:
        open_model(server).complete(WITH_SCHEMA)
    document = server.requests[0].document
    wanted = document.get("response_format") or document["output_config"]["format"]
    assert wanted["type"] == "json_schema"
    assert (wanted.get("json_schema") or wanted)["schema"] == SCHEMA.schema


def test_server_that_refuses_schemas_reads_them_instead(
    provider: Provider, open_model: OpenModel
) -> None:
    refused = reply_json({"error": {"message": "response_format is not supported"}}, 400)
    good = reply_json(provider.whole('{"a": "b"}'))
    with serve_replies(refused, good) as server:
        model = open_model(server)
        model.complete(WITH_SCHEMA)
        model.complete(WITH_SCHEMA)
    assert len(server.requests) == 3  # it is not sent a schema again
    for request in server.requests[1:]:
        assert not {"response_format", "output_config"} & request.document.keys()
        assert "JSON schema" in str(request.document)


def test_request_that_is_refused_without_a_schema_too_fails(open_model: OpenModel) -> None:
    with serve_replies(reply_json({"error": {"message": f"bad key {KEY}"}}, 400)) as server:
        model = open_model(server)
        error = fail(lambda: model.complete(WITH_SCHEMA))
        fail(lambda: model.complete(WITH_SCHEMA))
    assert error.code == "language_model_refused"
    assert not error.is_retryable
    # The schema was not to blame, so that it is tried again.
    assert len(server.requests) == 4


@pytest.mark.parametrize("status", [401, 403, 404, 413])
def test_refusal_is_not_repeated(open_model: OpenModel, status: int) -> None:
    with serve_replies(reply_json({"error": {"message": "no"}}, status)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_refused"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_attempt_is_repeated_after_the_time_that_the_server_asks_for(
    provider: Provider, open_model: OpenModel, time: Time, status: int
) -> None:
    busy = reply_json({"error": "busy"}, status, Retry_After="7")
    with serve_replies(busy, busy, reply_json(provider.whole("Well."))) as server:
        assert open_model(server).complete(PROMPT).text == "Well."
    assert time.waits == [7.0, 7.0]


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "language_model_busy"), (503, "language_model_unavailable")],
)
def test_attempts_end(open_model: OpenModel, time: Time, status: int, code: str) -> None:
    with serve_replies(reply_json({}, status)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == code
        assert fail(lambda: list(model.stream(PROMPT))).code == code
    assert len(server.requests) == 6
    assert time.waits == [1.0, 2.0] * 2


def test_server_that_asks_for_an_hour_is_busy_at_once(open_model: OpenModel, time: Time) -> None:
    with serve_replies(reply_json({}, 429, Retry_After="3600")) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_busy"
    assert time.waits == []


def test_server_that_is_not_there_is_unavailable(open_model: OpenModel, time: Time) -> None:
    with serve_replies(ServerReply()) as server:
        pass
    model = open_model(server)
    assert fail(lambda: model.complete(PROMPT)).code == "language_model_unavailable"
    assert len(time.waits) == 2


def test_silent_server_times_out(open_model: OpenModel) -> None:
    hold = threading.Event()
    with serve_replies(ServerReply(hold=hold)) as server:
        model = open_model(server, read_seconds=0.05, attempts=1)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_timeout"
        hold.set()


def test_endless_stream_times_out(provider: Provider, open_model: OpenModel, time: Time) -> None:
    is_late = threading.Event()
    whole = provider.streamed(*["word "] * 50)
    assert whole.chunks is not None
    events = list(whole.chunks)
    middle = len(events) // 2

    def send() -> Iterator[bytes]:
        yield b"".join(events[:middle])
        is_late.wait(60)
        yield b"".join(events[middle:])

    with serve_replies(replace(whole, chunks=send())) as server:
        pieces = open_model(server, total_seconds=10).stream(PROMPT)
        assert next(pieces) == "word "
        time.now += 11
        is_late.set()
        assert fail(lambda: list(pieces)).code == "language_model_timeout"


def test_endless_reply_is_not_read_to_its_end(provider: Provider, open_model: OpenModel) -> None:
    huge = reply_json(provider.whole("x" * 50_000))
    with serve_replies(huge, provider.streamed(*["x" * 1000] * 50)) as server:
        model = open_model(server, most_bytes=10_000)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_reply_too_large"
        assert fail(lambda: list(model.stream(PROMPT))).code == "language_model_reply_too_large"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_reply_is_an_error(provider: Provider, open_model: OpenModel, text: str) -> None:
    with serve_replies(reply_json(provider.whole(text)), provider.streamed(text)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_reply_empty"
        assert fail(lambda: list(model.stream(PROMPT))).code == "language_model_reply_empty"


def test_reply_that_was_cut_off_is_an_error(provider: Provider, open_model: OpenModel) -> None:
    whole = reply_json(provider.whole("Well, I", provider.cut))
    streamed = provider.streamed("Well, I", end=provider.cut)
    unended = provider.streamed("Well, I", end=None)
    with serve_replies(whole, streamed, unended) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_reply_cut_off"
        for _ in range(2):
            error = fail(lambda: list(model.stream(PROMPT)))
            assert error.code == "language_model_reply_cut_off"


def test_connection_that_breaks_off_is_an_error(open_model: OpenModel) -> None:
    with serve_replies(ServerReply(body=b'{"choices": ', is_broken_off=True)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_unavailable"


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"<html>", b"[" * 100_000, b"\xff"])
def test_reply_of_another_form_is_an_error(open_model: OpenModel, body: bytes) -> None:
    with serve_replies(ServerReply(body=body)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_reply_invalid"


@pytest.mark.parametrize(
    "body", [b"{}", b'{"choices": 1}', b'{"choices": [[]]}', b'{"content": {"a": 1}}']
)
def test_reply_without_its_parts_is_an_error(open_model: OpenModel, body: bytes) -> None:
    with serve_replies(ServerReply(body=body)) as server:
        model = open_model(server)
        assert fail(lambda: model.complete(PROMPT)).code == "language_model_reply_cut_off"


def test_error_within_a_stream_is_an_error(open_model: OpenModel) -> None:
    event = b'data: {"type": "error", "error": {"message": "overloaded"}}\n\n'
    with serve_replies(ServerReply(chunks=[event])) as server:
        model = open_model(server)
        error = fail(lambda: list(model.stream(PROMPT)))
    assert error.code == "language_model_reply_invalid"
    assert "overloaded" in error.message


def test_redirects_are_not_followed(open_model: OpenModel) -> None:
    with serve_replies(ServerReply()) as other:
        away = ServerReply(307, headers=(("Location", f"{other.url}/chat/completions"),))
        with serve_replies(away) as server:
            model = open_model(server)
            assert fail(lambda: model.complete(PROMPT)).code == "language_model_refused"
    assert other.requests == []


def test_stream_that_is_closed_ends_the_request(provider: Provider, open_model: OpenModel) -> None:
    with serve_replies(provider.streamed(*["word "] * 1000)) as server:
        pieces = open_model(server).stream(PROMPT)
        assert next(pieces) == "word "
        pieces.close()  # type: ignore[attr-defined]
        assert list(pieces) == []


@pytest.mark.parametrize("url", ["", "ftp://host/v1", "host:80", "http://", "file:///x"])
def test_wrong_address_is_refused(url: str) -> None:
    error = fail(lambda: OpenAIModel(url, "m", KEY))
    assert error.code == "language_model_address"


def test_key_that_no_header_can_hold_is_refused() -> None:
    error = fail(lambda: OpenAIModel("http://127.0.0.1:1/v1", "m", "schlüssel\n…"))
    assert error.code == "language_model_address"


def test_retry_after_is_read_in_both_forms() -> None:
    assert read_retry_after({"retry-after": "7"}) == 7
    assert read_retry_after({}) is None
    assert read_retry_after({"retry-after": "soon"}) is None
    assert read_retry_after({"retry-after": "-5"}) is None
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert read_retry_after({"retry-after": past}) == 0
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    found = read_retry_after({"retry-after": later})
    assert found is not None
    assert found > 1800


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_read_whatever_the_pieces_and_line_ends(size: int, end: bytes) -> None:
    lines = [b": hi", b"event: x", b'data: {"a":', b'data: "\xc3\xbc"}', b"", b'data:{"b":1}', b""]
    content = end.join([*lines, b"data: [DONE]", b"", b"data: nonsense", b""])
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    assert list(read_events(chunks, "m")) == [{"a": "ü"}, {"b": 1}]
