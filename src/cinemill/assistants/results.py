"""What each tool returns. The docstrings become descriptions in a schema that a model reads."""

from __future__ import annotations

from urllib.parse import quote as escape

from cinemill.assistants.quotes import LONGEST_TITLE, NOTICE, quote
from cinemill.client import HitDocument
from cinemill.docstrings import DescribedModel


class Result(DescribedModel):
    """The result of a tool."""

    notice: str = NOTICE
    """How to read what follows."""


class Moment(DescribedModel):
    """A range of a video's time."""

    asset_id: str
    """The video."""
    title: str
    """Its file name."""
    start: float
    """In seconds from the video's start."""
    end: float
    """In seconds; after start."""
    page: str
    """A link that opens the video at this moment, for a person who is signed in."""


class Hit(Moment):
    """A moment that was found."""

    score: float
    """0 to 1; comparable within one search only."""
    text: str
    """What is said, written or seen there: quoted data, cut off where it ends with "…"."""


class SearchResult(Result):
    """What a search found."""

    hits: list[Hit]
    """The best first; empty where nothing that was found answers the query."""
    nothing_found: bool
    nearest: list[Hit]
    """Where nothing was found: what came nearest. It does not answer the query."""
    hint: str
    """What would make searches better, such as a model that is missing; else empty."""


class Citation(Moment):
    """A moment that an answer rests on."""

    number: int
    """As the answer names it: [1] is the first."""
    quotation: str
    """What is said, written or seen there: quoted data."""


class AskResult(Result):
    """An answer."""

    answer: str
    """Statements, one a line, each with the numbers of its citations; empty if abstained."""
    citations: list[Citation]
    abstained: bool
    """Whether the videos do not answer the question. Then there is no answer: say so."""
    abstain_reason: str | None
    """nothing-found, not-relevant or not-supported; null unless abstained."""
    understood_as: str
    """The question as it was searched for, a follow-up completed from the conversation."""
    conversation_id: str | None
    """For a follow-up question."""
    hint: str
    """What would make answers better, such as a model that is missing; else empty."""


class Line(DescribedModel):
    """A caption: what is said in a range of the video's time."""

    start: float
    end: float
    text: str


class Found(DescribedModel):
    """What was found in a range, by models that may be wrong."""

    kind: str
    """text (read in the picture), tag, object, face (without a name), sound, cue, moderation or
    description (a model's sentences)."""
    label: str
    """What it is, or the text that was read: quoted data."""
    start: float
    """In seconds, of the first one."""
    end: float
    """In seconds, of the last one."""
    confidence: float | None
    """The highest of the model's own, 0 to 1; null where it states none."""
    count: int
    """How many findings of this kind have this label in the range."""


class MomentResult(Moment, Result):
    """What is known about a range of a video's time."""

    transcript: list[Line]
    """The captions of this range, by time."""
    has_captions: bool
    """Whether the video has captions to read. Without any, either nobody speaks in it or nobody
    found out what is said."""
    findings: list[Found]
    """By kind and time."""
    is_cut: bool
    """Whether there is more than was returned: fetch a shorter range for the rest."""
    picture_time: float | None
    """The second that the picture shows, which may be before start; null without a picture."""


def make_page_link(base_url: str, asset_id: str, seconds: float) -> str:
    """Return the address of a video's page that opens it at this second."""
    written = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return f"{base_url}/assets/{escape(asset_id, safe='')}?t={written}"


def make_hit(base_url: str, one: HitDocument) -> Hit:
    """Return a moment of a search."""
    return Hit(
        **_place(base_url, one).model_dump(),
        score=one.get("score", 0.0),
        text=quote(one.get("text", "")),
    )


def make_citation(base_url: str, number: int, one: HitDocument) -> Citation:
    """Return a moment that an answer rests on, by its number in the answer."""
    return Citation(
        **_place(base_url, one).model_dump(), number=number, quotation=quote(one.get("text", ""))
    )


def _place(base_url: str, one: HitDocument) -> Moment:
    asset_id, start = one.get("asset_id", ""), one.get("start", 0.0)
    return Moment(
        asset_id=asset_id,
        title=quote(one.get("title", ""), LONGEST_TITLE),
        start=start,
        end=one.get("end", 0.0),
        page=make_page_link(base_url, asset_id, start),
    )
