"""What each tool takes. The docstrings become descriptions in a schema that a model reads."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from cinemill.docstrings import DescribedModel

MOST_HITS = 50
DEFAULT_HITS = 10
MOST_FILTERS = 200
LONGEST_RANGE_SECONDS = 600.0
LONGEST_SECONDS = 1e9
LONGEST_QUERY_CHARACTERS = 10_000

# The server refuses longer ones, with a code of its own.
Query = Annotated[str, Field(json_schema_extra={"maxLength": LONGEST_QUERY_CHARACTERS})]
Id = Annotated[str, Field(min_length=1, max_length=255)]
Ids = Annotated[list[Id], Field(max_length=MOST_FILTERS)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]


class Arguments(DescribedModel):
    """The arguments of a tool; unknown ones are refused, so that no filter is lost."""

    model_config = ConfigDict(extra="forbid")


class SearchArguments(Arguments):
    """What to search for, and where."""

    query: Query
    """Words, a question or names, in any language that the videos use. Words in double quotes are
    found in this order only."""
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = DEFAULT_HITS
    """The most moments to return."""
    asset_ids: Ids = Field(default_factory=list)
    """Search these videos only. Ids come from earlier results; leave it empty for all videos."""
    collections: Ids = Field(default_factory=list)
    """Search videos of these collections only, by name; leave it empty for all videos."""


class AskArguments(Arguments):
    """What to answer, and from which videos."""

    question: Query
    """One question in a sentence."""
    conversation_id: Id | None = None
    """For a follow-up question such as "And when?": the conversation_id of the answer before."""
    asset_ids: Ids = Field(default_factory=list)
    """Answer from these videos only; leave it empty for all videos."""
    collections: Ids = Field(default_factory=list)
    """Answer from videos of these collections only; leave it empty for all videos."""


class MomentArguments(Arguments):
    """A range of a video's time."""

    asset_id: Id
    """The video, as search or ask returned it."""
    start: Seconds
    """In seconds from the video's start."""
    end: Seconds
    """In seconds; after start, and at most 600 seconds later."""
    with_picture: bool = True
    """Whether to return the key frame of this range as a picture, where there is one."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if not self.start < self.end <= self.start + LONGEST_RANGE_SECONDS:
            longest = int(LONGEST_RANGE_SECONDS)
            raise ValueError(f"end must be after start, and at most {longest} seconds later")
        return self
