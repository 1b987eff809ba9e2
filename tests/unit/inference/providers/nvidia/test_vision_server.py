"""A vision server over HTTP: readiness, the model it serves, requests and polling."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.vision_answers import COMPLETION, JPEG, send

from cinemill.errors import CinemillError, InputRejected, TooLarge
from cinemill.inference.providers.failures import (
    ProviderDenied,
    ProviderJobFailed,
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.jobs import RunState
from cinemill.inference.providers.nvidia import chat
from cinemill.inference.providers.nvidia.chat import (
    ChatOptions,
    build_frames_request,
    build_video_request,
    encode_clip,
    encode_frames,
)
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.requests import (
    MOST_POLLS,
    ask_model,
    poll_request,
)
from cinemill.inference.providers.nvidia.server import VisionServer, is_ready, read_model_id

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, Exchange, LittleServer

MODEL = "nvidia/cosmos-reason2-8b"
CHAT = "POST /v1/chat/completions"
STATUS = "GET /v2/nvcf/pexec/status/req-1"


@pytest.fixture
def caller() -> Iterator[HttpCaller]:
    with HttpCaller(read_seconds=5) as running:
        yield running


@pytest.fixture
def vision(server: LittleServer) -> VisionServer:
    server.on("GET /v1/models", send({"object": "list", "data": [{"id": MODEL}]}))
    server.on(CHAT, send(COMPLETION))
    return VisionServer(server.url, api_key="nvapi-secret")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "chunk.mp4"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def ask(caller: HttpCaller, vision: VisionServer) -> Any:
    request = build_frames_request(MODEL, encode_frames([JPEG]), ChatOptions())
    return ask_model(caller, vision, request)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_model_id_is_the_servers_own(
    caller: HttpCaller, server: LittleServer, vision: VisionServer, ending: str
) -> None:
    assert read_model_id(caller, VisionServer(server.url + ending, api_key="nvapi-secret")) == MODEL
    assert server.seen[-1].headers["authorization"] == "Bearer nvapi-secret"
    assert vision.api_key is not None
    assert vision.api_key not in repr(vision)


@pytest.mark.parametrize(
    ("served", "chosen", "code"),
    [
        ([], None, "provider_model_ambiguous"),
        (["a", "b"], None, "provider_model_ambiguous"),
        (["a", "b"], "c", "provider_model_unknown"),
    ],
)
def test_model_that_is_not_served_is_refused(
    caller: HttpCaller, server: LittleServer, served: list[str], chosen: str | None, code: str
) -> None:
    server.on("GET /v1/models", send({"data": [{"id": one} for one in served]}))
    with pytest.raises(ProviderRejected) as refused:
        read_model_id(caller, VisionServer(server.url, model=chosen))
    assert refused.value.code == code


def test_chosen_model_is_used_where_several_are_served(
    caller: HttpCaller, server: LittleServer
) -> None:
    server.on("GET /v1/models", send({"data": [{"id": "a"}, {"id": "b"}]}))
    assert read_model_id(caller, VisionServer(server.url, model="b")) == "b"


@pytest.mark.parametrize(
    "document",
    [b"{", b"[]", {}, {"data": {}}, {"data": [{"name": "a"}]}, {"data": [{"id": "a\n"}]}],
)
def test_list_of_models_of_another_shape_is_refused(
    caller: HttpCaller, server: LittleServer, document: Any
) -> None:
    server.on("GET /v1/models", send(document))
    with pytest.raises(ProviderReplyInvalid):
        read_model_id(caller, VisionServer(server.url))


@pytest.mark.parametrize(
    ("health", "models", "expected"),
    [(200, 500, True), (503, 200, False), (404, 200, True), (404, 503, False), (404, 404, False)],
)
def test_readiness_is_the_servers_own_word(
    caller: HttpCaller, server: LittleServer, health: int, models: int, expected: bool
) -> None:
    server.on("GET /v1/health/ready", send({"status": "ready"}, health))
    server.on("GET /v1/models", send({"data": []}, models))
    assert is_ready(caller, VisionServer(server.url)) is expected


def test_server_that_is_away_is_not_ready(caller: HttpCaller) -> None:
    assert is_ready(caller, VisionServer("http://127.0.0.1:1")) is False


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host", "http://", "http://me:secret@host", "http://[::1"]
)
def test_address_that_is_none_is_refused(caller: HttpCaller, url: str) -> None:
    with pytest.raises(InputRejected) as refused:
        read_model_id(caller, VisionServer(url))
    assert refused.value.code == "provider_url_invalid"


def test_frames_are_sent_as_images_before_the_question(
    caller: HttpCaller, server: LittleServer, vision: VisionServer
) -> None:
    frames = [JPEG + bytes([number]) for number in range(3)]
    request = build_frames_request(MODEL, encode_frames(frames), ChatOptions(max_tokens=300))
    answer = ask_model(caller, vision, request)
    assert answer.scene is not None
    assert answer.scene.description == "A man opens a door."
    sent = json.loads(server.seen[-1].body)
    *images, question = sent["messages"][0]["content"]
    uris = [one["image_url"]["url"] for one in images]
    assert [base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")) for uri in uris] == frames
    assert question["type"] == "text"
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == (MODEL, 300, False)
    assert sent["response_format"]["json_schema"]["schema"]["required"] == ["description", "labels"]


def test_clip_is_sent_within_the_request(
    caller: HttpCaller, server: LittleServer, vision: VisionServer, clip: Path
) -> None:
    options = ChatOptions(sends_schema=False, frames_per_second=2)
    ask_model(caller, vision, build_video_request(MODEL, encode_clip(clip), options))
    sent = json.loads(server.seen[-1].body)
    uri = sent["messages"][0]["content"][0]["video_url"]["url"]
    assert base64.b64decode(uri.removeprefix("data:video/mp4;base64,")) == clip.read_bytes()
    assert sent["media_io_kwargs"] == {"video": {"fps": 2}}
    assert "response_format" not in sent


def test_empty_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InputRejected) as refused:
        encode_clip(tmp_path / "empty.mp4")
    assert refused.value.code == "video_empty"


def test_clip_beyond_the_bound_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST_INLINE_BYTES", 1000)
    with pytest.raises(TooLarge) as refused:
        encode_clip(clip)
    assert refused.value.code == "clip_too_large"
    with pytest.raises(TooLarge):
        encode_frames([JPEG + bytes(400)] * 3)


@pytest.mark.parametrize("frames", [[], [JPEG] * 33, [b"GIF89a"], [b""]])
def test_frames_that_are_none_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(InputRejected) as refused:
        encode_frames(frames)
    assert refused.value.code == "frames_invalid"


@pytest.mark.parametrize(
    ("answer", "kind", "code", "is_retryable"),
    [
        (send({}, 401), ProviderDenied, "provider_denied", False),
        (send({}, 402), ProviderDenied, "provider_denied", False),
        (send({}, 403), ProviderDenied, "provider_denied", False),
        (send({}, 400), ProviderRejected, "provider_rejected", False),
        (send({}, 404), ProviderRejected, "provider_address_unknown", False),
        (send({}, 413), ProviderRejected, "provider_rejected", False),
        (send({}, 422), ProviderRejected, "provider_rejected", False),
        (send({}, 500), ProviderUnavailable, "provider_unavailable", True),
        (send({}, 503), ProviderUnavailable, "provider_unavailable", True),
        (
            send({}, 302, Location="http://127.0.0.1:1/"),
            ProviderReplyInvalid,
            "provider_reply_invalid",
            True,
        ),
        (send(b'{"choices": ['), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send(b""), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send(b"[]"), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send(b"[" * 100_000), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send(b" " * 2**21), ProviderReplyInvalid, "provider_reply_too_large", True),
        (send({}, 202), ProviderReplyInvalid, "provider_reply_invalid", True),
        (send({}, 202, NVCF_REQID="../x"), ProviderReplyInvalid, "provider_reply_invalid", True),
    ],
)
def test_failure_of_a_request_has_a_stable_code(
    caller: HttpCaller,
    server: LittleServer,
    vision: VisionServer,
    answer: Answer,
    kind: type[CinemillError],
    code: str,
    is_retryable: bool,
) -> None:
    server.on(CHAT, answer)
    with pytest.raises(kind) as failed:
        ask(caller, vision)
    assert (failed.value.code, failed.value.is_retryable) == (code, is_retryable)
    assert "nvapi-secret" not in failed.value.message


def test_connection_that_breaks_is_unavailable(
    caller: HttpCaller, server: LittleServer, vision: VisionServer
) -> None:
    def break_off(exchange: Exchange) -> None:
        exchange.begin(200, Content_Length=5000)
        exchange.wfile.write(b'{"choices"')
        exchange.close_connection = True

    server.on(CHAT, break_off)
    with pytest.raises(ProviderUnavailable) as failed:
        ask(caller, vision)
    assert failed.value.code == "provider_unavailable"


def test_server_that_never_replies_times_out(server: LittleServer, vision: VisionServer) -> None:
    def stay_silent(exchange: Exchange) -> None:
        exchange.rfile.read(1)  # until the client hangs up

    server.on(CHAT, stay_silent)
    with HttpCaller(read_seconds=0.2) as caller, pytest.raises(ProviderUnavailable) as failed:
        ask(caller, vision)
    assert failed.value.code == "provider_timeout"


def test_server_that_drips_bytes_times_out(server: LittleServer, vision: VisionServer) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.begin(200, Content_Length=10**6)
        for _ in range(10**6):
            exchange.wfile.write(b" ")

    server.on(CHAT, drip)
    with HttpCaller(longest_call_seconds=0.0) as caller, pytest.raises(ProviderUnavailable) as late:
        ask(caller, vision)
    assert late.value.code == "provider_timeout"


def test_throttled_request_states_the_pause(
    caller: HttpCaller, server: LittleServer, vision: VisionServer
) -> None:
    server.on(CHAT, send({}, 429, Retry_After=120), send({}, 429), send(COMPLETION))
    pauses = []
    for _ in range(2):
        with pytest.raises(ProviderThrottled) as throttled:
            ask(caller, vision)
        pauses.append(throttled.value.delay_seconds)
    assert pauses[0] == 120
    assert 2.5 <= pauses[1] <= 5
    assert ask(caller, vision).scene is not None


def test_answer_that_comes_later_is_polled(
    caller: HttpCaller, server: LittleServer, vision: VisionServer
) -> None:
    server.on(CHAT, send({}, 202, NVCF_REQID="req-1"))
    server.on(STATUS, send({}, 202), send({}, 429), send(COMPLETION))
    request_id = ask(caller, vision).request_id
    assert request_id == "req-1"
    polled = [
        poll_request(caller, request_id, api_key="k", polls=number, nvcf_url=server.url)
        for number in range(3)
    ]
    assert [one.result.state for one in polled] == [
        RunState.RUNNING,
        RunState.RUNNING,
        RunState.SUCCEEDED,
    ]
    assert polled[0].result.delay_seconds >= 1
    assert polled[1].result.delay_seconds >= 5
    assert polled[2].scene is not None
    assert server.seen[-1].headers["authorization"] == "Bearer k"


def test_answer_that_never_comes_is_given_up(caller: HttpCaller, server: LittleServer) -> None:
    polled = poll_request(caller, "req-1", api_key="k", polls=MOST_POLLS, nvcf_url=server.url)
    assert polled.result.state is RunState.FAILED
    assert isinstance(polled.result.failure, ProviderJobFailed)
    assert polled.result.failure.code == "provider_stalled"
    assert server.seen == []
