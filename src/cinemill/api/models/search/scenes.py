"""Documents of scene graphs. Times are seconds from a video's start."""

from __future__ import annotations

from typing import Self

from cinemill.api.models.documents import Document
from cinemill.api.models.pages import Page
from cinemill.storage.knowledge.scenes import Scene


class VideoSceneObjectDocument(Document):
    """A thing that is seen in a shot."""

    label: str
    start: float
    end: float
    confidence: float | None


class VideoSceneRelationDocument(Document):
    """Where two things are to each other in the picture, for a time."""

    subject: int
    """The index of one of the shot's objects."""
    predicate: str
    """Such as `left of`, `above`, `inside` or `overlaps`."""
    object: int
    """The index of another of the shot's objects."""
    start: float
    end: float


class VideoSceneDocument(Document):
    """The things of one shot, and where they are to each other."""

    start: float
    end: float
    objects: list[VideoSceneObjectDocument]
    relations: list[VideoSceneRelationDocument]

    @classmethod
    def from_record(cls, one: Scene) -> Self:
        """Return the document of a scene."""
        return cls(
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            objects=[
                VideoSceneObjectDocument(
                    label=thing.label,
                    start=thing.start_ms / 1000,
                    end=thing.end_ms / 1000,
                    confidence=thing.confidence,
                )
                for thing in one.objects
            ],
            relations=[
                VideoSceneRelationDocument(
                    subject=relation.subject,
                    predicate=relation.predicate,
                    object=relation.object,
                    start=relation.start_ms / 1000,
                    end=relation.end_ms / 1000,
                )
                for relation in one.relations
            ],
        )


class ScenePage(Page):
    """Scenes of a video, one for each shot, in order."""

    scenes: list[VideoSceneDocument]
