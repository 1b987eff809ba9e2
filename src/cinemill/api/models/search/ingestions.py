"""Documents of ingestions: what is found out about a video, and what is missing."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from cinemill.api.models.documents import RequestDocument
from cinemill.api.models.jobs import JobDocument
from cinemill.api.models.pages import Page
from cinemill.api.models.search.knowledge import FindingGapDocument
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import HIGHEST_PRIORITY, LOWEST_PRIORITY
from cinemill.core.retrieval.passages import PassageTrack
from cinemill.steps.ingestion.profiles import Profile
from cinemill.steps.ingestion.providers import Provider
from cinemill.storage.findings.ingestions import Knowledge


class CreateIngestionRequest(RequestDocument):
    """An ingestion of a stored video."""

    profile: Profile = Profile.STANDARD
    """How much to find out: `quick` (shots, key frames, speech, search), `standard` (also kinds of
    sound, text in the picture, tags, faces, names and who does what), or `full` (also objects and
    scenes)."""
    provider: Provider = Provider.LOCAL
    """Who looks at the pictures: `local`, `rekognition` or `nvidia`."""
    priority: Annotated[int | None, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)] = None
    """0 to 10, 10 first; null for the usual one."""


class IngestionPage(Page):
    """Ingestions of a video, newest first, and what is known of it by now."""

    ingestions: list[JobDocument]
    findings: dict[FindingKind, int]
    """How many findings there are, by kind. A kind that was never looked for is missing."""
    passages: dict[PassageTrack, int]
    """How many passages search finds it by, by where they are from."""
    gaps: list[FindingGapDocument]

    @classmethod
    def from_parts(cls, jobs: list[JobDocument], known: Knowledge, following: str | None) -> Self:
        return cls(
            ingestions=jobs,
            findings=dict(known.findings),
            passages=dict(known.passages),
            gaps=[FindingGapDocument.from_record(gap) for gap in known.gaps],
            next=following,
        )
