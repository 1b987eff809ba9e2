"""Vision models as providers, end to end against a server on a local port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.provider_steps import run, store
from tests.vision_answers import ASSET, COMPLETION, JPEG, send

from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisRequest,
    ClipFrames,
    Material,
    VideoClip,
)
from cinemill.capabilities.analysis.providers.vision_models import (
    CosmosProvider,
    FramesProvider,
    Gateway,
    VilaProvider,
)
from cinemill.core.findings.finding import Finding
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import ProviderReplyInvalid, ProviderUnavailable
from cinemill.inference.providers.jobs import RunState
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.server import VisionServer

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, LittleServer


@pytest.fixture
def caller() -> Iterator[HttpCaller]:
    with HttpCaller(read_seconds=5) as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> VideoClip:
    path = tmp_path / "chunk.mp4"
    path.write_bytes(b"a clip")
    return VideoClip(path)


def serve(server: LittleServer, *answers: Answer) -> VisionServer:
    server.on("GET /v1/models", send({"data": [{"id": "m"}]}))
    server.on("POST /v1/chat/completions", *(answers or (send(COMPLETION),)))
    return VisionServer(server.url, api_key="k")


def make_request(material: Material) -> AnalysisRequest:
    return AnalysisRequest("step", 20_000, 30_000, material)


@pytest.mark.parametrize("kind", [CosmosProvider, FramesProvider])
def test_scene_of_a_model_covers_the_range_that_was_sent(
    caller: HttpCaller,
    server: LittleServer,
    clip: VideoClip,
    kind: type[CosmosProvider] | type[FramesProvider],
) -> None:
    material = clip if kind is CosmosProvider else ClipFrames((JPEG, JPEG))
    collected = run(kind(caller, serve(server)), make_request(material))
    description, tags = collected.sets
    assert description.findings == [
        Finding(20_000, 30_000, "A man opens a door.", details={"removed_times": 1})
    ]
    assert tags.findings == [Finding(20_000, 30_000, "door"), Finding(20_000, 30_000, "man")]
    assert (tags.model.provider, tags.model.name, tags.model.revision) == ("nvidia", "m", "m-2026")
    assert (collected.prompt_tokens, collected.completion_tokens) == (500, 20)


def test_answer_that_comes_later_survives_a_restart_of_the_worker(
    caller: HttpCaller, server: LittleServer
) -> None:
    vision = serve(server, send({}, 202, NVCF_REQID="req-1"))
    server.on("GET /v2/nvcf/pexec/status/req-1", send({}, 202), send({}, 503), send(COMPLETION))
    gateway = Gateway(nvcf_url=server.url)
    request = make_request(ClipFrames((JPEG,)))
    ticket = store(FramesProvider(caller, vision, gateway=gateway).start(request))
    running = FramesProvider(caller, vision, gateway=gateway).poll(ticket)
    assert running.state is RunState.RUNNING
    with pytest.raises(ProviderUnavailable):
        FramesProvider(caller, vision, gateway=gateway).poll(store(running.ticket))
    done = FramesProvider(caller, vision, gateway=gateway).poll(store(running.ticket))
    assert done.state is RunState.SUCCEEDED
    ended = FramesProvider(caller, vision, gateway=gateway)
    assert ended.poll(store(done.ticket)).state is RunState.SUCCEEDED
    assert len(ended.collect(store(done.ticket), request).sets) == 2
    assert sum("pexec" in one.path for one in server.seen) == 3


def host_vila(server: LittleServer, *answers: Answer) -> tuple[VisionServer, Gateway]:
    created = {"assetId": ASSET, "uploadUrl": f"{server.url}/bucket"}
    server.on("POST /v2/nvcf/assets", send(created))
    server.on("PUT /bucket", send({}))
    server.on(f"DELETE /v2/nvcf/assets/{ASSET}", send({}))
    server.on("POST /vila", *answers)
    return VisionServer(server.url, api_key="k"), Gateway(server.url, f"{server.url}/vila")


def list_calls(server: LittleServer) -> list[str]:
    return [f"{one.method} {one.path}".replace(ASSET, "ID") for one in server.seen]


UPLOAD = ["POST /v2/nvcf/assets", "PUT /bucket", "POST /vila"]
DELETE, STATUS = "DELETE /v2/nvcf/assets/ID", "GET /v2/nvcf/pexec/status/req-1"


def test_hosted_vila_deletes_the_clip_after_its_answer(
    caller: HttpCaller, server: LittleServer, clip: VideoClip
) -> None:
    vision, gateway = host_vila(server, send(COMPLETION))
    collected = run(VilaProvider(caller, vision, gateway=gateway), make_request(clip))
    assert collected.sets[0].findings[0].label == "A man opens a door."
    assert collected.sets[0].model.name == "nvidia/vila"
    assert list_calls(server) == [*UPLOAD, DELETE]


def test_hosted_vila_keeps_the_clip_until_the_answer_is_there(
    caller: HttpCaller, server: LittleServer, clip: VideoClip
) -> None:
    vision, gateway = host_vila(server, send({}, 202, NVCF_REQID="req-1"))
    server.on(STATUS, send({}, 202), send(COMPLETION))
    run(VilaProvider(caller, vision, gateway=gateway), make_request(clip))
    assert list_calls(server) == [*UPLOAD, STATUS, STATUS, DELETE]


@pytest.mark.parametrize("status", [400, 429, 500])
def test_hosted_vila_deletes_the_clip_of_a_request_that_failed(
    caller: HttpCaller, server: LittleServer, clip: VideoClip, status: int
) -> None:
    vision, gateway = host_vila(server, send({}, status))
    with pytest.raises((InputRejected, ProviderUnavailable)):
        VilaProvider(caller, vision, gateway=gateway).start(make_request(clip))
    assert list_calls(server) == [*UPLOAD, DELETE]


def test_hosted_vila_deletes_the_clip_of_an_answer_that_is_cut(
    caller: HttpCaller, server: LittleServer, clip: VideoClip
) -> None:
    vision, gateway = host_vila(server, send({}, 202, NVCF_REQID="req-1"))
    cut = {"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]}
    server.on(STATUS, send(cut))
    provider = VilaProvider(caller, vision, gateway=gateway)
    ticket = store(provider.start(make_request(clip)))
    with pytest.raises(ProviderReplyInvalid) as failed:
        provider.poll(ticket)
    assert failed.value.code == "provider_reply_cut"
    assert list_calls(server) == [*UPLOAD, STATUS, DELETE]


def test_hosted_vila_deletes_the_clip_of_a_cancelled_step(
    caller: HttpCaller, server: LittleServer, clip: VideoClip
) -> None:
    vision, gateway = host_vila(server, send({}, 202, NVCF_REQID="req-1"))
    provider = VilaProvider(caller, vision, gateway=gateway)
    provider.discard(store(provider.start(make_request(clip))))
    assert list_calls(server) == [*UPLOAD, DELETE]
