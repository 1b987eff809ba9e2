"""Providers end to end against servers on local ports, each step in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.rekognition_double import RekognitionDouble, connect, run_double

from cinemill.capabilities.analysis.providers.cost import DEFAULT_PRICES, estimate_cost
from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisProvider,
    AnalysisRequest,
    AnalysisTicket,
    ClipFrames,
    Collected,
    Material,
    VideoClip,
)
from cinemill.capabilities.analysis.providers.rekognition import RekognitionProvider
from cinemill.capabilities.analysis.providers.selection import open_provider, reopen_provider
from cinemill.capabilities.analysis.providers.vision_models import (
    CosmosProvider,
    FramesProvider,
    Gateway,
    VilaProvider,
)
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import (
    ProviderJobFailed,
    ProviderReplyInvalid,
    ProviderThrottled,
    ProviderUnavailable,
)
from cinemill.inference.providers.jobs import RunState
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.server import VisionServer
from cinemill.inference.providers.rekognition.features import Feature
from cinemill.inference.providers.rekognition.requests import S3Video

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, Exchange, LittleServer

VIDEO = S3Video("films", "talk.mp4", 5_000_000, 60_000)
WHOLE = AnalysisRequest("step", 0, 60_000, VIDEO)
ALL = tuple(Feature)
BOX = {"Left": 0.25, "Top": 0.5, "Width": 0.25, "Height": 0.25}
ASSET = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
SCENE = {"description": "At 0:07, a man opens a door.", "labels": ["man", "door"]}
COMPLETION = {
    "model": "m-2026",
    "choices": [{"message": {"content": json.dumps(SCENE)}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 500, "completion_tokens": 20},
}
JPEG = b"\xff\xd8\xff\xe0 a frame"


def send(document: Any, status: int = 200, **headers: object) -> Answer:
    def answer(exchange: Exchange) -> None:
        body = json.dumps(document).encode()
        exchange.begin(status, Content_Length=len(body), **headers)
        exchange.wfile.write(body)

    return answer


def store(ticket: AnalysisTicket) -> AnalysisTicket:
    """What is left of a ticket in a database."""
    return AnalysisTicket(ticket.provider, json.loads(json.dumps(ticket.state)))


def run(provider: AnalysisProvider, request: AnalysisRequest, *, most_polls: int = 9) -> Collected:
    """What a step does, without its pauses."""
    ticket = store(provider.start(request))
    for _ in range(most_polls):
        progress = provider.poll(ticket)
        ticket = store(progress.ticket)
        if progress.failure is not None:
            raise progress.failure
        if progress.state is RunState.SUCCEEDED:
            return provider.collect(ticket, request)
        assert progress.delay_seconds > 0
    raise AssertionError("it never ended")


@pytest.fixture
def double() -> Iterator[RekognitionDouble]:
    with run_double() as running:
        yield running


@pytest.fixture
def caller() -> Iterator[HttpCaller]:
    with HttpCaller(read_seconds=5) as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> VideoClip:
    path = tmp_path / "chunk.mp4"
    path.write_bytes(b"a clip")
    return VideoClip(path)


def fill(double: RekognitionDouble) -> None:
    car = {"Name": "Car", "Confidence": 90}
    cue = {"Type": "EndCredits", "Confidence": 95}
    double.script.results = {
        ("GetLabelDetection", "SEGMENTS"): [
            {"Label": car, "StartTimestampMillis": 1000, "EndTimestampMillis": 2000}
        ],
        ("GetLabelDetection", "TIMESTAMPS"): [
            {
                "Label": car | {"Instances": [{"BoundingBox": BOX, "Confidence": 80}]},
                "Timestamp": 1000,
            }
        ],
        ("GetSegmentDetection", None): [
            {
                "Type": "TECHNICAL_CUE",
                "StartTimestampMillis": 50_000,
                "EndTimestampMillis": 60_000,
                "TechnicalCueSegment": cue,
            },
            {
                "Type": "SHOT",
                "StartTimestampMillis": 0,
                "EndTimestampMillis": 60_400,
                "ShotSegment": {"Index": 0, "Confidence": 99},
            },
        ],
        ("GetFaceDetection", None): [
            {"Timestamp": 1500, "Face": {"BoundingBox": BOX, "Confidence": 99}}
        ],
        ("GetTextDetection", None): [
            {
                "Timestamp": moment,
                "TextDetection": {
                    "DetectedText": "EXIT",
                    "Type": "LINE",
                    "Id": 0,
                    "Confidence": 90,
                    "Geometry": {"BoundingBox": BOX},
                },
            }
            for moment in (3000, 3500, 4000)
        ],
        ("GetContentModeration", "SEGMENTS"): [
            {
                "ModerationLabel": {"Name": "Alcohol", "ParentName": "", "Confidence": 70},
                "StartTimestampMillis": 7000,
                "EndTimestampMillis": 8000,
            }
        ],
    }


def test_rekognition_finds_all_kinds_in_a_video(double: RekognitionDouble) -> None:
    fill(double)
    double.script.running_polls, double.script.page_items = 2, 2
    collected = run(RekognitionProvider(connect(double), ALL), WHOLE)
    found = {
        one.kind: [(f.start_ms, f.end_ms, f.label) for f in one.findings] for one in collected.sets
    }
    assert found == {
        FindingKind.TAG: [(1000, 2000, "Car")],
        FindingKind.OBJECT: [(1000, 1500, "Car")],
        FindingKind.SHOT: [(0, 60_000, "shot")],
        FindingKind.CUE: [(50_000, 60_000, "end credits")],
        FindingKind.FACE: [(1500, 2000, "face")],
        FindingKind.TEXT: [(3000, 4500, "EXIT")],
        FindingKind.MODERATION: [(7000, 8000, "Alcohol")],
    }
    revisions = {one.kind: one.model.revision for one in collected.sets}
    assert revisions[FindingKind.SHOT] == "SHOT:2.0,TECHNICAL_CUE:2.0"
    assert revisions[FindingKind.FACE] == ""
    assert len(double.jobs) == len(ALL)


def test_rekognition_that_finds_nothing_has_empty_sets(double: RekognitionDouble) -> None:
    collected = run(RekognitionProvider(connect(double), ALL), WHOLE)
    assert [one.findings for one in collected.sets] == [[]] * 7


def test_rekognition_start_that_is_throttled_in_the_middle_goes_on(
    double: RekognitionDouble,
) -> None:
    provider = RekognitionProvider(connect(double), ALL)
    double.script.faults["StartTextDetection"] = [
        lambda exchange: exchange.fail("LimitExceededException")
    ]
    with pytest.raises(ProviderThrottled):
        provider.start(WHOLE)
    provider.start(WHOLE, attempts=1)
    assert len(double.jobs) == len(ALL)


def test_rekognition_asks_ended_jobs_no_more(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), (Feature.LABELS, Feature.TEXT))
    ticket = provider.start(WHOLE)
    double.script.faults["GetTextDetection"] = [
        lambda exchange: exchange.succeed("GetTextDetection", {"JobStatus": "IN_PROGRESS"})
    ]
    first = provider.poll(ticket)
    assert (first.state, double.count("GetLabelDetection")) == (RunState.RUNNING, 1)
    second = provider.poll(store(first.ticket))
    assert (second.state, double.count("GetLabelDetection")) == (RunState.SUCCEEDED, 1)


def test_rekognition_job_that_failed_starts_anew_on_request(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), (Feature.FACES,))
    double.script.end = "FAILED"
    with pytest.raises(ProviderJobFailed):
        run(provider, WHOLE)
    double.script.end = "SUCCEEDED"
    again = AnalysisRequest("step", 0, 60_000, VIDEO, restarts=1)
    assert len(run(provider, again).sets) == 1
    assert len(double.jobs) == 2


def test_rekognition_costs_its_length_for_each_feature(double: RekognitionDouble) -> None:
    provider = RekognitionProvider(connect(double), ALL)
    estimate = estimate_cost(provider.list_consumption(WHOLE), DEFAULT_PRICES)
    assert (estimate.micros, estimate.unpriced) == (500_000, ())


@pytest.mark.parametrize("features", [(), (Feature.TEXT, Feature.TEXT)])
def test_rekognition_features_are_named_once(
    double: RekognitionDouble, features: tuple[Feature, ...]
) -> None:
    with pytest.raises(InputRejected) as refused:
        RekognitionProvider(connect(double), features)
    assert refused.value.code == "features_invalid"


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


def test_material_of_another_kind_is_refused(
    caller: HttpCaller, server: LittleServer, double: RekognitionDouble, clip: VideoClip
) -> None:
    vision = VisionServer(server.url)
    wrong: list[tuple[AnalysisProvider, Material]] = [
        (RekognitionProvider(connect(double), ALL), clip),
        (CosmosProvider(caller, vision), VIDEO),
        (FramesProvider(caller, vision), clip),
        (VilaProvider(caller, vision), ClipFrames((JPEG,))),
    ]
    for provider, material in wrong:
        with pytest.raises(InputRejected) as refused:
            provider.start(make_request(material))
        assert refused.value.code == "material_unsuitable"
    assert server.seen == double.seen == []


@pytest.mark.parametrize(("start_ms", "end_ms"), [(5, 5), (6, 5), (-1, 5)])
def test_range_that_is_empty_is_refused(
    caller: HttpCaller, server: LittleServer, start_ms: int, end_ms: int
) -> None:
    request = AnalysisRequest("step", start_ms, end_ms, ClipFrames((JPEG,)))
    with pytest.raises(InputRejected) as refused:
        FramesProvider(caller, VisionServer(server.url)).start(request)
    assert refused.value.code == "range_invalid"


@pytest.mark.parametrize("state", [{}, {"jobs": []}, {"model": 1}, {"model": "m", "more": 1}])
def test_ticket_of_another_version_is_refused(
    caller: HttpCaller, server: LittleServer, double: RekognitionDouble, state: Any
) -> None:
    providers: list[AnalysisProvider] = [
        RekognitionProvider(connect(double), ALL),
        FramesProvider(caller, VisionServer(server.url)),
    ]
    for provider in providers:
        with pytest.raises(ProviderReplyInvalid) as refused:
            provider.poll(AnalysisTicket(provider.name, state))
        assert refused.value.code == "provider_ticket_invalid"


def test_provider_is_opened_by_its_name(double: RekognitionDouble) -> None:
    configured = {"rekognition": lambda: RekognitionProvider(connect(double), ALL)}
    provider = open_provider("rekognition", configured)
    assert reopen_provider(provider.start(WHOLE), configured).name == "rekognition"


def test_provider_that_is_not_set_up_is_refused_with_a_hint() -> None:
    with pytest.raises(InputRejected) as refused:
        open_provider("rekogniton", {"rekognition": lambda: pytest.fail("it was opened")})
    assert refused.value.code == "provider_unknown"
    assert refused.value.hint == "Did you mean rekognition?"
