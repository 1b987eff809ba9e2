"""What all providers refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.rekognition_double import VIDEO, RekognitionDouble, connect, run_double
from tests.vision_answers import JPEG

from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisProvider,
    AnalysisRequest,
    AnalysisTicket,
    ClipFrames,
    Material,
    VideoClip,
)
from cinemill.capabilities.analysis.providers.rekognition import RekognitionProvider
from cinemill.capabilities.analysis.providers.vision_models import (
    CosmosProvider,
    FramesProvider,
    VilaProvider,
)
from cinemill.errors import InputRejected
from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.server import VisionServer
from cinemill.inference.providers.rekognition.features import Feature

if TYPE_CHECKING:
    from tests.unit.conftest import LittleServer

ALL = tuple(Feature)


@pytest.fixture
def double() -> Iterator[RekognitionDouble]:
    with run_double() as running:
        yield running


@pytest.fixture
def caller() -> Iterator[HttpCaller]:
    with HttpCaller(read_seconds=5) as running:
        yield running


def test_material_of_another_kind_is_refused(
    caller: HttpCaller, server: LittleServer, double: RekognitionDouble, tmp_path: Path
) -> None:
    vision, clip = VisionServer(server.url), VideoClip(tmp_path / "chunk.mp4")
    wrong: list[tuple[AnalysisProvider, Material]] = [
        (RekognitionProvider(connect(double), ALL), clip),
        (CosmosProvider(caller, vision), VIDEO),
        (FramesProvider(caller, vision), clip),
        (VilaProvider(caller, vision), ClipFrames((JPEG,))),
    ]
    for provider, material in wrong:
        with pytest.raises(InputRejected) as refused:
            provider.start(AnalysisRequest("step", 20_000, 30_000, material))
        assert refused.value.code == "material_unsuitable"
    assert (server.seen, double.seen) == ([], [])


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
