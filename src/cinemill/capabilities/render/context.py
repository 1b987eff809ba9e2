"""A timeline as its steps find it: the videos that were fetched, and what was validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cinemill.capabilities.render.pieces.clip_filters import StoredVideo
from cinemill.capabilities.render.plan import RenderParameters
from cinemill.capabilities.render.results import (
    FETCHED,
    VALIDATED,
    FoundSource,
    ValidateResult,
)
from cinemill.capabilities.render.timeline.timeline import Source, Timeline
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.media import CACHED_KINDS, Artifact, ArtifactKind
from cinemill.core.text.subtitles import Subtitles
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources
from cinemill.storage.media import assets


@dataclass(frozen=True)
class RenderContext:
    """The timeline of a render, with those of its videos that the step was given."""

    timeline: Timeline
    found: Mapping[Source, FoundSource]
    validated: ValidateResult | None
    """None before the timeline was validated."""

    @cached_property
    def hashes(self) -> dict[Source, str]:
        return {source: one.sha256 for source, one in self.found.items()}

    @property
    def subtitles(self) -> Subtitles | None:
        return None if self.validated is None else self.validated.subtitles

    @cached_property
    def asset_ids(self) -> dict[str, str]:
        """Return the assets by the sha256 of their videos."""
        return {one.sha256: one.asset_id for one in self.found.values()}


def read_context(context: StepContext) -> RenderContext:
    """Return the job's timeline, with what earlier steps found."""
    timeline = read_timeline(context.job_parameters(RenderParameters).job)
    sources = timeline.sources
    found = {
        sources[number]: source
        for result in context.results_of(FETCHED).values()
        for number, source in result.sources.items()
    }
    return RenderContext(timeline, found, context.find_result(VALIDATED))


def find_videos(resources: StepResources, edit: RenderContext) -> dict[str, StoredVideo]:
    """Return the stored videos by their sha256."""
    return {
        one.sha256: StoredVideo(resources.files.require(one.sha256), one.media)
        for one in edit.found.values()
    }


def find_cached(resources: StepResources, key: str, kind: ArtifactKind) -> Artifact | None:
    """Return the output of this key if an earlier render stored it and its file is still there."""
    if kind in CACHED_KINDS:
        made = assets.take_cached(resources.database, key)
    else:
        made = assets.find_step_artifacts(resources.database, key).get(kind.value)
    return made if made is not None and resources.files.exists(made.sha256) else None


def cache(
    resources: StepResources, edit: RenderContext, sha256: str, key: str, artifact: Artifact
) -> None:
    """Record an output of the video with this hash at once.

    Its key names all that went into it, so that it stays valid if this attempt fails, and the next
    attempt continues from here.
    """
    asset_id = edit.asset_ids[sha256]
    with resources.database.begin() as connection:
        known = assets.find_owned(connection, asset_id, sha256)
        if known is not None:
            assets.save_artifacts(connection, known, key, [artifact], variant=key)
