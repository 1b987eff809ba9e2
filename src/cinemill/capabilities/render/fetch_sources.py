"""The films of a timeline, and what is laid over them: each fetched and looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cinemill.capabilities.render.timeline.timeline import (
    Source,
    Timeline,
    find_element_using,
    with_location,
)
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.media import Artifact, ArtifactKind, MediaInfo
from cinemill.errors import InputRejected
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.probe.probe import probe, probe_material, sniff_material_file
from cinemill.steps.import_file import StoredUpload, import_file
from cinemill.steps.resources import StepResources, effective_limits
from cinemill.storage.media import assets


def gather_sources(resources: StepResources, context: StepContext) -> StepOutcome:
    """Fetch and probe the films ``first`` to ``first + count`` of the job's timeline.

    Each gets its row at once, whatever becomes of this try: fetching the others may take longer
    than the collector leaves a stored file alone that no row names.

    Result: ``sources``, by their number: ``asset_id``, ``sha256``, ``media``. A still or a sound is
    no asset: it is kept with the first clip's film. Raises InputRejected, NotFound and
    MediaRejected, naming the first clip, overlay or sound that uses it, and DiskFull.
    """
    timeline = read_timeline(context.run.job_params["job"])
    first, count = int(context.run.params["first"]), int(context.run.params["count"])
    gatherer = _Gatherer(resources, context, timeline, 1 / count)
    found: dict[str, dict[str, Any]] = {}
    for position, source in enumerate(timeline.sources[first : first + count]):
        found[str(first + position)] = gatherer.gather(source, position / count)
    return StepOutcome({"sources": found})


@dataclass(frozen=True)
class _Gatherer:
    """One step's sources; each is ``share`` of its work."""

    resources: StepResources
    context: StepContext
    timeline: Timeline
    share: float

    def gather(self, source: Source, done: float) -> dict[str, Any]:
        try:
            if source.asset_id is not None:
                return self._look_up(source.asset_id)
            if source in self.timeline.clip_sources:
                return self._fetch_film(str(source.path), done)
            return self._fetch_material(str(source.path), done)
        except InputRejected as error:
            raise with_location(find_element_using(self.timeline, source), error) from error

    def _look_up(self, asset_id: str) -> dict[str, Any]:
        asset = assets.get_asset(self.resources.database, asset_id)
        media = asset.media or self._probe(asset.sha256)
        with self.resources.database.begin() as connection:
            assets.record_media(connection, asset.id, media)
        return _describe(asset.id, asset.sha256, media)

    def _fetch_film(self, path: str, done: float) -> dict[str, Any]:
        taken = import_file(self.resources, self.context, path, done=done, share=self.share)
        sha256 = taken.stored.sha256
        known = assets.find_asset(
            self.resources.database, owner=self.context.run.owner, sha256=sha256
        )
        media = known.media if known is not None else None
        return self._register(taken, media or self._probe(sha256))

    def _fetch_material(self, path: str, done: float) -> dict[str, Any]:
        resources, context = self.resources, self.context
        taken = import_file(
            resources, context, path, done=done, share=self.share, look=sniff_material_file
        )
        media = probe_material(
            resources.files.path(taken.stored.sha256),
            effective_limits(resources, context),
            sandbox=resources.sandbox,
        )
        if media.is_film:
            return self._register(taken, media)
        return self._keep(taken, media)

    def _register(self, taken: StoredUpload, media: MediaInfo) -> dict[str, Any]:
        with self.resources.database.begin() as connection:
            asset = taken.register(connection, self.context.run.owner)
            assets.record_media(connection, asset.id, media)
        return _describe(asset.id, taken.stored.sha256, media)

    def _keep(self, taken: StoredUpload, media: MediaInfo) -> dict[str, Any]:
        """With the film that the first clip is of, which was gathered before."""
        film = next(
            result["sources"]["0"]
            for result in self.context.run.inputs.values()
            if "0" in result.get("sources", {})
        )
        key = f"material-{taken.stored.sha256}"
        artifact = Artifact(
            kind=ArtifactKind.MATERIAL,
            sha256=taken.stored.sha256,
            size_bytes=taken.stored.size_bytes,
            filename=taken.filename,
            media_type="application/octet-stream",
        )
        with self.resources.database.begin() as connection:
            owned = assets.find_owned(connection, film["asset_id"], film["sha256"])
            if owned is not None:
                assets.save_artifacts(connection, owned, key, [artifact], variant=key)
        return _describe(film["asset_id"], taken.stored.sha256, media)

    def _probe(self, sha256: str) -> MediaInfo:
        resources = self.resources
        limits = effective_limits(resources, self.context)
        return probe(resources.files.path(sha256), limits, sandbox=resources.sandbox)


def _describe(asset_id: str, sha256: str, media: MediaInfo) -> dict[str, Any]:
    return {"asset_id": asset_id, "sha256": sha256, "media": media.to_json()}
