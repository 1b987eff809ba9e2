"""Vision models as providers of analysis: Cosmos, hosted VILA, and frames for any such server.

A model describes the range that it was sent, so its findings cover exactly that range.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisRequest,
    AnalysisTicket,
    ClipFrames,
    Collected,
    Progress,
    VideoClip,
    check_request,
    ignore_page,
    material_unsuitable,
    ticket_invalid,
)
from cinemill.core.findings.finding import Finding, FindingKind, FindingModel
from cinemill.errors import CinemillError
from cinemill.inference.providers.failures import ProviderUnavailable
from cinemill.inference.providers.jobs import FindingSet, RunState
from cinemill.inference.providers.nvidia.assets import NVCF_URL, delete_asset, upload_asset
from cinemill.inference.providers.nvidia.chat import (
    ChatOptions,
    build_frames_request,
    build_video_request,
    encode_clip,
    encode_frames,
)
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.replies import SceneReply
from cinemill.inference.providers.nvidia.requests import (
    VILA_MODEL,
    VILA_URL,
    Answer,
    ask_model,
    ask_vila,
    poll_request,
)
from cinemill.inference.providers.nvidia.server import VisionServer, read_model_id
from cinemill.steps.costs.cost import Consumption

VERSION = 1
"""Of this code and of the instruction: raise it when the same video gives other findings."""


class _Scene(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    description: str
    labels: list[str]
    model: str
    removed_times: int
    prompt_tokens: int | None
    completion_tokens: int | None


class _State(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    model: str
    request_id: str | None = None
    asset_id: str | None = None
    scene: _Scene | None = None
    polls: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Gateway:
    """NVIDIA's functions, which hold assets and hand out answers later."""

    nvcf_url: str = NVCF_URL
    vila_url: str = VILA_URL


