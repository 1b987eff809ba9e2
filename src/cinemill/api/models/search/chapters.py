"""Documents of chapters and key moments. Times are seconds from a video's start."""

from __future__ import annotations

from typing import Self

from cinemill.api.models.documents import Document
from cinemill.capabilities.search.chapters.key_moments import KeyMoment
from cinemill.capabilities.search.chapters.video_chapters import (
    Chapter,
    Comparison,
    VideoChapters,
)
from cinemill.core.retrieval.passages import PassageTrack


class ChapterDocument(Document):
    """A part of a video, which ends where the next one begins."""

    start: float
    end: float
    title: str
    """The words, separated by commas; `Chapter` and its number where there are none."""
    words: list[str]
    """Names and words that this chapter has and few others do, the most characteristic first."""

    @classmethod
    def from_record(cls, number: int, one: Chapter) -> Self:
        """Return the document of the chapter with this number, from 1."""
        return cls(
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            title=write_title(number, one),
            words=list(one.words),
        )


class KeyMomentDocument(Document):
    """A passage in which much is named for the first time, or stated."""

    start: float
    end: float
    text: str
    """Of the passage, word for word."""
    passage_id: str
    names: list[str]
    """That the video mentions here for the first time."""
    statement_count: int
    """Relations between names that are stated here."""

    @classmethod
    def from_record(cls, one: KeyMoment) -> Self:
        """Return the document of a key moment."""
        return cls(
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            text=one.text,
            passage_id=one.passage_id,
            names=list(one.names),
            statement_count=one.statement_count,
        )


class ChaptersDocument(Document):
    """The chapters and key moments of a video; both lists may be empty."""

    chapters: list[ChapterDocument]
    """None, or 2 to 100, in order and without gaps."""
    key_moments: list[KeyMomentDocument]
    """At most 20, by time."""
    track: PassageTrack | None
    """What they were made of; null where the video has too little speech, descriptions and text."""
    comparison: Comparison | None
    """Whether the passages were compared by meaning, or by words for lack of vectors."""

    @classmethod
    def from_record(cls, found: VideoChapters) -> Self:
        """Return the document of a video's chapters."""
        return cls(
            chapters=[
                ChapterDocument.from_record(number, one)
                for number, one in enumerate(found.chapters, start=1)
            ],
            key_moments=[KeyMomentDocument.from_record(one) for one in found.key_moments],
            track=found.track,
            comparison=found.comparison,
        )


def write_title(number: int, chapter: Chapter) -> str:
    """Return a chapter's words with a capital in front, or its number from 1."""
    title = ", ".join(chapter.words)
    return title[:1].upper() + title[1:] if title else f"Chapter {number}"
