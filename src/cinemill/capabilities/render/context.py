"""A timeline as its steps find it: the films that were gathered, and what ``open`` made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cinemill.capabilities.render.pieces.clip_filters import Film
from cinemill.capabilities.render.timeline.timeline import Source, Timeline
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.core.media import CACHED_KINDS, Artifact, ArtifactKind, MediaInfo
from cinemill.core.text.subtitles import Subtitles
from cinemill.jobs.step import StepContext
from cinemill.steps.resources import StepResources
from cinemill.storage.media import assets


@dataclass(frozen=True)
class Edit:
    """One render's timeline; of its films those that the step was given."""

    timeline: Timeline
    found: Mapping[Source, Mapping[str, Any]]
    """By film: ``asset_id``, ``sha256``, ``media``."""
    opened: Mapping[str, Any]
    """The result of the step ``open``; empty before it."""

    @cached_property
    def hashes(self) -> dict[Source, str]:
        return {source: document["sha256"] for source, document in self.found.items()}

    @cached_property
    def subtitles(self) -> Subtitles | None:
        document = self.opened.get("subtitles")
        return None if document is None else Subtitles.from_json(document)

    @cached_property
    def asset_ids(self) -> dict[str, str]:
        """Assets by the sha256 of their films."""
        return {document["sha256"]: document["asset_id"] for document in self.found.values()}


def read_edit(context: StepContext) -> Edit:
    """The job's timeline, with what the steps before found."""
    timeline = read_timeline(context.run.job_params["job"])
    sources = timeline.sources
    found = {sources[number]: document for number, document in _list_found(context)}
    return Edit(timeline, found, context.run.inputs.get("open", {}))


def _list_found(context: StepContext) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for result in context.run.inputs.values():
        for number, document in result.get("sources", {}).items():
            yield int(number), document


def find_films(resources: StepResources, edit: Edit) -> dict[str, Film]:
    """The stored films by their sha256."""
    return {
        document["sha256"]: Film(
            resources.files.path(document["sha256"]), MediaInfo.from_json(dict(document["media"]))
        )
        for document in edit.found.values()
    }


def find_made(resources: StepResources, key: str, kind: ArtifactKind) -> Artifact | None:
    """What was made under this key before, where its file is still there."""
    if kind in CACHED_KINDS:
        made = assets.take_cached(resources.database, key)
    else:
        made = assets.find_step_artifacts(resources.database, key).get(kind.value)
    return made if made is not None and resources.files.exists(made.sha256) else None


def keep(resources: StepResources, edit: Edit, sha256: str, key: str, artifact: Artifact) -> None:
    """Note at once what was made of the film of this hash: it is named by all that went into it,
    so that it is true whatever becomes of this try, and another try goes on from here."""
    asset_id = edit.asset_ids[sha256]
    with resources.database.begin() as connection:
        known = assets.find_owned(connection, asset_id, sha256)
        if known is not None:
            assets.save_artifacts(connection, known, key, [artifact], variant=key)
