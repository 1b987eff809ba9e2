"""A stored video, read within the limits of an attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.core.media import ArtifactKind
from cinemill.errors import NotFound
from cinemill.jobs.step import StepContext
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame, read_frames
from cinemill.media.frames.index import FrameIndex, read_index
from cinemill.media.frames.process import reject
from cinemill.media.frames.shots import detect_shots
from cinemill.steps.resources import StepResources, effective_limits
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord

if TYPE_CHECKING:
    from cinemill.core.frames import Frame, Shot


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """The source of an asset, and what it is read with."""

    resources: StepResources
    context: StepContext
    asset: AssetRecord

    @property
    def path(self) -> Path:
        return self.resources.files.require(self.asset.sha256)

    @property
    def limits(self) -> Limits:
        return effective_limits(self.resources, self.context)

    def read_index(self) -> FrameIndex:
        """Return the times of all frames. Raises MediaRejected (``media_truncated``)."""
        index = read_index(
            self.path,
            self.limits,
            sandbox=self.resources.sandbox,
            should_stop=self.context.should_stop,
        )
        if index.is_cut_off:
            raise reject("media_truncated")
        return index

    def read_frames(
        self, index: FrameIndex, pts: Sequence[int], *, max_width: int, max_pixels: int
    ) -> Iterator[Frame]:
        """Yield the frames with exactly these timestamps, in order of time."""
        return read_frames(
            self.path,
            index,
            pts,
            limits=self.limits,
            max_width=max_width,
            max_pixels=max_pixels,
            sandbox=self.resources.sandbox,
            should_stop=self.context.should_stop,
        )

    def find_shots(self, index: FrameIndex) -> Sequence[Shot]:
        """Return the shots, from the frames that ingest stored if there are any.

        Without these the whole video is decoded.
        """
        width, height = SHOT_FRAME_SIZE
        frames = read_every_frame(
            find_artifact_path(self.resources, self.asset, ArtifactKind.SHOT_FRAMES) or self.path,
            limits=self.limits,
            width=width,
            height=height,
            sandbox=self.resources.sandbox,
            should_stop=self.context.should_stop,
        )
        return detect_shots(
            ((frame.time_ms, frame.pixels) for frame in frames),
            index.end_ms,
            should_stop=self.context.should_stop,
        )


def find_artifact_path(
    resources: StepResources, asset: AssetRecord, kind: ArtifactKind
) -> Path | None:
    """Return the file that was made of an asset, if it is there."""
    try:
        artifact = assets.get_artifact(resources.database, asset.id, kind).artifact
    except NotFound:
        return None
    stored = resources.files
    return stored.path(artifact.sha256) if stored.exists(artifact.sha256) else None