class VisionProvider(ABC):
    """What the providers have in common: a ticket, polling, and findings from a scene."""

    def __init__(
        self,
        caller: HttpCaller,
        server: VisionServer,
        *,
        options: ChatOptions | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        self._caller = caller
        self._server = server
        self._options = options or ChatOptions()
        self._gateway = gateway or Gateway()

    @property
    def name(self) -> str:
        """As in settings and findings."""
        return self._server.provider

    @property
    def is_idempotent(self) -> bool:
        """Return False: a question that is asked again is answered, and charged, again."""
        return False

    def list_consumption(self, request: AnalysisRequest) -> list[Consumption]:
        """Return one request of the model."""
        check_request(request)
        return [Consumption(f"{self.name}.request", requests=1)]

    @abstractmethod
    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Send the material to the model."""

    def poll(self, ticket: AnalysisTicket) -> Progress:
        """Ask once for an answer that was not there yet."""
        state = self._read_state(ticket)
        if state.scene is not None:
            return Progress(RunState.SUCCEEDED, ticket)
        if state.request_id is None:
            raise ticket_invalid(self.name)
        try:
            polled = poll_request(
                self._caller,
                state.request_id,
                api_key=self._server.api_key,
                polls=state.polls,
                nvcf_url=self._gateway.nvcf_url,
            )
        except ProviderUnavailable:
            raise  # the answer may still come
        except CinemillError:
            self.discard(ticket)
            raise
        state.polls += 1
        if polled.scene is not None:
            state.scene = _keep(polled.scene)
        if polled.result.state is not RunState.RUNNING:
            self._delete(state)
        return Progress(
            polled.result.state,
            self._make_ticket(state),
            delay_seconds=polled.result.delay_seconds,
            failure=polled.result.failure,
        )

    def collect(
        self,
        ticket: AnalysisTicket,
        request: AnalysisRequest,
        *,
        on_page: Callable[[int], None] = ignore_page,
    ) -> Collected:
        """Return a description of the range, and a tag for each label."""
        state, scene = self._read_state(ticket), self._read_state(ticket).scene
        check_request(request)
        if scene is None:
            raise ticket_invalid(self.name)
        revision = scene.model if scene.model != state.model else ""
        model = FindingModel(self.name, state.model, revision, VERSION)
        start_ms, end_ms = request.start_ms, request.end_ms
        details = {"removed_times": scene.removed_times}
        description = Finding(start_ms, end_ms, scene.description, details=details)
        tags = [Finding(start_ms, end_ms, label) for label in sorted(scene.labels)]
        on_page(1)
        return Collected(
            [
                FindingSet(FindingKind.DESCRIPTION, model, [description]),
                FindingSet(FindingKind.TAG, model, tags),
            ],
            scene.prompt_tokens,
            scene.completion_tokens,
        )

    def discard(self, ticket: AnalysisTicket) -> None:
        """Delete the asset of an analysis, if it has one."""
        self._delete(self._read_state(ticket))

    def _delete(self, state: _State) -> None:
        if state.asset_id is not None:
            delete_asset(
                self._caller,
                state.asset_id,
                api_key=self._server.api_key or "",
                nvcf_url=self._gateway.nvcf_url,
            )
            state.asset_id = None

    def _make_ticket(self, state: _State) -> AnalysisTicket:
        return AnalysisTicket(self.name, state.model_dump())

    def _issue(self, model: str, answer: Answer, asset_id: str | None = None) -> AnalysisTicket:
        scene = None if answer.scene is None else _keep(answer.scene)
        state = _State(model=model, request_id=answer.request_id, asset_id=asset_id, scene=scene)
        return self._make_ticket(state)

    def _read_state(self, ticket: AnalysisTicket) -> _State:
        try:
            state = _State.model_validate(ticket.state)
        except ValidationError as invalid:
            raise ticket_invalid(self.name) from invalid
        if ticket.provider != self.name:
            raise ticket_invalid(self.name)
        return state


class CosmosProvider(VisionProvider):
    """A model that takes a clip within the request, such as Cosmos Reason behind a NIM."""

    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Send a clip to the model; its answer is usually there at once."""
        check_request(request)
        if not isinstance(request.material, VideoClip):
            raise material_unsuitable(self.name, "a clip of the range")
        clip_uri = encode_clip(request.material.path)
        model = read_model_id(self._caller, self._server)
        document = build_video_request(model, clip_uri, self._options)
        return self._issue(
            model, ask_model(self._caller, self._server, document, attempts=attempts)
        )


class FramesProvider(VisionProvider):
    """Any OpenAI-compatible server whose model sees images."""

    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Send frames to the model; its answer is usually there at once."""
        check_request(request)
        if not isinstance(request.material, ClipFrames):
            raise material_unsuitable(self.name, "frames of the range")
        frame_uris = encode_frames(request.material.images)
        model = read_model_id(self._caller, self._server)
        document = build_frames_request(model, frame_uris, self._options)
        return self._issue(
            model, ask_model(self._caller, self._server, document, attempts=attempts)
        )


class VilaProvider(VisionProvider):
    """The VILA that NVIDIA hosts: the clip is uploaded, and deleted once it is described."""

    def start(self, request: AnalysisRequest, *, attempts: int = 0) -> AnalysisTicket:
        """Upload a clip and ask about it. Where that fails, the clip is deleted."""
        check_request(request)
        if not isinstance(request.material, VideoClip):
            raise material_unsuitable(self.name, "a clip of the range")
        api_key, model = self._server.api_key or "", self._server.model or VILA_MODEL
        asset_id = upload_asset(
            self._caller,
            request.material.path,
            api_key=api_key,
            nvcf_url=self._gateway.nvcf_url,
        )
        is_needed = False
        try:
            answer = ask_vila(
                self._caller,
                asset_id,
                self._options,
                api_key=api_key,
                url=self._gateway.vila_url,
                model=model,
                attempts=attempts,
            )
            is_needed = answer.scene is None
        finally:
            if not is_needed:
                self._delete(_State(model=model, asset_id=asset_id))
        return self._issue(model, answer, asset_id if is_needed else None)


def _keep(scene: SceneReply) -> _Scene:
    return _Scene(
        description=scene.description,
        labels=list(scene.labels),
        model=scene.model,
        removed_times=scene.removed_times,
        prompt_tokens=scene.prompt_tokens,
        completion_tokens=scene.completion_tokens,
    )
