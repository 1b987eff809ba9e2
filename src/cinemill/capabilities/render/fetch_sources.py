"""The sources of a timeline, videos and overlays: each is fetched and probed once."""

from __future__ import annotations

from dataclasses import dataclass

from cinemill.capabilities.render.plan import FetchParameters, RenderParameters
from cinemill.capabilities.render.results import FETCHED, FetchResult, FoundSource
from cinemill.capabilities.render.timeline.timeline import (
    Source,
    Timeline,
    find_element_using,
    with_location,
)
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.errors import InputRejected
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.probe.probe import probe, probe_material
from cinemill.media.probe.sniff import sniff_material_file
from cinemill.steps.import_file import StoredUpload, import_file
from cinemill.steps.resources import StepResources, effective_limits
from cinemill.storage.media import assets


def fetch_sources(resources: StepResources, context: StepContext) -> StepOutcome:
    """Fetch and probe the sources ``first`` to ``first + count`` of the job's timeline.

    Each gets its row at once, even if this attempt fails: fetching the others may take longer than
    the time after which a stored file without a row is removed.

    Result: ``sources``, by their number: ``asset_id``, ``sha256``, ``media``. A still or an audio
    file is no asset: it is kept with the first clip's video. Raises InputRejected, NotFound and
    MediaRejected, naming the first clip, overlay or sound that uses it, and DiskFull.
    """
    timeline = read_timeline(context.job_parameters(RenderParameters).job)
    params = context.parameters(FetchParameters)
    gatherer = SourceFetcher(resources, context, timeline, 1 / params.count)
    sources = timeline.sources[params.first : params.first + params.count]
    found = {
        params.first + position: gatherer.fetch_sources(source, position / params.count)
        for position, source in enumerate(sources)
    }
    return StepOutcome(write_result(FetchResult(found)))


@dataclass(frozen=True)
class SourceFetcher:
    """The sources of one step; each is ``share`` of its work."""

    resources: StepResources
    context: StepContext
    timeline: Timeline
    share: float

    def fetch_sources(self, source: Source, done: float) -> FoundSource:
        try:
            if source.asset_id is not None:
                return self._look_up(source.asset_id)
            if source in self.timeline.clip_sources:
                return self._fetch_film(str(source.path), done)
            return self._fetch_material(str(source.path), done)
        except InputRejected as error:
            raise with_location(find_element_using(self.timeline, source), error) from error

    def _look_up(self, asset_id: str) -> FoundSource:
        asset = assets.get_asset(self.resources.database, asset_id)
        media = self._probe_anew(asset.media, asset.sha256)
        with self.resources.database.begin() as connection:
            assets.record_media(connection, asset.id, media)
        return FoundSource(asset.id, asset.sha256, media)

    def _fetch_film(self, path: str, done: float) -> FoundSource:
        taken = import_file(self.resources, self.context, path, done=done, share=self.share)
        sha256 = taken.stored.sha256
        known = assets.find_asset(
            self.resources.database, owner=self.context.run.owner, sha256=sha256
        )
        media = known.media if known is not None else None
        return self._register(taken, self._probe_anew(media, sha256))

    def _probe_anew(self, known: MediaInfo | None, sha256: str) -> MediaInfo:
        """Return what is known of a stored video, unless an earlier version has found it out."""
        return self._probe(sha256) if known is None or known.is_outdated else known

    def _fetch_material(self, path: str, done: float) -> FoundSource:
        resources, context = self.resources, self.context
        taken = import_file(
            resources, context, path, done=done, share=self.share, look=sniff_material_file
        )
        media = probe_material(
            resources.files.require(taken.stored.sha256),
            effective_limits(resources, context),
            sandbox=resources.sandbox,
        )
        if media.is_film:
            return self._register(taken, media)
        return self._keep(taken, media)

    def _register(self, taken: StoredUpload, media: MediaInfo) -> FoundSource:
        with self.resources.database.begin() as connection:
            asset = taken.register(connection, self.context.run.owner)
            assets.record_media(connection, asset.id, media)
        return FoundSource(asset.id, taken.stored.sha256, media)

    def _keep(self, taken: StoredUpload, media: MediaInfo) -> FoundSource:
        """Keep an overlay's file with the first clip's video, which was fetched before."""
        first_source = next(
            result.sources[0]
            for result in self.context.results_of(FETCHED).values()
            if 0 in result.sources
        )
        key = f"material-{taken.stored.sha256}"
        artifact = Artifact(
            kind=ArtifactKind.OVERLAY_SOURCE,
            sha256=taken.stored.sha256,
            size_bytes=taken.stored.size_bytes,
            filename=taken.filename,
            media_type="application/octet-stream",
        )
        with self.resources.database.begin() as connection:
            owned = assets.find_owned(connection, first_source.asset_id, first_source.sha256)
            if owned is not None:
                assets.save_artifacts(connection, owned, key, [artifact], variant=key)
        return FoundSource(first_source.asset_id, taken.stored.sha256, media)

    def _probe(self, sha256: str) -> MediaInfo:
        resources = self.resources
        limits = effective_limits(resources, self.context)
        return probe(resources.files.require(sha256), limits, sandbox=resources.sandbox)
