"""One question to a model: asked once, and polled where NVIDIA's functions reply later."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cinemill.core.documents import JsonObject
from cinemill.inference.providers.backoff import choose_delay_seconds
from cinemill.inference.providers.failures import (
    ProviderJobFailed,
    ProviderReplyInvalid,
    ProviderThrottled,
)
from cinemill.inference.providers.jobs import PollResult, RunState
from cinemill.inference.providers.nvidia.assets import NVCF_URL
from cinemill.inference.providers.nvidia.chat import INSTRUCTION, VIDEO_TYPE, ChatOptions
from cinemill.inference.providers.nvidia.http import HttpCaller, HttpReply, read_json
from cinemill.inference.providers.nvidia.replies import SceneReply, read_scene
from cinemill.inference.providers.nvidia.server import VisionServer, check_url

VILA_URL = "https://ai.api.nvidia.com/v1/vlm/nvidia/vila"
VILA_MODEL = "nvidia/vila"
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 2.0, 30.0
MOST_POLLS = 240
"""An hour or two of polling; then the request is given up."""
HOLD_SECONDS = 5
"""How long NVIDIA's gateway may keep a request open before it replies 202."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,128}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question: ``scene``, or the id under which it is polled."""

    scene: SceneReply | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found, with the scene where it is there."""

    result: PollResult
    scene: SceneReply | None = None


def ask_model(
    caller: HttpCaller, server: VisionServer, request: JsonObject, *, attempts: int = 0
) -> Answer:
    """Send a request of ``chat`` to a server, and return its answer.

    ``attempts`` counts how often the request was throttled. Raises what the caller and
    ``read_scene`` raise.
    """
    reply = caller.call(
        "POST",
        server.locate("/v1/chat/completions"),
        api_key=server.api_key,
        document=request,
        headers={"NVCF-POLL-SECONDS": str(HOLD_SECONDS)},
        attempts=attempts,
    )
    return _read_answer(reply)


def ask_vila(
    caller: HttpCaller,
    asset_id: str,
    options: ChatOptions,
    *,
    api_key: str,
    url: str = VILA_URL,
    model: str = VILA_MODEL,
    attempts: int = 0,
) -> Answer:
    """Ask the hosted VILA about an uploaded clip, and return its answer.

    Raises what the caller and ``read_scene`` raise.
    """
    media = f'<video src="data:{VIDEO_TYPE};asset_id,{asset_id}" />'
    reply = caller.call(
        "POST",
        check_url(url),
        api_key=api_key,
        document={
            "model": model,
            "messages": [{"role": "user", "content": f"{INSTRUCTION} {media}"}],
            "max_tokens": options.max_tokens,
            "temperature": 0,
            "stream": False,
        },
        headers={
            "NVCF-INPUT-ASSET-REFERENCES": asset_id,
            "NVCF-FUNCTION-ASSET-IDS": asset_id,
            "NVCF-POLL-SECONDS": str(HOLD_SECONDS),
        },
        attempts=attempts,
    )
    return _read_answer(reply)


def poll_request(
    caller: HttpCaller,
    request_id: str,
    *,
    api_key: str | None,
    polls: int,
    nvcf_url: str = NVCF_URL,
) -> Polled:
    """Ask once whether a question is answered; ``polls`` counts the earlier requests.

    An answer is handed out once: the caller stores the scene. A throttled request counts as one
    that found the question open. Raises what the caller and ``read_scene`` raise otherwise.
    """
    if polls >= MOST_POLLS:
        failure = ProviderJobFailed(
            f"The model has not answered after {polls} requests.", code="provider_stalled"
        )
        return Polled(PollResult(RunState.FAILED, failure=failure))
    delay_seconds = choose_delay_seconds(
        polls, request_id, first_seconds=FIRST_POLL_SECONDS, longest_seconds=LONGEST_POLL_SECONDS
    )
    url = f"{check_url(nvcf_url)}/v2/nvcf/pexec/status/{_check_request_id(request_id)}"
    headers = {"NVCF-POLL-SECONDS": str(HOLD_SECONDS)}
    try:
        reply = caller.call("GET", url, api_key=api_key, headers=headers, attempts=polls)
    except ProviderThrottled as throttled:
        pause = max(throttled.delay_seconds, delay_seconds)
        return Polled(PollResult(RunState.RUNNING, pause))
    if reply.status == 202:
        return Polled(PollResult(RunState.RUNNING, delay_seconds))
    return Polled(PollResult(RunState.SUCCEEDED), _read_answer(reply).scene)


def _read_answer(reply: HttpReply) -> Answer:
    if reply.status == 202:
        return Answer(request_id=_check_request_id(reply.headers.get("nvcf-reqid", "")))
    return Answer(scene=read_scene(read_json(reply)))


def _check_request_id(request_id: str) -> str:
    if not _REQUEST_ID.fullmatch(request_id):
        raise ProviderReplyInvalid("The reply does not name the request that it accepted.")
    return request_id
