"""Documents of searches by pictures. Times are seconds from a video's start."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field

from cinemill.api.models.documents import Document, Name, RequestDocument, make_link
from cinemill.core.media import ArtifactKind, name_keyframe
from cinemill.core.retrieval.hits import SearchFilters, SearchScope
from cinemill.core.retrieval.similar import DEFAULT_MOMENTS, MOST_MOMENTS, SimilarMoment
from cinemill.core.retrieval.spaces import Space
from cinemill.core.text.storable_text import Text

MOST_FILTERS = 200
LONGEST_SECONDS = 1e9
Names = Annotated[list[Name], Field(max_length=MOST_FILTERS)]


class Likeness(StrEnum):
    """What makes two moments alike."""

    PICTURE = "picture"
    """What is shown."""
    MOMENT = "moment"
    """What is shown, together with what is said and written meanwhile."""

    @property
    def space(self) -> Space:
        return Space(self.value)


class PictureQuery(RequestDocument):
    """Where to search, as parameters of an address. Lists are repeated: `asset=a&asset=b`."""

    limit: Annotated[int, Field(ge=1, le=MOST_MOMENTS)] = DEFAULT_MOMENTS
    """Maximum number of moments."""
    asset: Names = Field(default_factory=list)
    """Only these videos."""
    collection: Names = Field(default_factory=list)
    """Only videos of these collections."""

    def scope(self, owner: str) -> SearchScope:
        """Return what the search sees."""
        return SearchScope(owner, tuple(self.collection))

    @property
    def filters(self) -> SearchFilters:
        return SearchFilters(asset_ids=tuple(self.asset))


class LikenessQuery(PictureQuery):
    """Which moment to compare with."""

    time: Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
    """Seconds. The key frame that stands for this time is compared."""
    by: Likeness = Likeness.PICTURE
    """`picture` (what is shown) or `moment` (also what is said and written meanwhile)."""


class WordsQuery(PictureQuery):
    """Which words to find pictures by."""

    q: Annotated[Text, Field(min_length=1, max_length=1000)]
    """What the pictures show, in English."""


class PictureMomentDocument(Document):
    """A moment whose picture was found."""

    asset_id: str
    start: float
    """Seconds."""
    end: float
    """Seconds; after `start`."""
    picture_time: float
    """When the picture is shown. It may be outside of the moment, where an earlier one shows the
    same."""
    picture_url: str
    """The picture as a JPEG file."""
    score: float
    """Cosine, -1 to 1; comparable within one search only."""
    passage_id: str

    @classmethod
    def from_moment(cls, one: SimilarMoment) -> Self:
        """Return the document of a moment."""
        kind, variant = ArtifactKind.KEYFRAME.value, name_keyframe(one.frame_ms)
        return cls(
            asset_id=one.asset_id,
            start=one.start_ms / 1000,
            end=one.end_ms / 1000,
            picture_time=one.frame_ms / 1000,
            picture_url=make_link(
                f"/assets/{quote(one.asset_id, safe='')}/files/{kind}?variant={variant}"
            ),
            score=round(one.score, 6),
            passage_id=one.passage_id,
        )


class PictureSearchDocument(Document):
    """What a search by a picture found."""

    moments: list[PictureMomentDocument]
    """The most similar first. There is always a most similar one: the scores say how much."""

    @classmethod
    def from_moments(cls, found: Sequence[SimilarMoment]) -> Self:
        """Return the document of what was found."""
        return cls(moments=[PictureMomentDocument.from_moment(one) for one in found])
