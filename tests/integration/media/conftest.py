"""Fixtures of the media tests: this machine's tools, and a path through probe and prepare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.integration.media.editing import Bench

from cinemill.capabilities.ingest.prepare import PreparedFile, PrepareOutcome, prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.core.media import ArtifactKind, MediaInfo
from cinemill.media.ffmpeg.binary import FfmpegBinary, find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe


@pytest.fixture(scope="session")
def ffmpeg_binary() -> FfmpegBinary:
    return find_ffmpeg(None)


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return detect_sandbox()


@dataclass(frozen=True, slots=True)
class ProcessedVideo:
    """A video that was probed and prepared."""

    info: MediaInfo
    outcome: PrepareOutcome
    shares: tuple[float, ...]

    def file(self, kind: ArtifactKind) -> PreparedFile:
        return next(file for file in self.outcome.files if file.kind is kind)

    def facts(self, kind: ArtifactKind) -> dict[str, object]:
        return self.file(kind).facts

    @property
    def kinds(self) -> set[ArtifactKind]:
        return {file.kind for file in self.outcome.files}


@dataclass(frozen=True, slots=True)
class Processor:
    """Probes and prepares into one private folder, with settings that a test may change."""

    ffmpeg_binary: FfmpegBinary
    sandbox: Sandbox
    folder: Path
    limits: Limits = field(default_factory=Limits)
    should_stop: Callable[[], Exception | None] = lambda: None

    def with_limits(self, **changes: Any) -> Processor:
        return replace(self, limits=replace(self.limits, **changes))

    def probe(self, film: Path) -> MediaInfo:
        return probe(film, self.limits, sandbox=self.sandbox)

    def process(
        self,
        film: Path,
        *,
        thumbnail_seconds: Fraction | None = None,
        best_effort: bool = False,
    ) -> ProcessedVideo:
        info = self.probe(film)
        shares: list[float] = []
        outcome = prepare(
            FfmpegSession(
                self.ffmpeg_binary,
                self.folder,
                self.limits,
                self.sandbox,
                on_progress=shares.append,
                should_stop=self.should_stop,
            ),
            film,
            info,
            PrepareRequest(thumbnail_seconds=thumbnail_seconds, best_effort=best_effort),
        )
        return ProcessedVideo(info, outcome, tuple(shares))


@pytest.fixture
def processor(tmp_path: Path, ffmpeg_binary: FfmpegBinary, sandbox: Sandbox) -> Processor:
    folder = tmp_path / "work"
    folder.mkdir()
    return Processor(ffmpeg_binary, sandbox, folder)


@pytest.fixture
def bench(ffmpeg_binary: FfmpegBinary, sandbox: Sandbox, tmp_path: Path) -> Bench:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return Bench(ffmpeg_binary, sandbox, folder)
